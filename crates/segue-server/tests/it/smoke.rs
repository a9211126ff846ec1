//! The harness itself: a conversation from the first request to the last frame.

use serde_json::json;

use crate::support::{Bot, Setup, brief};

#[tokio::test]
async fn a_conversation_works_from_end_to_end() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    assert_eq!(brief(&[talk.expect("EVENT_BATCH").await]), "- EVENT_BATCH [1 SESSION_START]");
    talk.join().await;
    assert_eq!(
        brief(&talk.until("POLY_AGENT_MESSAGE").await),
        "2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n- POLY_AGENT_THINKING\n\
         4 POLY_AGENT_MESSAGE"
    );
    talk.say("Is the blue kettle back?", "k-1").await;
    talk.until("POLY_AGENT_THINKING").await;
    let mut answer = bot.asked().await.stream().await;
    answer.text("It is, in ").await;
    answer.text("both sizes.").await;
    answer.end().await;
    let message = talk.expect("POLY_AGENT_MESSAGE").await;
    assert_eq!(message["payload"]["text"], "It is, in both sizes.");
    talk.send(&json!({"type": "EVENT_TYPE_USER_END_SESSION"})).await;
    talk.expect("USER_END_SESSION").await;
    talk.expect("SESSION_END").await;
    talk.expect_nothing().await;
    assert_eq!(talk.close(4000).await, 4000);
    server.stop().await;
}
