//! Random commands, chosen so that most of them mean something, and random events in any order.

use proptest::{option, prelude::*, sample::select};

use super::*;

/// Something that somebody tries. What it leads to depends on the session at that moment.
#[derive(Debug, Clone)]
pub enum Try {
    Join,
    Post,
    End,
    Stop,
    /// A worker starts the turn that is due or running, or one beside it.
    Start {
        turn_off: i64,
        worker: u128,
        input_to: u64,
    },
    /// The running turn says something more, or a worker without the token does.
    Say {
        what: Saying,
        token: Token,
        /// Says an output again that was taken.
        is_repeat: bool,
    },
    EndTurn {
        how: TurnEnd,
        token: Token,
    },
    Expire {
        last_seen: Timestamp,
        not_before: Timestamp,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Saying {
    Message,
    Chunk { is_complete: bool },
    Language,
}

#[derive(Debug, Clone, Copy)]
pub enum Token {
    Running,
    Other(u64),
}

/// At a time that may be earlier than the one before: clocks of nodes differ.
pub fn tries() -> impl Strategy<Value = Vec<(u64, Try)>> {
    prop::collection::vec((0..40_000_u64, one_try()), 1..60)
}

fn one_try() -> impl Strategy<Value = Try> {
    prop_oneof![
        3 => Just(Try::Join),
        4 => Just(Try::Post),
        1 => Just(Try::End),
        2 => Just(Try::Stop),
        8 => (prop_oneof![8 => Just(0), 1 => -1..=1_i64], 0..4_u128, 0..40_u64)
            .prop_map(|(turn_off, worker, input_to)| Try::Start { turn_off, worker, input_to }),
        10 => (saying(), token(), prop::bool::weighted(0.1))
            .prop_map(|(what, token, is_repeat)| Try::Say { what, token, is_repeat }),
        6 => (turn_end(), token()).prop_map(|(how, token)| Try::EndTurn { how, token }),
        1 => (0..40_000_u64, 0..40_000_u64)
            .prop_map(|(last_seen, not_before)| Try::Expire { last_seen, not_before }),
    ]
}

fn saying() -> impl Strategy<Value = Saying> {
    prop_oneof![
        Just(Saying::Message),
        any::<bool>().prop_map(|is_complete| Saying::Chunk { is_complete }),
        Just(Saying::Language),
    ]
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![8 => Just(Token::Running), 1 => (0..40_u64).prop_map(Token::Other)]
}

fn turn_end() -> impl Strategy<Value = TurnEnd> {
    let mode = select(vec![None, Some(HandOffMode::Client), Some(HandOffMode::Server)]);
    let hand_off = mode.prop_map(|mode| Then::HandOff {
        mode,
        reason: HandOffReason::Policy,
        destination: None,
    });
    let then = prop_oneof![6 => Just(Then::Nothing), 1 => Just(Then::End), 2 => hand_off];
    prop_oneof![
        3 => then.prop_map(|then| TurnEnd::Finished { then, bot_state: None }),
        1 => select(vec![Failure::Overloaded, Failure::Broken]).prop_map(TurnEnd::Failed),
    ]
}

/// Any event at all, also where no rule would let it happen.
pub fn event() -> impl Strategy<Value = Event> {
    let facts = Just(Event::SessionStarted { facts: facts() });
    let join = (0..9_000_u64).prop_map(|run_at| Event::JoinRequested { run_at, custom: None });
    let why = select(vec![
        TurnReason::Join,
        TurnReason::Message,
        TurnReason::HandoffFailed { reason: None },
    ]);
    let joined = why.prop_map(|why| Event::BotJoined { bot: bot(), why });
    let turn_started = (0..5_u64, 0..3_u128, 0..30_u64).prop_map(|(turn, attempt, to)| {
        let (turn, attempt) = (Turn(turn), AttemptId(attempt));
        Event::TurnStarted { turn, attempt, input_to: Position(to) }
    });
    let outcome = select(vec![
        TurnOutcome::Finished,
        TurnOutcome::Failed,
        TurnOutcome::CutShort,
        TurnOutcome::Stopped,
    ]);
    let turn_ended = (0..5_u64, outcome)
        .prop_map(|(turn, outcome)| Event::TurnEnded { turn: Turn(turn), outcome });
    let chunk = (0..3_u128, 0..4_u32, any::<bool>()).prop_map(|(message, index, is_complete)| {
        Event::BotChunkPosted {
            token: Position(1),
            message_id: MessageId(message),
            index,
            text: String::new(),
            extras: Extras::default(),
            is_complete,
        }
    });
    let reason = option::of(Just("why".to_owned()));
    prop_oneof![
        facts,
        join,
        joined,
        turn_started,
        turn_ended,
        chunk,
        reason.prop_map(|reason| Event::BotLeft { reason }),
        Just(plain_events()).prop_flat_map(select),
    ]
}

fn plain_events() -> Vec<Event> {
    let message_id = MessageId(1);
    let token = Position(1);
    vec![
        Event::UserMessagePosted { message_id, text: "hi".into(), key: None, custom: None },
        Event::BotMessagePosted {
            token,
            message_id,
            text: "hi".into(),
            extras: Extras::default(),
            call_actions: vec![],
            bot: bot(),
        },
        Event::LanguageChanged { token, language_code: "fr".into() },
        Event::HandoffTriggered,
        Event::ClientHandoffRequired { reason: HandOffReason::Policy, destination: None },
        Event::HandoffFailed { reason: None },
        Event::NoticePosted { level: Level::Error, notice: crate::Notice::HighLoad },
        Event::EndRequested { custom: None },
        Event::SessionEnded { reason: EndReason::UserEnd },
    ]
}
