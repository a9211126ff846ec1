//! Makes `docs/api/openapi.json` and `docs/api/asyncapi.json` of the types that go over the wire.
//!
//! Only tests run this: the program serves the files. `UPDATE=1 cargo test -p segue-server --lib spec`
//! writes them; without `UPDATE` the same test fails where they are stale. Whoever adds a route adds
//! an `Operation` beside it, whoever adds an event a `Message` in `wire/messages.rs`
//! (CONTRIBUTING.md says how).

pub(crate) mod asyncapi;
pub(crate) mod message;
pub(crate) mod openapi;
pub(crate) mod operation;
pub(crate) mod schemas;
pub(crate) mod text;

mod tests;

/// The licence, as both documents name it.
fn license() -> serde_json::Value {
    serde_json::json!({"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")})
}
