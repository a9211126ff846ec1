//! A conversation with everything fixed: time, ids, texts. What is counted is the same each time.

use std::sync::Arc;

use segue_core::{
    Actor, AttemptId, BotProfile, Command, CommitBuilder, ConnectorId, Entry, EntryId, Extras,
    Facts, Floor, Json, MessageId, MessageKey, Position, Say, Session, SessionId, SessionsMax,
    Then, Timestamp, TokenId, Turn, TurnEnd, ports::Commit,
};
use segue_server::item::Item;

/// When everything happens, in milliseconds since the epoch.
pub const AT: Timestamp = 1_700_000_000_000;

/// What people write.
pub const TEXT: &str = "I ordered a lamp on Monday, and what came today is a \"chair\". It is a nice \
    chair, but I would rather have the lamp. Can you tell me how to send it back, and when?";

/// What a client sends, as the SDKs write it.
pub const MESSAGE_FRAME: &str = r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"I ordered a lamp on Monday, and what came today is a \"chair\". It is a nice chair, but I would rather have the lamp. Can you tell me how to send it back, and when?"},"metadata":{"custom":{"local_id":"local-1700000000000-k3j9x2"}}}"#;

/// What keeps a connection.
pub const HEARTBEAT_FRAME: &str = r#"{"type":"EVENT_TYPE_HEARTBEAT","payload":{}}"#;

/// Looks like a UUID v7.
pub fn id(number: u128) -> u128 {
    0x018b_cfe5_6800_7000_8000_0000_0000_0000 | number
}

/// A session and its log.
pub struct Scene {
    pub session: Session,
    pub entries: Vec<Entry>,
    ids: u128,
}

impl Scene {
    /// The bot has greeted, and has nothing to say now.
    pub fn idle() -> Self {
        let facts = Facts {
            connector: ConnectorId("shop".into()),
            token: TokenId("token".into()),
            expires_at: AT + 82_800_000,
            streaming: true,
            platform: "web".into(),
            device_type: Some("desktop".into()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0".into()),
            language: Some("en".into()),
            variant_id: None,
            integration_attributes: None,
        };
        let session = Session::new(SessionId(id(1)), Arc::new(facts));
        let mut scene = Self { session, entries: Vec::new(), ids: 1_000 };
        let sessions_max = SessionsMax::default();
        scene.execute(Actor::System, &Command::Start { expire_at: AT, sessions_max });
        let bot = BotProfile { name: "Ada".into(), avatar_url: "https://example.com/a.png".into() };
        scene.execute(Actor::User, &Command::Join { bot, retry_ms: 0, custom: None });
        let token = scene.start_turn();
        scene.execute(Actor::Bot, &chunk(token, 1));
        let then = TurnEnd::Finished { then: Then::Nothing, bot_state: None };
        scene.execute(Actor::Bot, &Command::EndTurn { token, end: then });
        assert_eq!(scene.session.state.floor, Floor::BotIdle);
        scene
    }

    /// The bot is at its answer to a message. Gives the token of its turn.
    pub fn answering() -> (Self, Position) {
        let mut scene = Self::idle();
        scene.execute(Actor::User, &scene.message());
        let token = scene.start_turn();
        (scene, token)
    }

    /// So many messages of the user more.
    pub fn with_messages(mut self, count: u64) -> Self {
        for _ in 0..count {
            let message = self.message();
            self.execute(Actor::User, &message);
        }
        self
    }

    /// The entries as connections get them.
    pub fn items(&self) -> Vec<Item> {
        self.entries.iter().map(Item::new).collect()
    }

    /// The user says something that was not said before.
    pub fn message(&self) -> Command {
        self.message_after(0)
    }

    /// The same, behind so many others that are still to be recorded.
    fn message_after(&self, others: u128) -> Command {
        let name = format!("local-1700000000000-{:06}", self.ids + others);
        Command::PostMessage {
            message_id: MessageId(id(self.ids + others + 1_000_000)),
            text: TEXT.into(),
            custom: Some(Json(format!(r#"{{"local_id":"{name}"}}"#).into())),
            key: Some(MessageKey::Local(name.into())),
        }
    }

    /// As the node does it: decides, and has a commit with everything folded in.
    pub fn plan(&self, actor: Actor, command: &Command) -> Commit {
        let mut ids = self.ids;
        let mut builder: CommitBuilder = Commit::begin(&self.session);
        let decision = builder.session().decide(AT, actor, command).expect("it is allowed");
        builder.add(AT, decision, || {
            ids += 1;
            EntryId(id(ids))
        });
        builder.finish().expect("it has events")
    }

    /// Decides and records.
    pub fn execute(&mut self, actor: Actor, command: &Command) -> Commit {
        let commit = self.plan(actor, command);
        self.ids += commit.entries.len() as u128;
        self.entries.extend_from_slice(&commit.entries);
        self.session = Session::clone(&commit.session);
        commit
    }

    /// So many messages of the user in one write.
    pub fn messages(&mut self, count: u128) -> Commit {
        let mut builder: CommitBuilder = Commit::begin(&self.session);
        let mut ids = self.ids;
        for number in 0..count {
            let message = self.message_after(number);
            let decision =
                builder.session().decide(AT, Actor::User, &message).expect("it is allowed");
            builder.add(AT, decision, || {
                ids += 1;
                EntryId(id(ids))
            });
        }
        let commit = builder.finish().expect("it has events");
        self.ids = ids;
        self.session = Session::clone(&commit.session);
        commit
    }

    fn start_turn(&mut self) -> Position {
        let input_to = self.session.state.last_input;
        let turn = self.session.state.turns.max(Turn(1));
        let (attempt, turns_max) = (AttemptId(id(2)), None);
        self.execute(Actor::Bot, &Command::StartTurn { turn, attempt, input_to, turns_max });
        self.session.state.head
    }
}

/// The bot says the first part of a message.
pub fn chunk(token: Position, number: u32) -> Command {
    let say = Say::Chunk {
        message_id: MessageId(id(3)),
        index: 1,
        text: "Of course. I am sorry about the *chair*: ".into(),
        extras: Extras::default(),
        is_complete: false,
    };
    Command::Say { token, number, say }
}
