//! Everything that touches the outside: sockets, HTTP, bots, jobs, configuration.
//!
//! Read in this order: `node` (the one door to a session), `connection` (what one socket is owed),
//! `socket` and `serve` (the I/O around it), `hub`, `broker` and `lookout` (who hears of what),
//! `jobs` and `turn` (what must be done afterwards), `bot` (who answers), `wire` (what it looks like outside),
//! `http` (the hand-shake), `server` (all of it together).

pub mod address;
pub mod api_keys;
pub mod backup;
pub mod bot;
pub mod broker;
pub mod chat;
pub mod cli;
pub mod compose;
pub mod config;
pub mod connection;
pub mod connectors;
pub mod descriptors;
pub mod directory;
pub mod health;
pub mod http;
pub mod hub;
pub mod ids;
pub mod item;
pub mod jobs;
pub mod limits;
pub mod lookout;
pub mod metrics;
pub mod node;
pub mod outgoing;
pub mod overload;
pub mod private;
#[cfg(test)]
#[path = "../tests/published/mod.rs"]
mod published;
pub mod rates;
pub mod secrets;
pub mod serve;
pub mod server;
pub mod socket;
#[cfg(test)]
mod spec;
pub mod supervisor;
pub mod traces;
pub mod turn;
pub mod wire;
