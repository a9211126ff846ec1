//! A whole conversation on one page.

use std::sync::Arc;

use segue_core::{
    Attachment, BotProfile, ConnectorId, EntryId, Facts, Json, Position, SessionId, Suggestion,
    TokenId, Turn, TurnReason,
};

use super::*;

fn log(events: Vec<Event>) -> (Session, Vec<Entry>) {
    let facts = Arc::new(Facts {
        connector: ConnectorId("shop".to_owned()),
        token: TokenId("t".to_owned()),
        expires_at: 0,
        streaming: true,
        platform: "web".to_owned(),
        device_type: None,
        user_agent: None,
        language: None,
        variant_id: None,
        integration_attributes: Some(Json(r#"{"user_id": "ann`s"}"#.into())),
    });
    let mut all = vec![Event::SessionStarted { facts: Arc::clone(&facts) }];
    all.extend(events);
    let mut id = 0;
    let ids = || {
        id += 1;
        EntryId(id)
    };
    let session = Session::new(SessionId(7), facts);
    let log = session.place(1_700_000_000_000, all, ids);
    (Session::fold(SessionId(7), &log).unwrap(), log)
}

fn chunk(index: u32, text: &str, extras: Extras, is_complete: bool) -> Event {
    Event::BotChunkPosted {
        token: Position(5),
        message_id: MessageId(1),
        index,
        text: text.to_owned(),
        extras,
        is_complete,
    }
}

fn user_message(text: &str) -> Event {
    Event::UserMessagePosted {
        message_id: MessageId(9),
        text: text.into(),
        key: None,
        custom: None,
    }
}

#[test]
fn a_conversation_reads_like_one_and_nothing_in_it_passes_for_the_page() {
    let bot = BotProfile { name: "Ada *the* bot".to_owned(), avatar_url: String::new() };
    let attachment = Attachment {
        title: "Kettle\n# of iron".to_owned(),
        content_url: "https://tallow.example/`kettle`".to_owned(),
        ..Attachment::default()
    };
    let suggestion = Suggestion { message_text: "Buy [it]".to_owned(), payload: None };
    let extras = Extras { attachments: vec![attachment], suggestions: vec![suggestion] };
    let (session, log) = log(vec![
        Event::JoinRequested { run_at: 0, custom: None },
        Event::BotJoined { bot, why: TurnReason::Join },
        Event::TurnStarted {
            turn: Turn(1),
            attempt: segue_core::AttemptId(1),
            input_to: Position(1),
        },
        chunk(1, "Hello, ", Extras::default(), false),
        user_message("# Not a heading\r\n\n**User** 2026"),
        chunk(2, "how are you?", extras, true),
        Event::TurnEnded { turn: Turn(1), outcome: TurnOutcome::Finished },
        Event::EndRequested { custom: None },
        Event::SessionEnded { reason: EndReason::UserEnd },
    ]);
    insta::assert_snapshot!(write(&session, &log), @r#"
    # Conversation 00000000-0000-0000-0000-000000000007

    - Connector: `shop`
    - Begun: `2023-11-14T22:13:20.000Z`
    - Ended: `2023-11-14T22:13:20.000Z`
    - User: `ann's`
    - Platform: `web`

    *2023-11-14T22:13:20.000Z the conversation began*

    *2023-11-14T22:13:20.000Z the user asked for the bot*

    *2023-11-14T22:13:20.000Z Ada \*the\* bot joined*

    *2023-11-14T22:13:20.000Z internal: turn 1 began*

    **Ada \*the\* bot** 2023-11-14T22:13:20.000Z

    > Hello, how are you?

    - attached: Kettle \# of iron `https://tallow.example/'kettle'`
    - suggested: Buy \[it\]

    **User** 2023-11-14T22:13:20.000Z

    > # Not a heading
    >
    > **User** 2026

    *2023-11-14T22:13:20.000Z internal: turn 1 finished*

    *2023-11-14T22:13:20.000Z the user ended the conversation*

    *2023-11-14T22:13:20.000Z the conversation ended: the user said so*
    "#);
}
