//! What answers the user. A bot is configured, not compiled in; all kinds give the same outputs.

pub mod knowledge;
