use super::{
    super::frame::{Chunk, Message, Reason, System},
    *,
};

fn event(sequence: Option<u64>, what: What) -> Event {
    Event { sequence, local_id: None, what }
}

fn chunk(is_complete: bool) -> Event {
    event(Some(9), What::BotChunk(Chunk { is_complete, ..Chunk::default() }))
}

fn message() -> Event {
    event(Some(9), What::BotMessage(Message::default()))
}

/// Asks at 1,000 and takes what happens then, each at its time.
fn after(events: &[(u64, Event)]) -> Answers {
    let mut answers = Answers::default();
    answers.ask(1_000);
    for (at, event) in events {
        answers.take(*at, event);
    }
    answers
}

#[test]
fn an_answer_settles_after_a_silence() {
    let answers = after(&[(1_200, message())]);
    assert!(!answers.are_due());
    assert_eq!(answers.settled_at(), Some(1_200 + limits::CHAT_SETTLED_AFTER_MS));
}

#[test]
fn an_answer_that_is_not_announced_is_waited_for_longer() {
    let answers = after(&[]);
    assert!(answers.are_due());
    assert_eq!(answers.settled_at(), Some(1_000 + limits::CHAT_UNANNOUNCED_ANSWER_MS));
}

#[test]
fn nothing_is_settled_while_a_message_grows() {
    assert_eq!(after(&[(1_100, chunk(false))]).settled_at(), None);
    let answers = after(&[(1_100, chunk(false)), (1_400, chunk(true))]);
    assert_eq!(answers.settled_at(), Some(1_400 + limits::CHAT_SETTLED_AFTER_MS));
}

#[test]
fn thinking_after_an_answer_means_another_one() {
    let thinking = || event(None, What::BotThinking);
    let answers = after(&[(1_100, message()), (1_200, thinking())]);
    assert_eq!(answers.settled_at(), Some(1_200 + limits::CHAT_THINKING_MS));
    let answers = after(&[(1_100, thinking()), (1_200, message())]);
    assert_eq!(answers.settled_at(), Some(1_200 + limits::CHAT_SETTLED_AFTER_MS));
}

#[test]
fn lost_connections_take_the_moment_with_them() {
    let mut answers = after(&[(1_100, message()), (1_200, event(None, What::BotThinking))]);
    answers.lose();
    assert_eq!(answers.settled_at(), Some(1_200 + limits::CHAT_SETTLED_AFTER_MS));
    answers.resume(5_000);
    assert_eq!(answers.settled_at(), Some(5_000 + limits::CHAT_SETTLED_AFTER_MS));
}

#[test]
fn signs_of_life_and_refusals_are_no_answers() {
    for event in [
        event(None, What::Heartbeat),
        event(None, What::BotMessage(Message::default())),
        event(None, What::System(System::default())),
        event(Some(2), What::Other),
    ] {
        let answers = after(&[(1_900, event)]);
        assert_eq!(answers.settled_at(), Some(1_000 + limits::CHAT_UNANNOUNCED_ANSWER_MS));
    }
}

#[test]
fn errors_in_the_log_and_the_end_are_answers() {
    for what in [What::System(System::default()), What::SessionEnd(Reason::default())] {
        assert!(!after(&[(1_100, event(Some(5), what))]).are_due());
    }
}
