//! Where the domain meets the wire, in both directions: entries become frames, client frames become
//! typed input, and every text that a client may read is chosen here.
//!
//! Visibility is enforced here: what its reader may not see has no frame. Everything is pure; ids and
//! times are arguments.

mod client;
mod envelope;
mod error;
mod event;
mod kind;
#[cfg(test)]
pub(crate) mod messages;
mod payload;
mod time;
mod transient;
mod url;

pub use client::{Ask, ClientFrame, TypingState, Undecodable, decode};
pub use envelope::{BATCH_OVERHEAD_BYTES, batch, batch_bytes};
pub(crate) use error::ErrorBody;
pub use error::{HttpError, Refusal, notice_code, notice_message};
pub use event::event;
pub use time::{parse_timestamp, timestamp};
pub use transient::{Transient, transient};
pub(crate) use url::encode as encode_url;

#[cfg(test)]
mod tests;
