//! What administrators ask of a store: to find sessions, to delete them, and to keep documents.

use std::{collections::BTreeSet, fmt};

use crate::{ConnectorId, Session, SessionId, Timestamp};

/// The connectors whose sessions somebody may see. Every read on behalf of an administrator names
/// one, and the store applies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// All there are and ever were.
    All,
    /// These.
    Only(BTreeSet<ConnectorId>),
    /// All others.
    Except(BTreeSet<ConnectorId>),
}

impl Visible {
    /// Whether the sessions of this connector may be seen.
    pub fn includes(&self, connector: &ConnectorId) -> bool {
        match self {
            Self::All => true,
            Self::Only(those) => those.contains(connector),
            Self::Except(those) => !those.contains(connector),
        }
    }
}

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It goes on.
    Live,
    /// It has ended.
    Ended,
}

/// In which order sessions come. Both are orders of creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were created.
    #[default]
    OldestFirst,
    /// The newest at the top.
    NewestFirst,
}

/// Which sessions are asked for. Every condition has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionQuery {
    /// Of these connectors.
    pub connectors: Visible,
    /// Only those that go on, or only those that have ended.
    pub liveness: Option<Liveness>,
    /// Created then or later.
    pub created_from: Option<Timestamp>,
    /// Created before.
    pub created_before: Option<Timestamp>,
    /// Ended before.
    pub ended_before: Option<Timestamp>,
    /// Of this user.
    pub user_id: Option<String>,
    /// In this order.
    pub order: Order,
    /// Those behind this one in that order. Behind a session that is unknown, there is nothing.
    pub after: Option<SessionId>,
    /// At most so many.
    pub limit: usize,
}

impl SessionQuery {
    /// The first sessions of all.
    pub fn first(limit: usize) -> Self {
        Self {
            connectors: Visible::All,
            liveness: None,
            created_from: None,
            created_before: None,
            ended_before: None,
            user_id: None,
            order: Order::OldestFirst,
            after: None,
            limit,
        }
    }
}

/// A session as a list shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The folded state.
    pub session: Session,
    /// When its first entry was recorded.
    pub created_at: Timestamp,
    /// When a frame of the user was last known to have come.
    pub last_seen: Timestamp,
    /// Whose it is, where its integration said so: `user_id` of its `integration_attributes`.
    pub user_id: Option<String>,
}

/// SHA-256 over the entries of a log in order of position: of each the id (16 bytes, big-endian), the
/// position and the time (8 bytes each, big-endian), the length of its event's JSON (8 bytes,
/// big-endian) and that JSON, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogDigest(pub [u8; 32]);

impl fmt::Display for LogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is left of a session that was deleted: proof that it was, and of what. Holds nothing that
/// was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Which session.
    pub session: SessionId,
    /// Of which connector.
    pub connector: ConnectorId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Who asked for it, for example the name of a key.
    pub by: String,
    /// How many entries it had.
    pub entries: u64,
    /// Of its whole log, so that a copy made before can be recognised.
    pub digest: LogDigest,
}

/// What kind of document a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A connector that was created at run time.
    Connector,
    /// A key of the admin API.
    ApiKey,
}

/// A document that administrators change. The store knows nothing of what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: RecordKind,
    /// Its name among those of its kind.
    pub id: String,
    /// 1 for the first version, and one more with each change.
    pub revision: u64,
    /// JSON.
    pub body: String,
}

/// What became of a record that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is durable.
    Written,
    /// Somebody was first: the stored revision is not the one before. Nothing was written.
    Conflict,
}
