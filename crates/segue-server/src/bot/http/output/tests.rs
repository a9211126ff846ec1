use super::*;

fn read_text(json: &str) -> Result<Output, Malformed> {
    read(json.as_bytes())
}

#[test]
fn every_output_of_the_contract_is_read() {
    let table = [
        (r#"{"type": "text", "text": "We are open "}"#, Output::Text("We are open ".into())),
        (
            r#"{"type":"attachment","title":"T","content_url":"https://example.com/a b?q=ü",
                "content_type":"image","preview_image_url":"http://example.com","call_to_action_text":"Go"}"#,
            Output::Attachment(Attachment {
                title: "T".into(),
                preview_image_url: Some("http://example.com/".into()),
                content_url: "https://example.com/a%20b?q=%C3%BC".into(),
                content_type: ContentType::Image,
                call_to_action_text: Some("Go".into()),
            }),
        ),
        (
            r#"{"type":"suggestion","message_text":"Yes"}"#,
            Output::Suggestion(Suggestion { message_text: "Yes".into(), payload: None }),
        ),
        (
            r#"{"type":"call_action","title":"Us","contact_number":"+44 1"}"#,
            Output::CallAction(CallAction { title: "Us".into(), contact_number: "+44 1".into() }),
        ),
        (r#"{"type":"language","language_code":"fr-FR"}"#, Output::Language("fr-FR".into())),
        (
            r#"{"type":"state","state": {"b": 1.50, "a": [ 12345678901234567890123 ]}}"#,
            Output::State(r#"{"b": 1.50, "a": [ 12345678901234567890123 ]}"#.into()),
        ),
        (r#"{"type":"message_break"}"#, Output::MessageBreak),
        (
            r#"{"type":"handoff","destination":"support","reason":"POLICY","mode":"client","data":{"z":0,"a":1}}"#,
            Output::HandOff(HandOff {
                destination: Some("support".into()),
                reason: HandOffReason::Policy,
                mode: Some(HandOffMode::Client),
                data: Some(r#"{"z":0,"a":1}"#.into()),
            }),
        ),
        (
            r#"{"type":"handoff","reason":"COMPLEX_QUERY","mode":"server"}"#,
            Output::HandOff(HandOff {
                reason: HandOffReason::ComplexQuery,
                mode: Some(HandOffMode::Server),
                ..HandOff::default()
            }),
        ),
        (r#"{"type":"end"}"#, Output::End),
        (r#" { "type" : "silence" } "#, Output::Silence),
    ];
    for (json, expected) in table {
        assert_eq!(read_text(json), Ok(expected), "{json}");
    }
}

#[test]
fn what_may_be_left_out_may_be_null_and_unknown_fields_do_not_matter() {
    let plain_attachment = Output::Attachment(Attachment {
        title: String::new(),
        content_url: "https://example.com/".into(),
        ..Attachment::default()
    });
    let plain_hand_off = Output::HandOff(HandOff {
        destination: None,
        reason: HandOffReason::AgentDecision,
        mode: None,
        data: None,
    });
    let table = [
        (r#"{"type":"handoff"}"#, plain_hand_off.clone()),
        (
            r#"{"type":"handoff","destination":null,"reason":null,"mode":null,"data":null}"#,
            plain_hand_off,
        ),
        (
            r#"{"type":"attachment","title":"","content_url":"https://example.com"}"#,
            plain_attachment.clone(),
        ),
        (
            r#"{"type":"attachment","title":"","content_url":"https://example.com",
                "content_type":null,"preview_image_url":"","call_to_action_text":null}"#,
            plain_attachment,
        ),
        (r#"{"type":"text","text":"","x":{"y":[]},"state":7}"#, Output::Text(String::new())),
        (r#"{"t":1,"type":"end","text":5}"#, Output::End),
        (
            r#"{"type":"suggestion","message_text":"A","payload":"a1"}"#,
            Output::Suggestion(Suggestion { message_text: "A".into(), payload: Some("a1".into()) }),
        ),
        (
            r#"{"type":"suggestion","message_text":"A","payload":{"a":1}}"#,
            Output::Suggestion(Suggestion { message_text: "A".into(), payload: None }),
        ),
    ];
    for (json, expected) in table {
        assert_eq!(read_text(json), Ok(expected), "{json}");
    }
}

#[test]
fn what_is_wrong_is_named_without_the_bots_words() {
    let table = [
        ("", Malformed::NotAnObject),
        ("[DONE]", Malformed::NotAnObject),
        ("null", Malformed::NotAnObject),
        (r#"["end"]"#, Malformed::NotAnObject),
        (r#"{"type":"end""#, Malformed::NotAnObject),
        (r#"{"type":"end"} {"type":"end"}"#, Malformed::NotAnObject),
        ("{}", Malformed::Field("type")),
        (r#"{"type":null}"#, Malformed::Field("type")),
        (r#"{"type":1}"#, Malformed::Field("type")),
        (r#"{"type":"secret words"}"#, Malformed::UnknownType),
        (r#"{"type":"Text","text":"a"}"#, Malformed::UnknownType),
        (r#"{"type":"text"}"#, Malformed::Field("text")),
        (r#"{"type":"text","text":null}"#, Malformed::Field("text")),
        (r#"{"type":"text","text":["secret words"]}"#, Malformed::Field("text")),
        (r#"{"type":"text","text":"\ud800"}"#, Malformed::Field("text")),
        (r#"{"type":"suggestion","message_text":1}"#, Malformed::Field("message_text")),
        (r#"{"type":"call_action","contact_number":"1"}"#, Malformed::Field("title")),
        (r#"{"type":"call_action","title":"1"}"#, Malformed::Field("contact_number")),
        (r#"{"type":"state"}"#, Malformed::Field("state")),
        (r#"{"type":"state","state":null}"#, Malformed::Field("state")),
        (r#"{"type":"state","state":[]}"#, Malformed::Field("state")),
        (r#"{"type":"state","state":"{}"}"#, Malformed::Field("state")),
        (r#"{"type":"handoff","destination":1}"#, Malformed::Field("destination")),
        (r#"{"type":"handoff","reason":"BORED"}"#, Malformed::Field("reason")),
        (r#"{"type":"handoff","mode":"SERVER"}"#, Malformed::Field("mode")),
        (r#"{"type":"handoff","data":[1]}"#, Malformed::Field("data")),
    ];
    for (json, expected) in table {
        assert_eq!(read_text(json), Err(expected), "{json}");
        assert!(!expected.to_string().contains("secret"), "{expected}");
    }
    assert_eq!(read(b"{\"type\":\"text\",\"text\":\"\xff\"}"), Err(Malformed::NotAnObject));
}

#[test]
fn an_attachment_leads_to_http_or_https_and_nowhere_else() {
    let wrong = |field, value: &str| {
        let mut fields = serde_json::json!({
            "type": "attachment", "title": "T", "content_url": "https://example.com/",
        });
        assert!(read_text(&fields.to_string()).is_ok());
        fields[field] = value.into();
        assert_eq!(read_text(&fields.to_string()), Err(Malformed::Field(field)), "{value}");
    };
    for url in
        ["/a", "example.com/a", "javascript:alert(1)", "data:text/html,a", "ftp://a/", "https://"]
    {
        wrong("content_url", url);
        wrong("preview_image_url", url);
    }
    wrong("content_url", "");
    wrong("content_type", "video");
    wrong("content_type", "IMAGE");
}

#[test]
fn a_language_code_is_plausible() {
    let read_code = |code: &str| {
        read_text(&serde_json::json!({ "type": "language", "language_code": code }).to_string())
    };
    let longest = "de-aaaaaaaa-bbbbbbbb-cccccccc-ddddd";
    assert_eq!(longest.len(), 35);
    for code in ["en", "fr-FR", "zh-Hans-CN", "es-419", "x-shop", "sl-rozaj-biske-1994", longest] {
        assert_eq!(read_code(code), Ok(Output::Language(code.into())));
    }
    let too_long = format!("{longest}e");
    for code in
        ["", "-", "en-", "-en", "en--GB", "en_GB", "e n", "ä", "1en", "englishish", &too_long]
    {
        assert_eq!(read_code(code), Err(Malformed::Field("language_code")), "{code}");
    }
}

#[test]
fn a_state_may_be_as_big_as_the_limit() {
    let state_of = |bytes: usize| {
        let state = format!(r#"{{"s":"{}"}}"#, "x".repeat(bytes - r#"{"s":""}"#.len()));
        assert_eq!(state.len(), bytes);
        state
    };
    let output = |state: &str| read_text(&format!(r#"{{"type":"state","state":{state}}}"#));
    let largest = state_of(65_536);
    assert_eq!(output(&largest), Ok(Output::State(largest.clone())));
    assert_eq!(output(&state_of(65_537)), Err(Malformed::StateTooBig));
}

#[test]
fn a_whole_answer_is_read_or_nothing_of_it() {
    let read = |json: &str| read_all(json.as_bytes());
    assert_eq!(read(r#"{"outputs":[]}"#), Ok(vec![]));
    assert_eq!(
        read(r#"{"v":1,"outputs":[ {"type":"text","text":"a"} , {"type":"end"} ],"w":{}}"#),
        Ok(vec![Output::Text("a".into()), Output::End])
    );
    for json in ["", "[]", "{}", r#"{"outputs":null}"#, r#"{"outputs":{}}"#, r#"{"outputs":[]"#] {
        assert_eq!(read(json), Err(MalformedAnswer::NoOutputs), "{json}");
    }
    let error = read(r#"{"outputs":[{"type":"end"},{"type":"secret"}]}"#).unwrap_err();
    assert_eq!(error.to_string(), "output 2 has an unknown type");
}
