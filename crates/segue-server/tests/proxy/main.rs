//! What networks do to connections, and what happens to them when the server goes: in raw bytes,
//! through a proxy that cuts, holds, splits and swallows.
//!
//! No test waits for a time to pass: each waits for what it wants to see, up to a deadline at which
//! it fails.

#[path = "../real/client.rs"]
mod client;
#[path = "../real/configuration.rs"]
mod configuration;
#[expect(dead_code, reason = "the crash test needs more of it")]
#[path = "../real/dice.rs"]
mod dice;
#[path = "../real/program.rs"]
mod program;
#[path = "../real/raw.rs"]
mod raw;

#[expect(dead_code, reason = "the tests of TLS itself need more of it")]
#[path = "../real/tls.rs"]
mod tls;

mod command;
mod proxy;
mod shop;

mod activation;
mod backup;
mod closes;
mod cut;
mod folder;
mod handshake_fuzz;
mod in_front;
mod overload;
mod pieces;
mod sealed;
mod silence;
mod stop;
mod units;
