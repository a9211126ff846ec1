//! The user's messages: once by their key, and to the letter.

use std::sync::Arc;

use segue_core::{
    Attachment, AttemptId, BotProfile, CallAction, EndReason, Event, Extras, HandOffReason, Json,
    Level, MessageId, MessageKey, Notice, Position, SessionId, Suggestion, Turn, TurnOutcome,
    TurnReason,
    ports::{Appended, Store},
};
use tokio::task::JoinSet;

use super::append::assert_is_a_fault;
use crate::support::{
    ATTEMPTS_MAX, create, draft, joined, log, new_session, record, says, says_once, says_with_key,
    started, unique,
};

pub async fn a_message_is_found_by_its_key(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let events = vec![joined(), says("before"), says_once("this", "a"), says("after")];
    let commit = draft(&session, 2, events).commit();
    record(store.as_ref(), commit.clone()).await;
    let found = store.find_message(session.id, &MessageKey::Local("a".into())).await;
    assert_eq!(found, Ok(Some(commit.entries[2].clone())));
    let unknown = store.find_message(session.id, &MessageKey::Local("b".into())).await;
    assert_eq!(unknown, Ok(None));
}

pub async fn a_key_is_recorded_once(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let first = draft(&session, 2, vec![says_once("first text", "a")]).commit();
    let session = record(store.as_ref(), first.clone()).await;
    let again = draft(&session, 3, vec![says_once("another text", "a")]).commit();
    let original = first.entries[0].clone();
    assert_eq!(store.append(&again).await, Ok(Appended::Duplicate(Box::new(original))));
    assert_eq!(log(store.as_ref(), session.id).await.len(), 2);
}

pub async fn a_known_message_is_a_duplicate_also_for_a_stale_writer(store: &Arc<dyn Store>) {
    let old = create(store.as_ref(), 1).await;
    let commit = draft(&old, 2, vec![says_once("hello", "a")]).commit();
    record(store.as_ref(), commit.clone()).await;
    // Whoever did not learn what became of the commit repeats it as it was.
    let original = commit.entries[0].clone();
    assert_eq!(store.append(&commit).await, Ok(Appended::Duplicate(Box::new(original))));
}

pub async fn a_duplicate_takes_the_rest_of_its_commit_with_it(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let first = draft(&session, 2, vec![says_once("hello", "a")]).commit();
    let session = record(store.as_ref(), first.clone()).await;
    let events = vec![says_once("new", "b"), says_once("hello", "a")];
    let mixed = draft(&session, 3, events).commit();
    let original = first.entries[0].clone();
    assert_eq!(store.append(&mixed).await, Ok(Appended::Duplicate(Box::new(original))));
    assert_eq!(log(store.as_ref(), session.id).await.len(), 2);
    // The one that was new is still new.
    record(store.as_ref(), draft(&session, 4, vec![says_once("new", "b")]).commit()).await;
}

pub async fn a_key_belongs_to_its_name_space_and_its_session(store: &Arc<dyn Store>) {
    let local = MessageKey::Local("a".into());
    let client_event = MessageKey::ClientEvent("a".into());
    for _ in 0..2 {
        let session = create(store.as_ref(), 1).await;
        let commit = draft(&session, 2, vec![says_with_key("x", local.clone())]).commit();
        let session = record(store.as_ref(), commit).await;
        let commit = draft(&session, 3, vec![says_with_key("x", client_event.clone())]).commit();
        record(store.as_ref(), commit).await;
        let found = store.find_message(session.id, &client_event).await.unwrap();
        assert_eq!(found.map(|it| it.position), Some(Position(3)));
        let found = store.find_message(session.id, &local).await.unwrap();
        assert_eq!(found.map(|it| it.position), Some(Position(2)));
    }
}

pub async fn keys_of_any_text_are_told_apart(store: &Arc<dyn Store>) {
    let long = "k".repeat(199);
    let keys = [
        "a".to_owned(),
        "A".to_owned(),
        "a ".to_owned(),
        "a\0".to_owned(),
        "\u{1f600}".to_owned(),
        "\u{e9}".to_owned(),
        "e\u{301}".to_owned(),
        format!("{long}1"),
        format!("{long}2"),
    ];
    let mut session = create(store.as_ref(), 1).await;
    for key in &keys {
        let commit = draft(&session, 2, vec![says_once("x", key)]).commit();
        session = record(store.as_ref(), commit).await;
    }
    for (position, key) in (2..).zip(&keys) {
        let found = store.find_message(session.id, &MessageKey::Local(key.as_str().into())).await;
        assert_eq!(found.unwrap().map(|it| it.position), Some(Position(position)), "{key:?}");
    }
}

pub async fn many_tasks_with_one_key_record_it_once(store: &Arc<dyn Store>) {
    let id = create(store.as_ref(), 1).await.id;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(store);
        tasks.spawn(async move { post_until_known(&store, id, "the one").await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|it| **it == Appended::Recorded).count(), 1);
    let log = log(store.as_ref(), id).await;
    assert_eq!(log.len(), 2);
    let original = Appended::Duplicate(Box::new(log[1].clone()));
    assert_eq!(outcomes.iter().filter(|it| **it == original).count(), 19);
}

async fn post_until_known(store: &Arc<dyn Store>, id: SessionId, key: &str) -> Appended {
    for _ in 0..ATTEMPTS_MAX {
        let session = store.load(id).await.unwrap().unwrap();
        let commit = draft(&session, 2, vec![says_once("hello", key)]).commit();
        match store.append(&commit).await.unwrap() {
            Appended::Conflict => {}
            other => return other,
        }
    }
    panic!("somebody else was first every time");
}

pub async fn a_duplicate_does_not_fail_its_neighbours(store: &Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let session = create(store.as_ref(), 1).await;
        let known = draft(&session, 2, vec![says_once("known", "a")]).commit();
        let session = record(store.as_ref(), known).await;
        let key = if number % 2 == 0 { "a" } else { "b" };
        let commit = draft(&session, 3, vec![says_once("second", key)]).commit();
        let store = Arc::clone(store);
        tasks.spawn(async move { (number % 2 == 0, store.append(&commit).await.unwrap()) });
    }
    for (is_known, outcome) in tasks.join_all().await {
        assert_eq!(matches!(outcome, Appended::Duplicate(_)), is_known);
        assert_eq!(outcome == Appended::Recorded, !is_known);
    }
}

pub async fn one_key_twice_in_a_commit_is_a_fault(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let events = vec![says_once("one", "a"), says("between"), says_once("two", "a")];
    assert_is_a_fault(store, draft(&session, 2, events).commit()).await;
}

pub async fn texts_come_back_to_the_letter(store: &Arc<dyn Store>) {
    let kib_128 = 131_072;
    let texts = [
        "\0 in the middle \0".to_owned(),
        "\u{1f469}\u{200d}\u{1f4bb} \u{10ffff} \u{fffd} \u{2028}".to_owned(),
        "'; drop table entries; -- \"quoted\" \\ \t\r\n ".to_owned(),
        "x".repeat(kib_128),
        "\u{1}".repeat(kib_128),
        "\u{1f600}".repeat(kib_128 / 4),
    ];
    let mut session = create(store.as_ref(), 1).await;
    for text in &texts {
        session = record(store.as_ref(), draft(&session, 2, vec![says(text)]).commit()).await;
    }
    let log = log(store.as_ref(), session.id).await;
    for (entry, sent) in log[1..].iter().zip(&texts) {
        let Event::UserMessagePosted { text, .. } = &entry.event else { panic!("{entry:?}") };
        assert!(**text == *sent, "a text of {} bytes came back changed", sent.len());
    }
    assert_eq!(log.len(), 1 + texts.len());
}

pub async fn every_event_reads_back(store: &Arc<dyn Store>) {
    let session = new_session();
    let mut events = vec![started(&session)];
    events.extend(what_users_do());
    events.extend(what_bots_do());
    events.extend(what_ends());
    let commit = draft(&session, 1_700_000_000_123, events).commit();
    record(store.as_ref(), commit.clone()).await;
    assert_eq!(log(store.as_ref(), session.id).await, commit.entries.to_vec());
}

fn what_users_do() -> Vec<Event> {
    // Not as a serialiser would write it: it must come back as it was sent.
    let custom = Some(Json("{ \"b\":1.50,\n\"a\" : \"\\u00e9\" }".into()));
    let posted = |key| Event::UserMessagePosted {
        message_id: MessageId(unique()),
        text: "hi".into(),
        key,
        custom: custom.clone(),
    };
    vec![
        Event::JoinRequested { run_at: 7, custom: custom.clone() },
        posted(None),
        posted(Some(MessageKey::Local("l".into()))),
        posted(Some(MessageKey::ClientEvent("c".into()))),
        Event::EndRequested { custom: custom.clone() },
    ]
}

fn what_bots_do() -> Vec<Event> {
    let bot = BotProfile { name: "Ada".to_owned(), avatar_url: "https://x.test/a.png".to_owned() };
    let extras = Extras {
        attachments: vec![Attachment { title: "Map".to_owned(), ..Attachment::default() }],
        suggestions: vec![Suggestion { message_text: "Yes".to_owned(), payload: None }],
    };
    let call = CallAction { title: "Call".to_owned(), contact_number: "+441".to_owned() };
    let (token, message_id, turn) = (Position(4), MessageId(unique()), Turn(1));
    let failed = TurnReason::HandoffFailed { reason: Some("closed".to_owned()) };
    vec![
        Event::BotJoined { bot: bot.clone(), why: failed },
        Event::TurnStarted { turn, attempt: AttemptId(unique()), input_to: Position(2) },
        Event::BotMessagePosted {
            token,
            message_id,
            text: "**hi**".to_owned(),
            extras: extras.clone(),
            call_actions: vec![call],
            bot,
        },
        Event::BotChunkPosted {
            token,
            message_id,
            index: 1,
            text: String::new(),
            extras,
            is_complete: true,
        },
        Event::LanguageChanged { token, language_code: "fr-FR".to_owned() },
        Event::TurnEnded { turn, outcome: TurnOutcome::Finished },
    ]
}

fn what_ends() -> Vec<Event> {
    let reason = Some("nobody there".to_owned());
    vec![
        Event::HandoffTriggered,
        Event::ClientHandoffRequired {
            reason: HandOffReason::ComplexQuery,
            destination: Some("sales".to_owned()),
        },
        Event::BotLeft { reason: reason.clone() },
        Event::HandoffFailed { reason },
        Event::NoticePosted { level: Level::Warning, notice: Notice::HighLoad },
        Event::SessionEnded { reason: EndReason::NaturalEnd },
    ]
}
