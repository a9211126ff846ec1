//! One frame of each type, to the letter.

use std::sync::Arc;

use segue_core::{
    AttemptId, BotProfile, CallAction, ConnectorId, EndReason, Entry, Event, Extras, Facts,
    HandOffReason, Json, Level, MessageId, MessageKey, Notice, Position, Sequence, Timestamp,
    TokenId, Turn, TurnOutcome, TurnReason,
};

use super::{AT, ID};
use crate::wire::{BATCH_OVERHEAD_BYTES, Refusal, Transient, batch, batch_bytes, event, transient};

const MESSAGE: MessageId = MessageId(0x0193_4b2e_7c00_7abc_8def_0000_0000_0001);
const MESSAGE_TEXT: &str = "01934b2e-7c00-7abc-8def-000000000001";

fn entry(event: Event) -> Entry {
    Entry { id: ID, position: Position(9), reached: Sequence(7), at: AT, event }
}

/// Checks type and payload of a visible event, and what comes after the payload.
#[track_caller]
fn check(it: Event, kind: &str, payload: &str, rest: &str) {
    let payload = payload.replace("MESSAGE_ID", MESSAGE_TEXT);
    let expected = format!(
        r#"{{"id":"01934b2e-7c00-7abc-8def-0123456789ab","sequence":7,"timestamp":"2026-05-07T12:00:00.123Z","type":"EVENT_TYPE_{kind}","payload":{payload}{rest}}}"#
    );
    assert_eq!(event(&entry(it)).as_deref(), Some(expected.as_str()));
}

#[track_caller]
fn check_transient(it: &Transient, kind: &str, payload: &str, rest: &str) {
    let expected = format!(
        r#"{{"id":"01934b2e-7c00-7abc-8def-0123456789ab","sequence":null,"timestamp":"2026-05-07T12:00:00.123Z","type":"EVENT_TYPE_{kind}","payload":{payload}{rest}}}"#
    );
    assert_eq!(transient(ID, AT, it), expected);
}

fn facts(streaming: bool) -> Arc<Facts> {
    Arc::new(Facts {
        connector: ConnectorId("demo".into()),
        token: TokenId("jti".into()),
        expires_at: Timestamp::MAX,
        streaming,
        platform: "web".into(),
        device_type: None,
        user_agent: Some("PolyMessaging-iOS/0.9.0".into()),
        language: None,
        variant_id: None,
        integration_attributes: None,
    })
}

fn ada() -> BotProfile {
    BotProfile { name: "Ada".into(), avatar_url: "https://example.com/ada bot.png".into() }
}

fn extras() -> Extras {
    Extras {
        attachments: vec![
            segue_core::Attachment {
                title: "Find us".into(),
                preview_image_url: Some("https://example.com/karte-größe.png".into()),
                content_url: "https://example.com/a%20b c".into(),
                content_type: segue_core::ContentType::Url,
                call_to_action_text: Some("Open".into()),
            },
            segue_core::Attachment {
                title: "Shop".into(),
                preview_image_url: None,
                content_url: "https://example.com/shop.jpg".into(),
                content_type: segue_core::ContentType::Image,
                call_to_action_text: None,
            },
        ],
        suggestions: vec![
            segue_core::Suggestion { message_text: "Yes".into(), payload: None },
            segue_core::Suggestion { message_text: "No".into(), payload: Some("n-1".into()) },
        ],
    }
}

const EXTRAS: &str = concat!(
    r#""attachments":[{"title":"Find us","#,
    r#""preview_image_url":"https://example.com/karte-gr%C3%B6%C3%9Fe.png","#,
    r#""content_url":"https://example.com/a%20b%20c","content_type":"ATTACHMENT_CONTENT_TYPE_URL","#,
    r#""call_to_action_text":"Open"},{"title":"Shop","content_url":"https://example.com/shop.jpg","#,
    r#""content_type":"ATTACHMENT_CONTENT_TYPE_IMAGE"}],"#,
    r#""response_suggestions":[{"message_text":"Yes"},{"message_text":"No","payload":"n-1"}]"#,
);
const NO_EXTRAS: &str = r#""attachments":[],"response_suggestions":[]"#;

#[test]
fn session_start_says_what_the_server_can_do() {
    for streaming in [true, false] {
        let payload = format!(
            r#"{{"capabilities":{{"streaming":{streaming},"max_message_size_bytes":131072,"max_reconnect_attempts":1000,"heartbeat_interval_seconds":30}}}}"#
        );
        check(Event::SessionStarted { facts: facts(streaming) }, "SESSION_START", &payload, "");
    }
}

#[test]
fn echoes_carry_custom_as_sent() {
    let custom = Some(Json("{ \"local_id\":\"k\\u0041\",\n \"z\":1.00,\"a\":[ ] }".into()));
    let rest = format!(r#","metadata":{{"custom":{}}}"#, custom.as_ref().unwrap().0);
    let join = |custom| Event::JoinRequested { run_at: 1, custom };
    check(join(custom.clone()), "REQUEST_POLY_AGENT_JOIN", "{}", &rest);
    check(join(None), "REQUEST_POLY_AGENT_JOIN", "{}", "");

    let end = |custom| Event::EndRequested { custom };
    check(end(custom.clone()), "USER_END_SESSION", "{}", &rest);
    check(end(None), "USER_END_SESSION", "{}", "");

    let message = |custom| Event::UserMessagePosted {
        message_id: MESSAGE,
        text: " Ist das \"da\"?\n\u{0}\u{7f}e\u{301} ".into(),
        key: Some(MessageKey::Local("kA".into())),
        custom,
    };
    let payload = "{\"message_id\":\"MESSAGE_ID\",\"text\":\" Ist das \\\"da\\\"?\\n\\u0000\u{7f}e\u{301} \"}";
    check(message(custom), "USER_MESSAGE", payload, &rest);
    check(message(None), "USER_MESSAGE", payload, "");
    check(
        message(Some(Json("{}".into()))),
        "USER_MESSAGE",
        payload,
        r#","metadata":{"custom":{}}"#,
    );
}

#[test]
fn the_bot_shows_itself() {
    let payload = r#"{"agent_name":"Ada","agent_avatar_url":"https://example.com/ada%20bot.png","avatar_url":"https://example.com/ada%20bot.png"}"#;
    let joined = Event::BotJoined { bot: ada(), why: TurnReason::Join };
    check(joined, "POLY_AGENT_JOINED", payload, "");
    let nameless = Event::BotJoined { bot: BotProfile::default(), why: TurnReason::Message };
    let payload = r#"{"agent_name":"","agent_avatar_url":"","avatar_url":""}"#;
    check(nameless, "POLY_AGENT_JOINED", payload, "");
}

#[test]
fn a_message_of_the_bot_has_what_it_was_given() {
    let message = |extras, call_actions| Event::BotMessagePosted {
        token: Position(3),
        message_id: MESSAGE,
        text: "**Hi** <b>".into(),
        extras,
        call_actions,
        bot: ada(),
    };
    let bot = r#""agent_name":"Ada","avatar_url":"https://example.com/ada%20bot.png""#;
    let payload = format!(r#"{{"message_id":"MESSAGE_ID","text":"**Hi** <b>",{NO_EXTRAS},{bot}}}"#);
    check(message(Extras::default(), vec![]), "POLY_AGENT_MESSAGE", &payload, "");

    let call = CallAction { title: "Ring".into(), contact_number: "+44 20 7946 0815".into() };
    let calls = r#""chat_call_actions":[{"title":"Ring","contact_number":"+44 20 7946 0815"}]"#;
    let payload =
        format!(r#"{{"message_id":"MESSAGE_ID","text":"**Hi** <b>",{EXTRAS},{calls},{bot}}}"#);
    check(message(extras(), vec![call]), "POLY_AGENT_MESSAGE", &payload, "");
}

#[test]
fn a_chunk_has_its_number_and_says_whether_it_is_the_last() {
    let chunk = |index, text: &str, extras, is_complete| Event::BotChunkPosted {
        token: Position(3),
        message_id: MESSAGE,
        index,
        text: text.into(),
        extras,
        is_complete,
    };
    let payload = format!(
        r#"{{"message_id":"MESSAGE_ID","text":"We are ",{NO_EXTRAS},"chunk_index":1,"is_complete":false}}"#
    );
    let first = chunk(1, "We are ", Extras::default(), false);
    check(first, "POLY_AGENT_MESSAGE_CHUNK", &payload, "");
    let payload = format!(
        r#"{{"message_id":"MESSAGE_ID","text":"",{EXTRAS},"chunk_index":2,"is_complete":true}}"#
    );
    check(chunk(2, "", extras(), true), "POLY_AGENT_MESSAGE_CHUNK", &payload, "");
}

#[test]
fn the_language_is_told() {
    let changed = Event::LanguageChanged { token: Position(3), language_code: "fr-FR".into() };
    check(changed, "LANGUAGE_CHANGED", r#"{"language_code":"fr-FR"}"#, "");
}

#[test]
fn a_handoff_says_where_to_and_why() {
    check(Event::HandoffTriggered, "POLY_AGENT_TRIGGERED_HANDOFF", "{}", "");
    for (reason, name) in [
        (HandOffReason::ComplexQuery, "COMPLEX_QUERY"),
        (HandOffReason::AgentDecision, "AGENT_DECISION"),
        (HandOffReason::Policy, "POLICY"),
    ] {
        let required = |destination| Event::ClientHandoffRequired { reason, destination };
        let payload = format!(r#"{{"reason":"{name}","queue_name":"sales","route":"sales"}}"#);
        check(required(Some("sales".into())), "CLIENT_HANDOFF_REQUIRED", &payload, "");
        let payload = format!(r#"{{"reason":"{name}"}}"#);
        check(required(None), "CLIENT_HANDOFF_REQUIRED", &payload, "");
    }
    let left = |reason| Event::BotLeft { reason };
    check(left(Some("handoff".into())), "POLY_AGENT_LEFT", r#"{"reason":"handoff"}"#, "");
    check(left(None), "POLY_AGENT_LEFT", "{}", "");
    let failed = |reason| Event::HandoffFailed { reason };
    check(failed(Some("nobody".into())), "HANDOFF_FAILED", r#"{"reason":"nobody"}"#, "");
    check(failed(None), "HANDOFF_FAILED", "{}", "");
}

#[test]
fn notices_have_level_words_and_code() {
    for (notice, message, code) in [
        (
            Notice::HighLoad,
            "Our system is experiencing high load. Please try again in a moment.",
            "high_load",
        ),
        (
            Notice::UnableToStart,
            "Sorry, I'm unable to start a conversation right now. Please try again later.",
            "unable_to_start",
        ),
        (
            Notice::TroubleResponding,
            "Sorry, I'm having trouble responding right now. Please try again.",
            "trouble_responding",
        ),
        (
            Notice::EncounteredError,
            "Sorry, I encountered an error. Please try again.",
            "encountered_error",
        ),
        (
            Notice::HandoffNotInitiated,
            "Sorry, handoff could not be initiated.",
            "handoff_not_initiated",
        ),
        (
            Notice::TurnsUsedUp,
            "This conversation has reached its limit. Please start a new one to go on.",
            "turns_used_up",
        ),
    ] {
        for (level, name) in
            [(Level::Info, "INFO"), (Level::Warning, "WARNING"), (Level::Error, "ERROR")]
        {
            let payload = format!(
                r#"{{"level":"SYSTEM_MESSAGE_LEVEL_{name}","message":"{message}","code":"{code}"}}"#
            );
            check(Event::NoticePosted { level, notice }, "SYSTEM_MESSAGE", &payload, "");
        }
    }
}

#[test]
fn the_end_has_a_reason() {
    for (reason, name) in [
        (EndReason::UserEnd, "REASON_USER_END"),
        (EndReason::UserAbandoned, "REASON_USER_ABANDONED"),
        (EndReason::NaturalEnd, "REASON_NATURAL_END"),
        (EndReason::Revoked, "REASON_NATURAL_END"),
    ] {
        let payload = format!(r#"{{"reason":"{name}"}}"#);
        check(Event::SessionEnded { reason }, "SESSION_END", &payload, "");
    }
}

#[test]
fn what_is_internal_has_no_frame() {
    let started =
        Event::TurnStarted { turn: Turn(1), attempt: AttemptId(1), input_to: Position(2) };
    assert_eq!(event(&entry(started)), None);
    for outcome in
        [TurnOutcome::Finished, TurnOutcome::Failed, TurnOutcome::CutShort, TurnOutcome::Stopped]
    {
        assert_eq!(event(&entry(Event::TurnEnded { turn: Turn(1), outcome })), None);
    }
}

#[test]
fn transient_events_have_no_sequence() {
    let custom = Some(Json(r#"{"a": 1}"#.into()));
    let rest = r#","metadata":{"custom":{"a": 1}}"#;
    let heartbeat = |custom| Transient::Heartbeat { custom };
    check_transient(&heartbeat(custom.clone()), "HEARTBEAT", "{}", rest);
    check_transient(&heartbeat(None), "HEARTBEAT", "{}", "");
    let join = |custom| Transient::JoinEcho { custom };
    check_transient(&join(custom), "REQUEST_POLY_AGENT_JOIN", "{}", rest);
    check_transient(&join(None), "REQUEST_POLY_AGENT_JOIN", "{}", "");
    check_transient(&Transient::Thinking, "POLY_AGENT_THINKING", "{}", "");
    let empty =
        format!(r#"{{"message_id":"01934b2e-7c00-7abc-8def-0123456789ab","text":"",{NO_EXTRAS}}}"#);
    check_transient(&Transient::KeepAlive, "POLY_AGENT_MESSAGE", &empty, "");
}

#[test]
fn refusals_have_the_words_of_the_contract() {
    for (refusal, payload) in [
        (
            Refusal::Malformed,
            r#"_ERROR","message":"Unknown event type or invalid message format","code":"invalid_format"}"#,
        ),
        (
            Refusal::NotAllowed("EVENT_TYPE_SESSION_END"),
            r#"_ERROR","message":"Event type not allowed: EVENT_TYPE_SESSION_END","code":"not_allowed"}"#,
        ),
        (Refusal::TooLarge, r#"_ERROR","message":"Message too large","code":"too_large"}"#),
        (
            Refusal::NotAsked { level: Level::Error },
            r#"_ERROR","message":"Error: Conversation not found","code":"conversation_not_found"}"#,
        ),
        (
            Refusal::NotAsked { level: Level::Warning },
            r#"_WARNING","message":"Error: Conversation not found","code":"conversation_not_found"}"#,
        ),
        (
            Refusal::Ended,
            r#"_ERROR","message":"Error: Session not found","code":"session_not_found"}"#,
        ),
        (
            Refusal::Unavailable { retry_after_ms: 1_000 },
            r#"_ERROR","message":"Error: Unable to retrieve session","code":"unavailable","retry_after_ms":1000}"#,
        ),
        (
            Refusal::RateLimited { retry_after_ms: 200 },
            r#"_WARNING","message":"Rate limit exceeded","code":"rate_limited","retry_after_ms":200}"#,
        ),
    ] {
        let payload = format!(r#"{{"level":"SYSTEM_MESSAGE_LEVEL{payload}"#);
        let refused = |custom| Transient::Refused { refusal, custom };
        check_transient(&refused(None), "SYSTEM_MESSAGE", &payload, "");
        let custom = Some(Json(r#"{"local_id":"k"}"#.into()));
        let rest = r#","metadata":{"custom":{"local_id":"k"}}"#;
        check_transient(&refused(custom), "SYSTEM_MESSAGE", &payload, rest);
    }
}

#[test]
fn a_batch_holds_its_events_as_they_are() {
    let events = [r#"{"a":1}"#, r#"{"b":[2]}"#, "{}"];
    for count in 0..=events.len() {
        let events = &events[..count];
        let frame = batch(ID, AT, events);
        let expected = format!(
            r#"{{"id":"01934b2e-7c00-7abc-8def-0123456789ab","sequence":null,"timestamp":"2026-05-07T12:00:00.123Z","type":"EVENT_TYPE_EVENT_BATCH","payload":{{"events":[{}]}}}}"#,
            events.join(",")
        );
        assert_eq!(frame, expected);
        let bytes = events.iter().map(|it| it.len()).sum();
        assert_eq!(frame.len(), batch_bytes(count, bytes));
    }
    for at in [0, Timestamp::MAX] {
        assert_eq!(batch(ID, at, &[""; 0]).len(), BATCH_OVERHEAD_BYTES);
    }
}
