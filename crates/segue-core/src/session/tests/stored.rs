//! Rows of older versions.

use super::*;

#[test]
fn a_running_turn_that_an_older_version_began_does_not_say_since_when_it_is_due() {
    let stored = r#"{
        "is": "bot_running", "turn": 3, "why": "message", "token": 7,
        "attempt": "01a17257-d3cd-73f1-b5a8-c24d60917eba", "starts": 1, "input_after": 2,
        "input_to": 6, "outputs_taken": 0, "visible": false, "open_stream": null
    }"#;
    let Floor::BotRunning(running) = serde_json::from_str(stored).unwrap() else {
        panic!("it runs");
    };
    assert_eq!((running.turn, running.due_at), (Turn(3), 0));
}
