//! The end of a session, and what comes behind it.

use serde_json::{Value, json};

use crate::support::{Bot, Setup, brief, shown, user_message};

/// Covers 5.24.
#[tokio::test]
async fn the_end_of_a_session_has_one_of_three_reasons() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).also(
        "[[connectors]]\nid = \"short\"\ntoken = \"short-token-3\"\nhosts = [\"tallow.example\"]\n\
         bot = \"wick\"\nidle_seconds = 1\nrestart_grace_seconds = 0\n",
    );
    let server = setup.start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.end_session().await;
    let mut ends = vec![talk.seek("SESSION_END").await];

    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.say("Goodbye", "k-1").await;
    bot.asked().await.outputs(json!([{"type": "text", "text": "Bye."}, {"type": "end"}])).await;
    ends.push(talk.seek("SESSION_END").await);

    let token = server.access_token_of("short-token-3").await;
    let session = server.session_of(token, &json!({}), None).await;
    ends.extend(session.whole_log().await.pop());
    insta::assert_snapshot!(shown(&ends), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "reason": "REASON_USER_END"
      },
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SESSION_END"
    }
    {
      "id": "[id 2]",
      "payload": {
        "reason": "REASON_NATURAL_END"
      },
      "sequence": 7,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SESSION_END"
    }
    {
      "id": "[id 3]",
      "payload": {
        "reason": "REASON_USER_ABANDONED"
      },
      "sequence": 2,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SESSION_END"
    }
    "#);
}

/// Covers 5.25.
#[tokio::test]
async fn no_log_goes_on_behind_its_end() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("close_after_end_ms = 600000").start().await;
    let session = server.session(json!({})).await;
    let mut other = session.open_joined().await;
    other.say("Is the blue kettle back?", "k-1").await;
    let asked = bot.asked().await;
    let mut talk = session.open().await;
    let end = json!({"type": "EVENT_TYPE_USER_END_SESSION"});
    let join = json!({"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"});
    let message = user_message("And now?", "k-2");
    talk.send_together(&[end.clone(), end.clone(), message.clone(), join.clone()]).await;
    other.until("SESSION_END").await;
    other.send_together(&[message, end, join]).await;
    // The bot's answer comes too late, and every one of these is refused.
    asked.outputs(json!([{"type": "text", "text": "It is."}, {"type": "end"}])).await;
    for (talk, count) in [(&mut talk, 3), (&mut other, 3)] {
        for _ in 0..count {
            let refusal = talk.seek("SYSTEM_MESSAGE").await;
            assert_eq!(refusal["payload"]["message"], "Error: Session not found");
            assert_eq!(refusal["sequence"], Value::Null);
        }
    }
    assert_eq!(
        brief(&session.whole_log().await),
        "1 SESSION_START\n2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n4 POLY_AGENT_MESSAGE\n\
         5 USER_MESSAGE\n6 USER_END_SESSION\n7 SESSION_END"
    );
}

/// Covers 5.26.
#[tokio::test]
async fn after_the_end_a_socket_still_gets_heartbeats_and_refusals() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("close_after_end_ms = 600000").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Is the blue kettle back?", "k-1").await;
    let asked = bot.asked().await;
    talk.end_session().await;
    talk.until("SESSION_END").await;
    asked.gone().await;
    talk.expect_nothing().await;
    talk.send_text("nonsense").await;
    talk.say("And now?", "k-2").await;
    talk.join().await;
    let messages = [
        "Unknown event type or invalid message format",
        "Error: Session not found",
        "Error: Session not found",
    ];
    for message in messages {
        assert_eq!(talk.expect("SYSTEM_MESSAGE").await["payload"]["message"], message);
    }
    talk.expect_nothing().await;
    // One that was opened behind the end as well.
    let mut late = session.open().await;
    late.expect("EVENT_BATCH").await;
    late.say("And now?", "k-3").await;
    let refusal = late.expect("SYSTEM_MESSAGE").await;
    assert_eq!(refusal["payload"]["message"], "Error: Session not found");
    late.expect_nothing().await;
}
