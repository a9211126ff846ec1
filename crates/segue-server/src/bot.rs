//! What answers the user. A bot is asked for a turn and gives outputs; it never sees the log, and
//! what becomes of its outputs is decided elsewhere.

pub mod history;
pub mod http;
pub mod knowledge;
pub mod knowledge_bot;
pub mod topics;
