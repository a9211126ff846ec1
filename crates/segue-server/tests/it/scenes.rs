//! Scenes in which many tests begin.

use serde_json::{Value, json};

use crate::support::{Asked, Bot, Session, Talk};

/// A socket on which the bot has joined and `first` was said, with sequence 5. The bot was asked
/// and is silent for as long as what it was asked is held: whatever is said meanwhile is echoed,
/// with 6, 7, 8 …, and nothing else comes of it.
pub async fn busy(session: &Session, bot: &Bot) -> (Talk, Asked) {
    let mut talk = session.open_joined().await;
    talk.say("first", "first").await;
    talk.until("POLY_AGENT_THINKING").await;
    (talk, bot.asked().await)
}

/// Another socket of the session, with everything up to this sequence read.
pub async fn other(session: &Session, upto: u64) -> Talk {
    let mut talk = session.open().await;
    talk.events_to(upto).await;
    talk
}

/// Proves that the bot was not asked for anything until now: has it asked in another session, and
/// sees that this is the next that it is asked for.
pub async fn not_asked(bot: &Bot, witness: &Session) {
    let mut talk = witness.open_joined().await;
    talk.say("witness", "witness").await;
    let asked = bot.asked().await;
    assert_eq!(asked.body["session_id"], witness.id.as_str(), "the bot was asked");
    asked.text("I see.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
}

/// A message of the user with this `metadata.custom`.
pub fn message(text: &str, custom: &Value) -> Value {
    json!({
        "type": "EVENT_TYPE_USER_MESSAGE",
        "payload": {"text": text},
        "metadata": {"custom": custom},
    })
}

/// A message of the user under this `local_id`.
pub fn keyed(text: &str, local_id: &str) -> Value {
    message(text, &json!({"local_id": local_id}))
}
