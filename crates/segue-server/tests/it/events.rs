//! Every type of event that the server has, and what is in it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Bot, Running, Setup, Talk, brief, shown};

/// A joined conversation, up to the point where the bot has been asked for an answer to a message.
async fn asked(server: &Running, bot: &Bot) -> (Talk, crate::support::Asked) {
    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.say("Is the blue kettle back?", "k-1").await;
    let asked = bot.asked().await;
    talk.until("POLY_AGENT_THINKING").await;
    (talk, asked)
}

/// Covers 5.1, 5.2.
#[tokio::test]
async fn the_first_batch_says_what_the_session_can_do() {
    let server = Setup::new(&Bot::start().await).start().await;
    for (body, streams) in [(json!({"streaming_enabled": true}), true), (json!({}), false)] {
        let first = server.session(body).await.open().await.expect("EVENT_BATCH").await;
        let payload = first["payload"].as_object().unwrap();
        assert_eq!(payload.keys().collect::<Vec<_>>(), ["events"]);
        let start = &first["payload"]["events"][0];
        assert_eq!(
            (&start["type"], &start["sequence"]),
            (&json!("EVENT_TYPE_SESSION_START"), &json!(1))
        );
        let capabilities = json!({
            "streaming": streams, "max_message_size_bytes": 131_072,
            "max_reconnect_attempts": 1000, "heartbeat_interval_seconds": 30,
        });
        assert_eq!(start["payload"]["capabilities"], capabilities);
    }
}

/// Covers 5.4, 5.6, 5.7.
#[tokio::test]
async fn the_bot_joins_with_its_name_and_its_picture() {
    let server = Setup::new(&Bot::start().await).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    let frames = talk.until("POLY_AGENT_MESSAGE").await;
    insta::assert_snapshot!(shown(&frames[..3]), @r#"
    {
      "id": "[id 1]",
      "payload": {},
      "sequence": 2,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"
    }
    {
      "id": "[id 2]",
      "payload": {
        "agent_avatar_url": "https://tallow.example/wick.png",
        "agent_name": "Wick",
        "avatar_url": "https://tallow.example/wick.png"
      },
      "sequence": 3,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_JOINED"
    }
    {
      "id": "[id 3]",
      "payload": {},
      "sequence": null,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_THINKING"
    }
    "#);
    let log = session.log(4).await;
    assert!(log.iter().all(|it| it["type"] != "EVENT_TYPE_POLY_AGENT_THINKING"));
}

/// Covers 5.3.
#[tokio::test]
async fn the_echo_of_a_message_gives_it_an_id() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.say("Is the blue kettle back?", "k-41").await;
    let echo = talk.seek("USER_MESSAGE").await;
    insta::assert_snapshot!(shown(std::slice::from_ref(&echo)), @r#"
    {
      "id": "[id 1]",
      "metadata": {
        "custom": {
          "local_id": "k-41"
        }
      },
      "payload": {
        "message_id": "[id 2]",
        "text": "Is the blue kettle back?"
      },
      "sequence": 5,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_USER_MESSAGE"
    }
    "#);
    let mut ids = BTreeSet::from([echo["payload"]["message_id"].to_string()]);
    for number in 0..5 {
        talk.say("Is the blue kettle back?", &format!("again-{number}")).await;
        let echo = talk.seek("USER_MESSAGE").await;
        let keys: Vec<_> = echo["payload"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["message_id", "text"]);
        assert!(ids.insert(echo["payload"]["message_id"].to_string()), "the same id again");
    }
}

/// Covers 5.4, 5.5.
#[tokio::test]
async fn heartbeats_and_the_end_are_echoed_without_a_payload() {
    let setup = Setup::new(&Bot::start().await).limits("close_after_end_ms = 1");
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let custom = json!({"custom": {"beat": 7}});
    talk.send(&json!({"type": "EVENT_TYPE_HEARTBEAT", "payload": {}, "metadata": custom})).await;
    let mut frames = vec![talk.expect("HEARTBEAT").await];
    talk.end_session().await;
    frames.push(talk.expect("USER_END_SESSION").await);
    insta::assert_snapshot!(shown(&frames), @r#"
    {
      "id": "[id 1]",
      "metadata": {
        "custom": {
          "beat": 7
        }
      },
      "payload": {},
      "sequence": null,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_HEARTBEAT"
    }
    {
      "id": "[id 2]",
      "payload": {},
      "sequence": 5,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_USER_END_SESSION"
    }
    "#);
    let log = session.whole_log().await;
    assert!(log.iter().all(|it| it["type"] != "EVENT_TYPE_HEARTBEAT"), "{}", brief(&log));
}

/// Covers 5.9, 5.10, 5.12, 5.13.
#[tokio::test]
async fn a_message_of_the_bot_may_have_everything_in_it() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let (mut talk, asked) = asked(&server, &bot).await;
    asked
        .outputs(json!([
            {"type": "text", "text": "It is, "},
            {"type": "attachment", "title": "Blue kettle", "content_type": "url",
             "content_url": "https://tallow.example/kettles/blue",
             "preview_image_url": "https://tallow.example/kettle-small.jpg",
             "call_to_action_text": "See it"},
            {"type": "suggestion", "message_text": "Reserve one"},
            {"type": "text", "text": "in **both** sizes."},
            {"type": "attachment", "title": "", "content_type": "image",
             "content_url": "https://tallow.example/kettle.jpg"},
            {"type": "suggestion", "message_text": "No", "payload": "{\"no\": true}"},
            {"type": "call_action", "title": "Ring the shop", "contact_number": "+44 20 7946 0815"},
        ]))
        .await;
    let message = talk.expect("POLY_AGENT_MESSAGE").await;
    insta::assert_snapshot!(shown(&[message]), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "agent_name": "Wick",
        "attachments": [
          {
            "call_to_action_text": "See it",
            "content_type": "ATTACHMENT_CONTENT_TYPE_URL",
            "content_url": "https://tallow.example/kettles/blue",
            "preview_image_url": "https://tallow.example/kettle-small.jpg",
            "title": "Blue kettle"
          },
          {
            "content_type": "ATTACHMENT_CONTENT_TYPE_IMAGE",
            "content_url": "https://tallow.example/kettle.jpg",
            "title": ""
          }
        ],
        "avatar_url": "https://tallow.example/wick.png",
        "chat_call_actions": [
          {
            "contact_number": "+44 20 7946 0815",
            "title": "Ring the shop"
          }
        ],
        "message_id": "[id 2]",
        "response_suggestions": [
          {
            "message_text": "Reserve one"
          },
          {
            "message_text": "No",
            "payload": "{\"no\": true}"
          }
        ],
        "text": "It is, in **both** sizes."
      },
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_MESSAGE"
    }
    "#);
}

/// Covers 5.9, 5.10.
#[tokio::test]
async fn a_message_with_nothing_but_text_has_empty_lists() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let (mut talk, asked) = asked(&server, &bot).await;
    asked.text("It is.").await;
    let message = talk.expect("POLY_AGENT_MESSAGE").await;
    insta::assert_snapshot!(shown(&[message]), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "agent_name": "Wick",
        "attachments": [],
        "avatar_url": "https://tallow.example/wick.png",
        "message_id": "[id 2]",
        "response_suggestions": [],
        "text": "It is."
      },
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_MESSAGE"
    }
    "#);
}

/// Covers 5.11, 5.12.
#[tokio::test]
async fn a_chunk_has_a_number_and_says_whether_it_is_the_last() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("chunk_interval_ms = 0").start().await;
    let mut talk = server.streaming_session().await.open_joined().await;
    talk.say("Is the blue kettle back?", "k-1").await;
    let mut answer = bot.asked().await.stream().await;
    talk.until("POLY_AGENT_THINKING").await;
    answer.text("It is back, in ").await;
    let mut frames = vec![talk.expect("POLY_AGENT_MESSAGE_CHUNK").await];
    answer
        .give(&json!({"type": "suggestion", "message_text": "Reserve one", "payload": "r"}))
        .await;
    // Without white space, so that there is no place to cut it.
    answer.text("both.").await;
    answer.end().await;
    frames
        .extend(talk.until_that("the last chunk", |it| it["payload"]["is_complete"] == true).await);
    insta::assert_snapshot!(shown(&frames), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "attachments": [],
        "chunk_index": 1,
        "is_complete": false,
        "message_id": "[id 2]",
        "response_suggestions": [],
        "text": "It is back, in "
      },
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK"
    }
    {
      "id": "[id 3]",
      "payload": {
        "attachments": [],
        "chunk_index": 2,
        "is_complete": true,
        "message_id": "[id 2]",
        "response_suggestions": [
          {
            "message_text": "Reserve one",
            "payload": "r"
          }
        ],
        "text": "both."
      },
      "sequence": 7,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK"
    }
    "#);
}

/// Covers 5.14.
#[tokio::test]
async fn the_text_of_the_bot_stays_as_it_is() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let (mut talk, asked) = asked(&server, &bot).await;
    let text = "<b>a</b> & &amp; **b** *c* _d_ `e`\n\n- f\n\t1. g <script>h</script> \\* \u{0}\u{7f} \
                [i](javascript:j) e\u{301} \u{202e}k\r\n  ";
    asked.text(text).await;
    let message = talk.expect("POLY_AGENT_MESSAGE").await;
    assert_eq!(message["payload"]["text"], text);
    assert_eq!(talk.came.last(), Some(&message));
}

/// Covers 5.18, 5.19, 5.20, 5.21.
#[tokio::test]
async fn a_handoff_to_the_application_says_where_and_why() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).connector("handoff = \"client\"").start().await;
    for reason in ["COMPLEX_QUERY", "AGENT_DECISION", "POLICY"] {
        let (mut talk, asked) = asked(&server, &bot).await;
        let wish = json!({"type": "handoff", "destination": "warranty", "reason": reason});
        asked.outputs(json!([wish])).await;
        let frames = talk.until("POLY_AGENT_LEFT").await;
        assert_eq!(frames[1]["payload"]["reason"], reason);
        if reason == "POLICY" {
            insta::assert_snapshot!(shown(&frames), @r#"
            {
              "id": "[id 1]",
              "payload": {},
              "sequence": 6,
              "timestamp": "[time]",
              "type": "EVENT_TYPE_POLY_AGENT_TRIGGERED_HANDOFF"
            }
            {
              "id": "[id 2]",
              "payload": {
                "queue_name": "warranty",
                "reason": "POLICY",
                "route": "warranty"
              },
              "sequence": 7,
              "timestamp": "[time]",
              "type": "EVENT_TYPE_CLIENT_HANDOFF_REQUIRED"
            }
            {
              "id": "[id 3]",
              "payload": {
                "reason": "handoff"
              },
              "sequence": 8,
              "timestamp": "[time]",
              "type": "EVENT_TYPE_POLY_AGENT_LEFT"
            }
            "#);
        }
    }
}

/// Covers 5.18, 5.19, 5.23.
#[tokio::test]
async fn a_handoff_that_nobody_can_carry_out_says_so() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let (mut talk, asked) = asked(&server, &bot).await;
    asked.outputs(json!([{"type": "handoff", "reason": "COMPLEX_QUERY"}])).await;
    let frames = talk.until("POLY_AGENT_JOINED").await;
    insta::assert_snapshot!(shown(&frames), @r#"
    {
      "id": "[id 1]",
      "payload": {},
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_TRIGGERED_HANDOFF"
    }
    {
      "id": "[id 2]",
      "payload": {
        "reason": "handoff"
      },
      "sequence": 7,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_LEFT"
    }
    {
      "id": "[id 3]",
      "payload": {
        "reason": "no handoff is configured"
      },
      "sequence": 8,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_HANDOFF_FAILED"
    }
    {
      "id": "[id 4]",
      "payload": {
        "code": "handoff_not_initiated",
        "level": "SYSTEM_MESSAGE_LEVEL_ERROR",
        "message": "Sorry, handoff could not be initiated."
      },
      "sequence": 9,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SYSTEM_MESSAGE"
    }
    {
      "id": "[id 5]",
      "payload": {
        "agent_avatar_url": "https://tallow.example/wick.png",
        "agent_name": "Wick",
        "avatar_url": "https://tallow.example/wick.png"
      },
      "sequence": 10,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_POLY_AGENT_JOINED"
    }
    "#);
    let reason = &frames[2]["payload"]["reason"];
    assert!(reason.is_null() || reason.is_string(), "{reason}");
}

/// Covers 5.22.
#[tokio::test]
async fn a_change_of_language_is_in_the_log() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let (mut talk, asked) = asked(&server, &bot).await;
    asked.outputs(json!([{"type": "language", "language_code": "fr-FR"}])).await;
    let frame = talk.expect("LANGUAGE_CHANGED").await;
    insta::assert_snapshot!(shown(&[frame]), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "language_code": "fr-FR"
      },
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_LANGUAGE_CHANGED"
    }
    "#);
}

/// Covers 5.23.
#[tokio::test]
async fn a_system_message_has_a_level_and_a_code() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut other = session.open_from(4).await;
    other.expect("EVENT_BATCH").await;
    talk.say("Are you there?", "k-1").await;
    bot.asked().await.status(500, &[]).await;
    let notice = talk.seek("SYSTEM_MESSAGE").await;
    assert_eq!(other.seek("SYSTEM_MESSAGE").await, notice);
    talk.send_text("nonsense").await;
    let refusal = talk.expect("SYSTEM_MESSAGE").await;
    insta::assert_snapshot!(shown(&[notice, refusal]), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "code": "trouble_responding",
        "level": "SYSTEM_MESSAGE_LEVEL_ERROR",
        "message": "Sorry, I'm having trouble responding right now. Please try again."
      },
      "sequence": 6,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SYSTEM_MESSAGE"
    }
    {
      "id": "[id 2]",
      "payload": {
        "code": "invalid_format",
        "level": "SYSTEM_MESSAGE_LEVEL_ERROR",
        "message": "Unknown event type or invalid message format"
      },
      "sequence": null,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SYSTEM_MESSAGE"
    }
    "#);
    // The refusal was for its sender alone.
    talk.say("Never mind", "k-2").await;
    other.expect("USER_MESSAGE").await;
}
