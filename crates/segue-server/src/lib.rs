//! The program: sockets, HTTP, bots, timers and configuration around the rules of `segue-core`.

pub mod bot;
pub mod outgoing;
