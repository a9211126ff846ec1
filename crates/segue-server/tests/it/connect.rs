//! What a socket is sent when it opens: the log, in batches, and then what happens.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Bot, Session, Setup, Talk, brief, events_of, shown, user_message};

/// A bot that is asked and does not answer: the conversation can be filled meanwhile.
async fn at_work(bot: &Bot, talk: &mut Talk) -> crate::support::Asked {
    talk.say("Begin", "begin").await;
    let asked = bot.asked().await;
    talk.until("USER_MESSAGE").await;
    asked
}

/// Says these texts and waits for the echo of the last.
async fn fill(talk: &mut Talk, texts: &[String]) -> u64 {
    let mut last = 0;
    for (number, text) in texts.iter().enumerate() {
        let key = format!("fill-{number}");
        talk.send(&user_message(text, &key)).await;
        let is_it = |frame: &Value| frame["metadata"]["custom"]["local_id"] == key.as_str();
        last = talk.until_that(&key, is_it).await.pop().unwrap()["sequence"].as_u64().unwrap();
    }
    last
}

/// The batches with which a socket begins, up to this sequence.
async fn batches(session: &Session, cursor: u64, to: u64) -> (Vec<Value>, Vec<usize>) {
    let mut talk = session.open_from(cursor).await;
    talk.events_to(to).await;
    // The bot is at work all the while, but that is said behind the replay.
    let is_batch = |it: &Value| it["type"] == "EVENT_TYPE_EVENT_BATCH";
    assert!(talk.came.iter().all(is_batch), "{}", brief(&talk.came));
    let sizes = talk.raw.iter().map(String::len).collect();
    (talk.came, sizes)
}

/// Covers 2.1, 2.2.
#[tokio::test]
async fn a_new_session_begins_with_its_start_and_nothing_else() {
    let server = Setup::new(&Bot::start().await).start().await;
    let mut talk = server.streaming_session().await.open().await;
    let first = talk.recv().await;
    insta::assert_snapshot!(shown(&[first]), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "events": [
          {
            "id": "[id 2]",
            "payload": {
              "capabilities": {
                "heartbeat_interval_seconds": 30,
                "max_message_size_bytes": 131072,
                "max_reconnect_attempts": 1000,
                "streaming": true
              }
            },
            "sequence": 1,
            "timestamp": "[time]",
            "type": "EVENT_TYPE_SESSION_START"
          }
        ]
      },
      "sequence": null,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_EVENT_BATCH"
    }
    "#);
    talk.expect_nothing().await;
    let session = server.native_session().await;
    let mut talk = session.open().await;
    assert_eq!(brief(&[talk.recv().await]), "- EVENT_BATCH [1 SESSION_START]");
    // On every socket, whatever the cursor and however much has happened.
    let talk = session.open_joined().await;
    drop(talk);
    for cursor in [0, 2, 4, 900] {
        let first = session.open_from(cursor).await.recv().await;
        assert_eq!(first["type"], "EVENT_TYPE_EVENT_BATCH");
    }
}

/// Covers 2.3.
#[tokio::test]
async fn with_a_cursor_the_start_comes_unchanged_and_then_the_rest() {
    let server = Setup::new(&Bot::start().await).start().await;
    let session = server.session(json!({})).await;
    let live = session.open_joined().await.came;
    let log: Vec<Value> =
        events_of(&live).into_iter().filter(|it| it["sequence"].is_u64()).collect();
    assert_eq!(log.len(), 4);
    for cursor in 1..=4 {
        let first = session.open_from(cursor as u64).await.expect("EVENT_BATCH").await;
        let mut expected = vec![log[0].clone()];
        expected.extend_from_slice(&log[cursor..]);
        assert_eq!(events_of(&[first]), expected, "cursor {cursor}");
    }
}

/// Covers 2.4, 2.5.
#[tokio::test]
async fn a_long_log_comes_in_several_batches() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let _asked = at_work(&bot, &mut talk).await;
    // Many that are small, then some that are large.
    let mut texts = vec!["x".to_owned(); 250];
    texts.extend(vec!["y".repeat(30_000); 12]);
    let last = fill(&mut talk, &texts).await;
    for cursor in [0, 1, 100] {
        let (batches, sizes) = batches(&session, cursor, last).await;
        let mut ids = BTreeSet::new();
        let mut sequences = Vec::new();
        for (batch, size) in batches.iter().zip(sizes) {
            assert!(size <= 131_072, "a batch of {size} bytes");
            assert_eq!(batch["sequence"], Value::Null);
            assert!(ids.insert(batch["id"].to_string()), "two batches have one id");
            let events = batch["payload"]["events"].as_array().unwrap();
            assert!((1..=100).contains(&events.len()), "{} events in a batch", events.len());
            for event in events {
                let keys: Vec<_> = event.as_object().unwrap().keys().collect();
                let known = ["id", "metadata", "payload", "sequence", "timestamp", "type"];
                assert!(keys.iter().all(|it| known.contains(&it.as_str())), "{keys:?}");
                assert!(event["timestamp"].as_str() <= batch["timestamp"].as_str());
                assert!(ids.insert(event["id"].to_string()), "two events have one id");
                sequences.push(event["sequence"].as_u64().unwrap());
            }
        }
        assert!(batches.len() >= 4, "{} batches", batches.len());
        let mut expected = vec![1];
        expected.extend(cursor.max(1) + 1..=last);
        assert_eq!(sequences, expected, "cursor {cursor}");
    }
}

/// Covers 2.6.
#[tokio::test]
async fn an_echo_that_is_too_large_for_a_batch_comes_alone() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let _asked = at_work(&bot, &mut talk).await;
    // As a string each of these takes twice its bytes.
    let large = "\"".repeat(100_000);
    let last = fill(&mut talk, &["a".to_owned(), large.clone(), large, "b".to_owned()]).await;
    let lines = |batches: &[Value]| brief(batches).lines().map(str::to_owned).collect::<Vec<_>>();
    let (came, sizes) = batches(&session, 0, last).await;
    assert_eq!(
        lines(&came)[1..],
        [
            "- EVENT_BATCH [7 USER_MESSAGE]",
            "- EVENT_BATCH [8 USER_MESSAGE]",
            "- EVENT_BATCH [9 USER_MESSAGE]",
        ]
    );
    assert!(sizes[1] > 200_000 && sizes[2] > 200_000, "{sizes:?}");
    // The first thing after the cursor.
    let (came, _) = batches(&session, 6, last).await;
    assert_eq!(
        lines(&came),
        [
            "- EVENT_BATCH [1 SESSION_START]",
            "- EVENT_BATCH [7 USER_MESSAGE]",
            "- EVENT_BATCH [8 USER_MESSAGE]",
            "- EVENT_BATCH [9 USER_MESSAGE]",
        ]
    );
}

/// Covers 2.10.
#[tokio::test]
async fn whoever_comes_back_again_and_again_misses_nothing_and_sees_nothing_twice() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).limits(
        "chunk_interval_ms = 0\nmessages_per_second = 0\nconnections_per_session = 1000\n\
         live_after_replay_ms = 1\nreplay_batch_interval_ms = 0",
    );
    let server = setup.start().await;
    let session = server.streaming_session().await;
    let mut other = session.open_joined().await;
    other.say("Tell me everything", "begin").await;
    let mut answer = bot.asked().await.stream().await;
    let mut seen: Vec<Value> = Vec::new();
    for round in 0..40 {
        let cursor = seen.last().map_or(0, |it| it["sequence"].as_u64().unwrap());
        let mut talk = session.open_from(cursor).await;
        // Events come while the socket opens, while it is sent the replay, and behind it.
        for piece in 0..round % 4 {
            answer.text(&format!("word-{round}-{piece} ")).await;
            other.say("Hm", &format!("hm-{round}-{piece}")).await;
        }
        let frames = match round % 3 {
            // Gone before it has heard anything, and in the midst of it.
            0 => vec![],
            1 => vec![talk.recv().await],
            _ => {
                other.say("Go on", &format!("on-{round}")).await;
                let is_it =
                    |it: &Value| it["metadata"]["custom"]["local_id"] == format!("on-{round}");
                let brings =
                    |frame: &Value| events_of(std::slice::from_ref(frame)).iter().any(is_it);
                talk.until_that("the last message", brings).await
            }
        };
        let is_old = |it: &Value| it["sequence"] == 1 && cursor > 0;
        let logged = |it: &Value| it["sequence"].is_u64() && !is_old(it);
        seen.extend(events_of(&frames).into_iter().filter(logged));
    }
    answer.end().await;
    other.end_session().await;
    let to = other.seek("SESSION_END").await["sequence"].as_u64().unwrap();
    let cursor = seen.last().unwrap()["sequence"].as_u64().unwrap();
    let rest = session.open_from(cursor).await.events_to(to).await;
    seen.extend(rest.into_iter().filter(|it| it["sequence"] != 1));
    let sequences: Vec<u64> = seen.iter().map(|it| it["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=to).collect::<Vec<_>>());
    assert_eq!(seen, session.log(to).await);
}

/// Covers 2.11.
#[tokio::test]
async fn whoever_opens_while_the_bot_is_at_work_is_told_so_behind_the_replay() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let asked = at_work(&bot, &mut talk).await;
    for cursor in [0, 3, 5] {
        let mut late = session.open_from(cursor).await;
        late.expect("EVENT_BATCH").await;
        let thinking = late.expect("POLY_AGENT_THINKING").await;
        assert_eq!(thinking["sequence"], Value::Null);
    }
    asked.text("Done.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    let mut late = session.open().await;
    late.expect("EVENT_BATCH").await;
    late.say("Next", "k-next").await;
    // Nothing of the kind now that it has answered: the next one is that of the next turn.
    late.expect("USER_MESSAGE").await;
    late.expect("POLY_AGENT_THINKING").await;
}

/// Covers 2.12.
#[tokio::test]
async fn a_session_that_has_ended_can_be_read_to_its_end() {
    let setup = Setup::new(&Bot::start().await).sqlite().limits("close_after_end_ms = 1");
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.end_session().await;
    let (frames, code) = talk.closed().await;
    assert_eq!((brief(&frames).as_str(), code), ("5 USER_END_SESSION\n6 SESSION_END", 1000));
    let read = async |session: &Session, cursor: u64| {
        let (frames, code) = session.open_from(cursor).await.closed().await;
        assert_eq!(code, 1000);
        brief(&events_of(&frames))
    };
    let all = "1 SESSION_START\n2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n\
               4 POLY_AGENT_MESSAGE\n5 USER_END_SESSION\n6 SESSION_END";
    assert_eq!(read(&session, 0).await, all);
    assert_eq!(read(&session, 4).await, "1 SESSION_START\n5 USER_END_SESSION\n6 SESSION_END");
    assert_eq!(read(&session, 6).await, "1 SESSION_START");
    server.stop().await;
    let server = setup.connector("disabled = true").start().await;
    assert_eq!(read(&session.on(&server), 0).await, all);
}

/// Covers 2.13.
#[tokio::test]
async fn a_session_that_ended_long_ago_is_not_found() {
    let limits = "close_after_end_ms = 1\nreadable_after_end_seconds = 0";
    let setup = Setup::new(&Bot::start().await).limits(limits);
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.end_session().await;
    talk.closed().await;
    let answer = session.socket_request("").upgrade().await.err().unwrap();
    answer.expect_refusal(404, "session not found", "session_not_found");
}
