//! The limits that are part of the contract with clients. All others are settings.

/// Bytes of UTF-8 in the text of a user's message, bytes of any other frame, in either direction, and
/// what `SESSION_START` announces (protocol, sections 2, 4 and 5). Only the frame with a user's
/// message, or with its echo, may be larger.
pub const MESSAGE_BYTES_MAX: usize = 131_072;

/// Events in one batch (protocol, section 2). Mobile clients keep 256 events; what does not fit there
/// is lost to them.
pub const BATCH_EVENTS_MAX: usize = 100;

/// Bytes of `metadata.custom`, as sent (protocol, section 3).
pub const CUSTOM_BYTES_MAX: usize = 4_096;

/// Levels of objects and arrays in `metadata.custom`, itself included. It is repeated inside a batch,
/// six levels down, and many parsers give up at 128 levels: one message nested too deep would make
/// the whole replay unreadable to them.
pub const CUSTOM_DEPTH_MAX: usize = 64;

/// Bytes of `local_id` and `client_event_id` (protocol, section 4). Longer ones are no keys.
pub const MESSAGE_KEY_BYTES_MAX: usize = 200;

/// What `SESSION_START` announces as the budget of reconnects. For some clients a short outage is the
/// end once a small budget is used up (protocol, section 10).
pub const RECONNECT_ATTEMPTS_MAX: u32 = 1_000;

/// How often `SESSION_START` asks for a heartbeat, in seconds.
pub const HEARTBEAT_INTERVAL_SECONDS: u32 = 30;

/// The largest `Retry-After`, in seconds (protocol, section 1).
pub const RETRY_AFTER_SECONDS_MAX: u64 = 30;
