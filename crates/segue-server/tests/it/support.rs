//! What the tests speak to the server with.

use std::time::Duration;

mod admin;
mod bot;
mod collector;
mod hold;
mod http;
mod logs;
mod setup;
mod shown;
mod store;
mod talk;
#[path = "../real/tls.rs"]
mod tls;

pub use admin::Admin;
pub use bot::{Asked, Bot};
pub use collector::{Answering, Collector, attribute, attributes, events, hex, is_error};
pub use hold::Hold;
pub use http::{Answer, Request};
pub use logs::Logs;
pub use setup::{Running, SHOP_HOST, SHOP_TOKEN, Session, Setup};
pub use shown::{brief, events_of, is_time, shown};
pub use store::Switch;
pub use talk::{Talk, user_message};
pub use tls::{Client, Identity};

/// How long a test waits for what it wants to see. Long, because machines are slow at times; a test
/// that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that has to happen.
///
/// `what` says on failure what was waited for.
pub async fn within<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    let Ok(it) = tokio::time::timeout(PATIENCE, awaited).await else {
        panic!("waited {} s in vain for {what}", PATIENCE.as_secs())
    };
    it
}
