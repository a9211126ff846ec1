//! Black box tests: the real server on a real port, spoken to in raw HTTP and raw JSON.
//!
//! Every rule of `docs/protocol.md` that does not need a virtual clock has a test here, named in a
//! line `/// Covers 1.3, 1.4.` above it; `rules.rs` checks that. No test waits for a time to pass:
//! each waits for what it wants to see, up to a deadline at which it fails.

mod bare;
mod killed;
mod pick;
#[path = "../published/mod.rs"]
mod published;
#[path = "../published/routes.rs"]
mod routes;
mod scenes;
mod support;
mod wire;

mod access_token;
mod admin;
mod connect;
mod create_session;
mod ending;
mod envelope;
mod events;
mod limits_addresses;
mod limits_overload;
mod limits_sessions;
mod limits_turns;
mod load;
mod load_lies;
mod long_messages;
mod metrics;
mod readiness;
mod requests;
mod rules;
mod secrets;
mod section_4;
mod section_4_once;
mod section_4_refusals;
mod section_6;
mod section_6_chunks;
mod section_6_failures;
mod section_7;
mod section_8;
mod section_8_close;
mod section_9;
mod smoke;
mod tls;
mod topics;
mod traces;
mod upgrade;
