//! Bots.

pub mod history;
pub mod http;
pub mod knowledge;
pub mod knowledge_bot;
