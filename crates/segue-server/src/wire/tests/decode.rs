//! What a client may send, and what it is told otherwise, case by case.

use segue_core::{Json, MessageKey};

use super::oracle;
use crate::wire::{Ask, ClientFrame, Refusal, TypingState, Undecodable, decode, kind};

const LIMIT: usize = 131_072;

fn json(text: &str) -> Json {
    Json(text.into())
}

#[track_caller]
fn check_taken(text: &str, ask: Ask, custom: impl Into<Option<Json>>) {
    oracle::check(text);
    assert_eq!(decode(text), Ok(ClientFrame { ask, custom: custom.into() }));
}

#[track_caller]
fn check_refused(text: &str, refusal: Refusal, custom: impl Into<Option<Json>>) {
    oracle::check(text);
    assert_eq!(decode(text), Err(Undecodable { refusal, custom: custom.into() }));
}

fn message(text: &str) -> Ask {
    Ask::Message { text: text.into(), key: None }
}

fn frame(kind: &str, payload: &str) -> String {
    format!(r#"{{"type":"EVENT_TYPE_{kind}","payload":{payload}}}"#)
}

fn with_custom(custom: &str) -> String {
    format!(
        r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"hi"}},"metadata":{{"custom":{custom}}}}}"#
    )
}

#[test]
fn the_five_types_are_taken() {
    for (kind, ask) in [
        ("REQUEST_POLY_AGENT_JOIN", Ask::Join),
        ("USER_END_SESSION", Ask::End),
        ("HEARTBEAT", Ask::Heartbeat),
    ] {
        // A payload that is absent or null counts as {}, and what is in it is ignored.
        check_taken(&format!(r#"{{"type":"EVENT_TYPE_{kind}"}}"#), ask.clone(), None);
        for payload in ["null", "{}", r#"{"text":5,"x":[{}]}"#] {
            check_taken(&frame(kind, payload), ask.clone(), None);
        }
        for payload in ["[]", "\"\"", "0", "false", "[{}]"] {
            check_refused(&frame(kind, payload), Refusal::Malformed, None);
        }
    }
    check_taken(&frame("USER_MESSAGE", r#"{"text":"hi"}"#), message("hi"), None);
    for (state, typing) in [("STARTED", TypingState::Started), ("STOPPED", TypingState::Stopped)] {
        let text = frame("USER_TYPING", &format!(r#"{{"state":"TYPING_STATE_{state}"}}"#));
        check_taken(&text, Ask::Typing(typing), None);
    }
}

#[test]
fn the_text_is_taken_to_the_letter() {
    for (written, text) in [
        (r"  a\tb\n ", "  a\tb\n "),
        ("e\u{301}\u{e9}\u{200b}\u{feff}", "e\u{301}\u{e9}\u{200b}\u{feff}"),
        (r"\u0000\u001f\u007f", "\u{0}\u{1f}\u{7f}"),
        (r"\ud83d\ude00\/\\\u0041", "\u{1f600}/\\A"),
        // Not white space, though nobody sees it.
        ("\u{200b}", "\u{200b}"),
        ("\u{feff}", "\u{feff}"),
    ] {
        let payload = format!(r#"{{"text":"{written}"}}"#);
        check_taken(&frame("USER_MESSAGE", &payload), message(text), None);
    }
}

#[test]
fn what_is_no_event_is_malformed() {
    for text in [
        "",
        " ",
        "nonsense",
        "null",
        "5",
        "\"EVENT_TYPE_HEARTBEAT\"",
        "[]",
        // A derived reader takes an array for the object.
        r#"["EVENT_TYPE_HEARTBEAT",{},null]"#,
        "{}",
        r#"{"payload":{}}"#,
        r#"{"type":null}"#,
        r#"{"type":5}"#,
        r#"{"type":["EVENT_TYPE_HEARTBEAT"]}"#,
        r#"{"type":"HEARTBEAT"}"#,
        r#"{"type":"event_type_heartbeat"}"#,
        r#"{"type":" EVENT_TYPE_HEARTBEAT"}"#,
        r#"{"type":"EVENT_TYPE_"}"#,
        r#"{"type":"EVENT_TYPE_NONSENSE"}"#,
        r#"{"Type":"EVENT_TYPE_HEARTBEAT"}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT"}}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT"} {"type":"EVENT_TYPE_HEARTBEAT"}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT","payload":{}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT","payload":{},}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT","x":nul}"#,
        r"{'type':'EVENT_TYPE_HEARTBEAT'}",
        "\u{feff}{\"type\":\"EVENT_TYPE_HEARTBEAT\"}",
        r#"{"type":"EVENT_TYPE_USER_MESSAGE"}"#,
        r#"{"type":"EVENT_TYPE_USER_TYPING"}"#,
    ] {
        check_refused(text, Refusal::Malformed, None);
    }
    for payload in [
        "{}",
        "null",
        r#"{"text":null}"#,
        r#"{"text":5}"#,
        r#"{"text":["hi"]}"#,
        r#"{"text":{"text":"hi"}}"#,
        r#"{"Text":"hi"}"#,
        r#"["hi"]"#,
        r#""hi""#,
        r#"{"text":""}"#,
        r#"{"text":" \t\r\n\u000b\u000c\u0085"}"#,
        r#"{"text":"\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"}"#,
        // Half a pair is no character.
        r#"{"text":"\ud83d"}"#,
        r#"{"text":"a\ude00b"}"#,
        r#"{"text":"\ud83d\ud83d"}"#,
        "{\"text\":\"a\nb\"}",
    ] {
        check_refused(&frame("USER_MESSAGE", payload), Refusal::Malformed, None);
    }
    for payload in
        [r#"{"state":"STARTED"}"#, r#"{"state":"typing_state_started"}"#, r#"{"state":1}"#, "{}"]
    {
        check_refused(&frame("USER_TYPING", payload), Refusal::Malformed, None);
    }
}

#[test]
fn what_else_is_in_a_frame_is_ignored() {
    let heartbeats = [
        r#"{"id":"own","sequence":7,"timestamp":5,"type":"EVENT_TYPE_HEARTBEAT","x":{"type":"y"}}"#,
        " {\n\"type\"\t: \"EVENT_TYPE_HEARTBEAT\" } \r\n",
        r#"{"\u0074ype":"EVENT_TYPE_HEARTB\u0045AT"}"#,
        // Only what is read has to be more than JSON.
        r#"{"type":"EVENT_TYPE_HEARTBEAT","x":"\ud800","y":1e999}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT","payload":{"x":"\ud800"}}"#,
        r#"{"type":"EVENT_TYPE_HEARTBEAT","metadata":{"x":"\ud800","y":[1e999]}}"#,
    ];
    for text in heartbeats {
        check_taken(text, Ask::Heartbeat, None);
    }
}

#[test]
fn of_several_members_with_one_name_the_last_counts() {
    let text = r#"{"type":"EVENT_TYPE_HEARTBEAT","type":5,"type":"EVENT_TYPE_USER_MESSAGE",
        "payload":[],"payload":{"text":1,"text":"a","text":"b"},
        "metadata":5,"metadata":{"custom":[],"custom":{"local_id":"x","local_id":"y"}}}"#;
    let key = Some(MessageKey::Local("y".into()));
    let ask = Ask::Message { text: "b".into(), key };
    check_taken(text, ask, json(r#"{"local_id":"x","local_id":"y"}"#));

    let text = r#"{"type":"EVENT_TYPE_HEARTBEAT","type":null}"#;
    check_refused(text, Refusal::Malformed, None);
    check_taken(
        &with_custom(r#"{"local_id":"x","local_id":5}"#),
        message("hi"),
        json(r#"{"local_id":"x","local_id":5}"#),
    );
}

#[test]
fn known_types_of_others_are_named_in_the_refusal() {
    let mut known = std::collections::BTreeSet::new();
    for kind in kind::NOT_ALLOWED {
        assert!(known.insert(kind), "{kind} is there twice");
        let refusal = Refusal::NotAllowed(kind);
        check_refused(&format!(r#"{{"type":"{kind}"}}"#), refusal, None);
        // Whatever else is wrong with it.
        let text = format!(r#"{{"type":"{kind}","payload":[],"metadata":{{"custom":{{"a":1}}}}}}"#);
        check_refused(&text, refusal, json(r#"{"a":1}"#));
        check_refused(&format!(r#"{{"type":"{kind}","metadata":5}}"#), refusal, None);
        let text = format!(r#"{{"type":"{kind}","payload":"{}"}}"#, "x".repeat(LIMIT));
        check_refused(&text, refusal, None);
    }
    for name in [
        "LINK_TO_WEBRTC_CONVERSATION",
        "SESSION_START",
        "EVENT_BATCH",
        "LIVE_AGENT_MESSAGE",
        "HANDOFF_QUEUE_STATUS",
        "USER_RECEIVED_MESSAGE",
        "USER_READ_MESSAGE",
        "POLY_AGENT_RECEIVED_MESSAGE",
        "LIVE_AGENT_READ_MESSAGE",
        "SESSION_IDLE_WARNING",
        "SHOW_CSAT_REQUEST",
        "CSAT_RESPONSE",
        "LANGUAGE_CHANGED",
    ] {
        assert!(known.contains(format!("EVENT_TYPE_{name}").as_str()), "{name}");
    }
}

#[test]
fn a_text_may_have_128_kib_however_it_is_written() {
    for (written, bytes) in
        [("x", 1), ("ü", 2), ("\\u00fc", 2), ("\\u0001", 1), ("\\ud83d\\ude00", 4)]
    {
        let most = LIMIT / bytes;
        let text = frame("USER_MESSAGE", &format!(r#"{{"text":"{}"}}"#, written.repeat(most)));
        let Ok(ClientFrame { ask: Ask::Message { text: taken, .. }, .. }) = decode(&text) else {
            panic!("{most} times {written} is taken");
        };
        assert_eq!(taken.len(), LIMIT);

        let text = frame("USER_MESSAGE", &format!(r#"{{"text":"{}"}}"#, written.repeat(most + 1)));
        check_refused(&text, Refusal::TooLarge, None);
    }
    // What surrounds the text does not count.
    let wide = format!(r#"{{"text":"hi","x":"{}"}}"#, "x".repeat(LIMIT));
    check_taken(&frame("USER_MESSAGE", &wide), message("hi"), None);
    // Too much of nothing is too much.
    let blank = format!(r#"{{"text":"{}"}}"#, " ".repeat(LIMIT + 1));
    check_refused(&frame("USER_MESSAGE", &blank), Refusal::TooLarge, None);
}

#[test]
fn any_other_frame_may_have_128_kib() {
    for kind in ["REQUEST_POLY_AGENT_JOIN", "USER_END_SESSION", "HEARTBEAT", "USER_TYPING"] {
        let padded = |bytes: usize| {
            let text = frame(kind, r#"{"state":"TYPING_STATE_STARTED"}"#);
            format!("{text}{}", " ".repeat(bytes - text.len()))
        };
        assert!(decode(&padded(LIMIT)).is_ok(), "{kind}");
        check_refused(&padded(LIMIT + 1), Refusal::TooLarge, None);
        // The size is seen before the shape, and the metadata is read all the same.
        let text = format!(
            r#"{{"type":"EVENT_TYPE_{kind}","metadata":{{"custom":{{"local_id":"k"}}}},"payload":["{}"]}}"#,
            "x".repeat(LIMIT)
        );
        check_refused(&text, Refusal::TooLarge, json(r#"{"local_id":"k"}"#));
    }
    let unknown = frame("NONSENSE", &format!("[{}0]", "0,".repeat(LIMIT)));
    check_refused(&unknown, Refusal::Malformed, None);
    check_refused(&"x".repeat(LIMIT + 1), Refusal::Malformed, None);
}

#[test]
fn custom_is_kept_as_sent() {
    for custom in [
        "{}",
        "{ }",
        "{\"b\" :1.00,\n\"a\":[ -0, 1e5,null,true ],\"\\u0061\":\"\\ud83d\\ude00\"}",
        r#"{"n":123456789012345678901234567890}"#,
    ] {
        check_taken(&with_custom(custom), message("hi"), json(custom));
    }
    // Surrounding space is not part of it; neither is anything else in the metadata.
    let text = r#"{"metadata":{"x":1, "custom" : {"a":1} ,"y":2},"type":"EVENT_TYPE_HEARTBEAT"}"#;
    check_taken(text, Ask::Heartbeat, json(r#"{"a":1}"#));
    for metadata in ["null", "{}", r#"{"custom":null}"#, r#"{"Custom":{}}"#] {
        let text = format!(r#"{{"type":"EVENT_TYPE_HEARTBEAT","metadata":{metadata}}}"#);
        check_taken(&text, Ask::Heartbeat, None);
    }
}

#[test]
fn metadata_that_cannot_come_back_is_malformed() {
    for metadata in ["5", "\"x\"", "[]", "true", r#"[{"custom":{}}]"#] {
        let text = format!(r#"{{"type":"EVENT_TYPE_HEARTBEAT","metadata":{metadata}}}"#);
        check_refused(&text, Refusal::Malformed, None);
    }
    for custom in [
        "5",
        "\"x\"",
        "[]",
        "false",
        r#"[{"local_id":"k"}]"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":[{"\udc00":1}]}"#,
        r#"{"a":1e999}"#,
    ] {
        check_refused(&with_custom(custom), Refusal::Malformed, None);
    }
}

#[test]
fn custom_may_have_4_kib_as_sent() {
    let padded = |bytes: usize, filling: &str| {
        let body = r#"{"local_id":"k","x":""}"#;
        let filling = filling.repeat((bytes - body.len()) / filling.len());
        let custom = format!(r#"{{"local_id":"k","x":"{filling}"}}"#);
        format!("{}{}}}", &custom[..custom.len() - 1], " ".repeat(bytes - custom.len()))
    };
    for filling in ["x", "ü", "\\u0041", "\\n"] {
        let key = Some(MessageKey::Local("k".into()));
        let ask = Ask::Message { text: "hi".into(), key };
        let most = padded(4_096, filling);
        assert_eq!(most.len(), 4_096);
        check_taken(&with_custom(&most), ask, json(&most));
        let names = json(r#"{"local_id":"k"}"#);
        check_refused(&with_custom(&padded(4_097, filling)), Refusal::Malformed, names);
    }
    let spaced = format!("{{{}}}", " ".repeat(4_095));
    check_refused(&with_custom(&spaced), Refusal::Malformed, None);
}

#[test]
fn custom_may_be_nested_64_deep() {
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
        let nested = |levels: usize| {
            let (open, close) = (open.repeat(levels - 1), close.repeat(levels - 1));
            let inner = open + "0" + &close;
            format!(r#"{{"a":{inner}}}"#)
        };
        check_taken(&with_custom(&nested(64)), message("hi"), json(&nested(64)));
        for levels in [65, 127, 128, 129, 500] {
            check_refused(&with_custom(&nested(levels)), Refusal::Malformed, None);
        }
    }
}

#[test]
fn a_refusal_returns_the_metadata_where_it_could_be_read() {
    let rest = r#""metadata":{"custom":{"local_id":"k"}}"#;
    let custom = json(r#"{"local_id":"k"}"#);
    let too_long = "x".repeat(LIMIT + 1);
    for (head, refusal) in [
        (r#""type":"EVENT_TYPE_NONSENSE","payload":{}"#.to_owned(), Refusal::Malformed),
        (r#""type":5"#.to_owned(), Refusal::Malformed),
        (r#""payload":{}"#.to_owned(), Refusal::Malformed),
        (
            r#""type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":" "}"#.to_owned(),
            Refusal::Malformed,
        ),
        (r#""type":"EVENT_TYPE_USER_MESSAGE","payload":[]"#.to_owned(), Refusal::Malformed),
        (
            format!(r#""type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"{too_long}"}}"#),
            Refusal::TooLarge,
        ),
    ] {
        check_refused(&format!("{{{head},{rest}}}"), refusal, custom.clone());
        check_refused(&format!("{{{rest},{head}}}"), refusal, custom.clone());
    }
    // Not JSON as a whole: nothing in it can be trusted.
    let cut = format!(r#"{{{rest},"type":"EVENT_TYPE_HEARTBEAT""#);
    check_refused(&cut, Refusal::Malformed, None);
}

#[test]
fn a_key_is_the_local_id_or_else_the_client_event_id() {
    let (max, long) = ("k".repeat(200), "k".repeat(201));
    let (wide_max, wide_long) = ("ü".repeat(100), "ü".repeat(101));
    let local = |it: &str| Some(MessageKey::Local(it.into()));
    let client_event = |it: &str| Some(MessageKey::ClientEvent(it.into()));
    for (custom, key) in [
        ("{}".to_owned(), None),
        (r#"{"local_id":"a"}"#.to_owned(), local("a")),
        (r#"{"client_event_id":"a"}"#.to_owned(), client_event("a")),
        (r#"{"client_event_id":"b","local_id":"a"}"#.to_owned(), local("a")),
        (r#"{"local_id":"\u0061 "}"#.to_owned(), local("a ")),
        (format!(r#"{{"local_id":"{max}"}}"#), local(&max)),
        (format!(r#"{{"local_id":"{wide_max}"}}"#), local(&wide_max)),
        (format!(r#"{{"local_id":"{long}"}}"#), None),
        (format!(r#"{{"local_id":"{wide_long}","client_event_id":"b"}}"#), client_event("b")),
        (format!(r#"{{"local_id":"","client_event_id":"{max}"}}"#), client_event(&max)),
        (format!(r#"{{"local_id":5,"client_event_id":"{long}"}}"#), None),
        (r#"{"local_id":null,"client_event_id":"b"}"#.to_owned(), client_event("b")),
        (r#"{"local_id":["a"],"client_event_id":{"a":"b"}}"#.to_owned(), None),
        (r#"{"local_id":{"local_id":"a"},"x":{"local_id":"a"}}"#.to_owned(), None),
    ] {
        let ask = Ask::Message { text: "hi".into(), key };
        check_taken(&with_custom(&custom), ask, json(&custom));
    }
}

#[test]
fn nesting_does_not_overflow() {
    const DEEP: usize = 1 << 20;
    for open in ["[", "{\"x\":", "[[{\"type\":"] {
        let deep = open.repeat(DEEP / open.len());
        check_refused(&deep, Refusal::Malformed, None);
        for head in [
            r#"{"type":"#,
            r#"{"x":"#,
            r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":"#,
            r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"#,
            r#"{"type":"EVENT_TYPE_HEARTBEAT","metadata":{"custom":{"local_id":"#,
        ] {
            check_refused(&format!("{head}{deep}"), Refusal::Malformed, None);
        }
    }
    // Closed properly it is JSON; where nobody reads it, it is ignored.
    let deep = format!("{}{}", "[".repeat(DEEP / 4), "]".repeat(DEEP / 4));
    let text =
        format!(r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"a","x":{deep}}}}}"#);
    check_taken(&text, message("a"), None);
    let text = format!(r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":{deep}}}}}"#);
    check_refused(&text, Refusal::Malformed, None);
    let text = format!(
        r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"a"}},"metadata":{deep}}}"#
    );
    check_refused(&text, Refusal::Malformed, None);
}
