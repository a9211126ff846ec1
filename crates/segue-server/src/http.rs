//! What the server answers over HTTP, and what it needs to know before it answers.

pub mod hosts;
pub mod jwt;
