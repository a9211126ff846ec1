use serde_json::{Value, json};

use super::{super::frame, *};

fn take(transcript: &mut Transcript, kind: &str, payload: &Value) -> Vec<Item> {
    let frame = json!({"type": format!("EVENT_TYPE_{kind}"), "payload": payload});
    let events = frame::read(&frame.to_string());
    events.into_iter().flat_map(|it| transcript.take(it.what)).collect()
}

fn note(text: &str) -> Item {
    Item::Note(text.to_owned())
}

fn extra(text: &str) -> Item {
    Item::Extra(text.to_owned())
}

/// What a fresh transcript shows of one event.
fn check(kind: &str, payload: &Value, items: &[Item]) {
    assert_eq!(take(&mut Transcript::default(), kind, payload), items, "{kind} {payload}");
}

#[test]
fn a_streamed_message_grows_under_the_name_that_joined() {
    let mut transcript = Transcript::default();
    let joined = take(&mut transcript, "POLY_AGENT_JOINED", &json!({"agent_name": "Ada"}));
    assert_eq!(joined, [note("Ada joined")]);
    let piece = |text: &str| Item::Piece { by: "Ada".to_owned(), text: text.to_owned() };
    let chunk = |id: &str, text: &str, is_complete: bool| {
        json!({"message_id": id, "text": text, "is_complete": is_complete,
            "response_suggestions": [{"message_text": "Thanks"}]})
    };
    let kind = "POLY_AGENT_MESSAGE_CHUNK";
    assert_eq!(take(&mut transcript, kind, &chunk("m", "We are ", false)), [piece("We are ")]);
    assert_eq!(transcript.pick("1"), None, "only a complete message offers anything");
    assert_eq!(
        take(&mut transcript, kind, &chunk("m", "open.", true)),
        [piece("open."), Item::PieceEnd, extra("[1] Thanks")]
    );
    assert_eq!(transcript.pick("1"), Some("Thanks"));
}

#[test]
fn another_message_closes_the_growing_one() {
    let mut transcript = Transcript::default();
    let kind = "POLY_AGENT_MESSAGE_CHUNK";
    take(&mut transcript, kind, &json!({"message_id": "a", "text": "So "}));
    let items = take(&mut transcript, kind, &json!({"message_id": "b", "text": "Now "}));
    assert_eq!(items[0], Item::PieceEnd);
    let items = take(&mut transcript, "POLY_AGENT_MESSAGE", &json!({"text": "Whole."}));
    assert_eq!(items[0], Item::PieceEnd);
}

#[test]
fn a_whole_message_shows_what_belongs_to_it() {
    check(
        "POLY_AGENT_MESSAGE",
        &json!({
            "text": "It is.", "agent_name": "Wick",
            "attachments": [
                {"title": "Kettle", "content_url": "https://t.example/k",
                 "content_type": "ATTACHMENT_CONTENT_TYPE_URL"},
                {"content_url": "https://t.example/k.jpg",
                 "content_type": "ATTACHMENT_CONTENT_TYPE_IMAGE"},
            ],
            "response_suggestions": [{"message_text": "Reserve one"}, {"message_text": "No"}],
            "chat_call_actions": [{"title": "Ring us", "contact_number": "+44 20"}],
        }),
        &[
            Item::Idle,
            Item::Said { by: "Wick".to_owned(), text: "It is.".to_owned() },
            extra("link: Kettle https://t.example/k"),
            extra("image: https://t.example/k.jpg"),
            extra("call: Ring us +44 20"),
            extra("[1] Reserve one"),
            extra("[2] No"),
        ],
    );
}

#[test]
fn a_number_means_a_suggestion_only_while_it_is_offered() {
    let mut transcript = Transcript::default();
    let suggestions = json!({"text": "?", "response_suggestions":
        [{"message_text": "Yes"}, {"message_text": "No"}]});
    take(&mut transcript, "POLY_AGENT_MESSAGE", &suggestions);
    assert_eq!(transcript.pick("2"), Some("No"));
    assert_eq!(transcript.pick(" 1 "), Some("Yes"));
    for line in ["0", "3", "", "1.", "-1", "one", "99999999999999999999999"] {
        assert_eq!(transcript.pick(line), None, "{line}");
    }
    take(&mut transcript, "POLY_AGENT_MESSAGE", &json!({"text": "Never mind."}));
    assert_eq!(transcript.pick("1"), None, "they belong to the message before");
    take(&mut transcript, "POLY_AGENT_MESSAGE", &suggestions);
    transcript.withdraw_suggestions();
    assert_eq!(transcript.pick("1"), None);
}

#[test]
fn a_message_that_keeps_clients_awake_is_not_shown() {
    check("POLY_AGENT_MESSAGE", &json!({"text": ""}), &[]);
}

#[test]
fn what_happens_around_is_told_in_a_sentence() {
    for (kind, payload, sentence) in [
        ("POLY_AGENT_TRIGGERED_HANDOFF", json!({}), "Bot hands the conversation over"),
        ("HANDOFF_ACCEPTED", json!({"queue_name": "sales"}), "waiting for somebody of sales"),
        ("HANDOFF_QUEUE_STATUS", json!({"display_message": "Soon!"}), "Soon!"),
        (
            "HANDOFF_QUEUE_STATUS",
            json!({"position_in_queue": 3, "estimated_wait_seconds": 61}),
            "waiting, number 3 in the queue, about 2 min",
        ),
        (
            "CLIENT_HANDOFF_REQUIRED",
            json!({"reason": "POLICY", "queue_name": "w", "route": "warranty"}),
            "this goes on at warranty (POLICY)",
        ),
        ("HANDOFF_FAILED", json!({"reason": "closed"}), "nobody could take over (closed)"),
        ("HANDOFF_TIMEOUT", json!({}), "nobody was free in time"),
        ("LIVE_AGENT_JOINED", json!({"agent_name": "Sarah"}), "Sarah joined"),
        ("LIVE_AGENT_LEFT", json!({"agent_name": "Sarah"}), "Sarah left"),
        ("LANGUAGE_CHANGED", json!({"language_code": "fr-FR"}), "the language is now fr-FR"),
        ("SYSTEM_MESSAGE", json!({"message": "Sorry."}), "Sorry."),
        ("SESSION_END", json!({"reason": "REASON_USER_END"}), "you ended the conversation"),
        ("SESSION_END", json!({"reason": "REASON_NATURAL_END"}), "the conversation has ended"),
        (
            "SESSION_END",
            json!({"reason": "REASON_USER_ABANDONED"}),
            "the conversation has ended: nothing was heard for too long",
        ),
    ] {
        check(kind, &payload, &[note(sentence)]);
    }
    check(
        "POLY_AGENT_LEFT",
        &json!({"reason": "HANDOFF"}),
        &[Item::Idle, note("Bot left (HANDOFF)")],
    );
    check("SESSION_START", &json!({}), &[]);
    check("SOMETHING_NEW", &json!({}), &[]);
}

#[test]
fn signs_of_work_come_and_go() {
    let busy = |by: &str| Item::Busy { by: by.to_owned() };
    check("POLY_AGENT_THINKING", &json!({}), &[busy("Bot")]);
    let typing = |state: &str| json!({"state": state, "agent_name": "Sarah"});
    check("LIVE_AGENT_TYPING", &typing("TYPING_STATE_STARTED"), &[busy("Sarah")]);
    check("LIVE_AGENT_TYPING", &typing("TYPING_STATE_STOPPED"), &[Item::Idle]);
}

#[test]
fn what_was_said_elsewhere_is_shown_as_ones_own() {
    check("USER_MESSAGE", &json!({"text": "hi"}), &[Item::Own("hi".to_owned())]);
}
