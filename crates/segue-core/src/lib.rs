//! The rules of the product: who may say what in a session, and what follows from it.
//!
//! Everything here is a value or a pure function. There is no clock, no randomness, no runtime and
//! no I/O: time, ids and stored rows come in as arguments, decisions go out as values.

mod entry;
mod id;
pub mod limits;
mod output;
pub mod ports;
mod session;

pub use entry::{
    BotProfile, EndReason, Entry, Event, Facts, Json, Level, MessageKey, Notice, TurnOutcome,
    TurnReason,
};
pub use id::{
    AttemptId, ConnectorId, EntryId, MessageId, NodeId, NotAnId, Position, Sequence, SessionId,
    Timestamp, TokenId, Turn,
};
pub use output::{
    Attachment, CallAction, ContentType, Extras, HandOff, HandOffMode, HandOffReason, Output,
    Suggestion,
};
pub use session::{
    Actor, Command, CommitBuilder, Decision, Expire, Failure, Floor, Greeting, OpenStream,
    Rejected, Revoked, Running, Say, Session, SessionsMax, State, Then, TurnEnd,
};
