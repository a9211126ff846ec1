//! What holds of a session whatever anybody tries, in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    arbitrary::{Saying, Token, Try, event, tries},
    *,
};
use crate::limits::TURN_STARTS_MAX;

proptest! {
    #[test]
    fn rules_hold_whatever_is_tried(tries in tries()) {
        let mut world = World::new();
        for (now, one) in &tries {
            world.attempt(*now, one);
        }
        world.stage.assert_consistent();
    }

    /// The log decides; folding it cannot fail, not even where no rule would have written it.
    #[test]
    fn any_events_in_any_order_can_be_folded(events in prop::collection::vec(event(), 0..50)) {
        let mut session = Session::new(SessionId(1), facts());
        let mut log = session.place(0, vec![Event::SessionStarted { facts: facts() }], || EntryId(1));
        session.apply(&log[0]);
        for (i, event) in events.into_iter().enumerate() {
            let placed = session.place(i as u64 * 100, vec![event], || EntryId(1));
            session.apply(&placed[0]);
            // The rules can be asked about any state, too.
            for command in [Command::End { custom: None }, Command::StopTurn, expire("")] {
                let _ = session.decide(9, Actor::User, &command);
                let _ = session.decide(9, Actor::System, &command);
            }
            log.extend(placed);
        }
        prop_assert_eq!(Session::fold(SessionId(1), &log), Some(session));
    }
}

/// A session with everything about it that is watched from outside.
struct World {
    stage: Stage,
    /// Jobs that were ever added, by turn, with their time.
    jobs: BTreeMap<Turn, Timestamp>,
    watch: Watch,
}

/// What a reader of the log knows, folded on its own.
#[derive(Default)]
struct Watch {
    open: Option<(MessageId, u32)>,
    token: Option<Position>,
    turn: Turn,
    starts: u32,
    has_joined: bool,
    is_over: bool,
}

impl World {
    fn new() -> Self {
        Self { stage: Stage::new(), jobs: BTreeMap::new(), watch: Watch::default() }
    }

    fn attempt(&mut self, now: Timestamp, one: &Try) {
        let Some((actor, command)) = command(&self.stage.session, one) else { return };
        let Ok(decision) = self.stage.session.decide(now, actor, &command) else { return };
        let mut builder = Commit::begin(&self.stage.session);
        builder.add(now, decision, || EntryId(1));
        let commit = builder.finish().expect("what is not rejected has events");
        for entry in commit.entries.iter() {
            self.stage.session.apply(entry);
            self.watch.read(entry);
        }
        assert_eq!(self.stage.session, *commit.session);
        self.stage.log.extend(commit.entries.iter().cloned());
        self.check_jobs(&commit);
    }

    /// A turn that is due has a job, its own and at its time, and never had another.
    fn check_jobs(&mut self, commit: &Commit) {
        let before = self.jobs.len();
        for NewJob { job, run_at } in &commit.jobs {
            let Job::RunBot { turn } = job else { panic!("only a start sets a timer") };
            assert_eq!(self.jobs.insert(*turn, *run_at), None, "two jobs for turn {}", turn.0);
        }
        let is_new = self.jobs.len() > before;
        match &self.stage.session.state.floor {
            Floor::BotDue { turn, run_at, .. } => {
                assert_eq!(self.jobs.get(turn), Some(run_at), "turn {} is due", turn.0);
            }
            Floor::BotRunning(running) => assert!(self.jobs.contains_key(&running.turn)),
            _ => assert!(!is_new, "a job without a turn that is due"),
        }
    }
}

fn command(session: &Session, one: &Try) -> Option<(Actor, Command)> {
    let running = session.running();
    let token = |it: &Token| match it {
        Token::Running => running.map_or(Position(0), |it| it.token),
        Token::Other(position) => Position(*position),
    };
    Some(match one {
        Try::Join => (Actor::User, Command::Join { bot: bot(), retry_ms: 5_000, custom: None }),
        Try::Post => {
            let text = "hi".into();
            let message_id = MessageId(0);
            (Actor::User, Command::PostMessage { message_id, text, key: None, custom: None })
        }
        Try::End => (Actor::User, Command::End { custom: None }),
        Try::Stop => (Actor::User, Command::StopTurn),
        Try::Start { turn_off, worker, input_to } => {
            let turn = Turn(session.state.turns.0.saturating_add_signed(*turn_off));
            let input_to = Position(*input_to);
            let attempt = AttemptId(*worker);
            // So few that some sessions of these tests use them up.
            let turns_max = Some(12);
            (Actor::Bot, Command::StartTurn { turn, attempt, input_to, turns_max })
        }
        Try::Say { what, token: by, is_repeat } => {
            let token = token(by);
            let newest = running.map_or(0, |it| it.outputs_taken);
            let number = newest + u32::from(!is_repeat);
            let say = say(running.and_then(|it| it.open_stream), *what)?;
            (Actor::Bot, Command::Say { token, number, say })
        }
        Try::EndTurn { how, token: by } => {
            (Actor::Bot, Command::EndTurn { token: token(by), end: how.clone() })
        }
        Try::Expire { last_seen, not_before } => {
            let Command::Expire(clocks) = expire("") else { return None };
            let idle_ms = 9_000;
            let (last_seen, not_before) = (*last_seen, *not_before);
            let clocks = Expire { last_seen, not_before, idle_ms, ..clocks };
            (Actor::System, Command::Expire(clocks))
        }
    })
}

/// What the composer would make of it: it closes a stream before it begins another message.
fn say(open: Option<OpenStream>, what: Saying) -> Option<Say> {
    match what {
        Saying::Language => Some(Say::Language("fr".into())),
        Saying::Message => open.is_none().then(|| Say::Message {
            message_id: MessageId(0),
            text: "hi".into(),
            extras: Extras::default(),
            call_actions: vec![],
        }),
        Saying::Chunk { is_complete } => Some(Say::Chunk {
            message_id: open.map_or(MessageId(1), |it| it.message_id),
            index: open.map_or(1, |it| it.index + 1),
            text: "hi".into(),
            extras: Extras::default(),
            is_complete,
        }),
    }
}

impl Watch {
    fn read(&mut self, entry: &Entry) {
        let event = &entry.event;
        assert!(!self.is_over || !event.is_visible(), "{event:?} after the end");
        match event {
            Event::BotJoined { .. } => {
                assert!(!self.has_joined, "the bot joins twice");
                self.has_joined = true;
            }
            Event::BotLeft { .. } => {
                self.expect_quiet(event);
                self.has_joined = false;
                self.token = None;
            }
            Event::TurnStarted { turn, .. } => self.start(*turn, entry.position),
            Event::TurnEnded { turn, .. } => {
                self.expect_quiet(event);
                assert!(*turn >= self.turn, "an old turn ends");
                self.token = None;
                self.turn = *turn;
            }
            Event::BotMessagePosted { token, .. } => {
                self.expect_quiet(event);
                self.expect_floor(*token);
            }
            Event::LanguageChanged { token, .. } => self.expect_floor(*token),
            Event::BotChunkPosted { token, message_id, index, is_complete, .. } => {
                self.expect_floor(*token);
                let (open, newest) = self.open.unwrap_or((*message_id, 0));
                assert_eq!((open, newest + 1), (*message_id, *index), "a chunk out of place");
                self.open = (!is_complete).then_some((*message_id, *index));
            }
            Event::UserMessagePosted { .. } => {
                assert!(self.turn > Turn(0) || self.has_joined, "a message before the first JOIN");
            }
            // A stream is closed before anybody but the user says anything else.
            Event::JoinRequested { .. } => {}
            Event::SessionEnded { .. } => {
                self.expect_quiet(event);
                self.is_over = true;
            }
            _ => self.expect_quiet(event),
        }
    }

    fn start(&mut self, turn: Turn, token: Position) {
        assert!(self.has_joined, "a turn without the bot");
        assert!(self.open.is_none(), "a second worker inherits a stream");
        if self.token.is_some() {
            assert_eq!(turn, self.turn, "turns overlap");
        } else {
            assert!(turn > self.turn, "a turn that is over starts again");
            self.starts = 0;
        }
        self.starts += 1;
        assert!(self.starts <= TURN_STARTS_MAX, "a poison turn loops");
        (self.turn, self.token) = (turn, Some(token));
    }

    fn expect_floor(&self, token: Position) {
        assert_eq!(self.token, Some(token), "somebody speaks without the floor");
    }

    fn expect_quiet(&self, event: &Event) {
        assert!(self.open.is_none(), "{event:?} within a stream");
    }
}
