//! The limits that the rules themselves need. All others are in the server's `limits.rs`.

/// A turn is started so many times at most; then it has failed. A turn that kills its worker must
/// not loop.
pub const TURN_STARTS_MAX: u32 = 3;

/// A failed greeting is not tried again before so many times the shortest pause have passed, by the
/// number of failures in a row: 5, 10, 20, 40, 60 s as configured (protocol, section 6). Some clients
/// ask again at wire speed.
pub const GREETING_BACKOFF: [u64; 5] = [1, 2, 4, 8, 12];

/// The level of "unable to start" is ERROR at most once in so many milliseconds per session,
/// otherwise WARNING: clients answer each ERROR with a JOIN (protocol, section 6).
pub const UNABLE_TO_START_ERROR_INTERVAL_MS: u64 = 5_000;

/// The bot's own state of a session has at most so many bytes (bots, "Outputs of a turn").
pub const BOT_STATE_BYTES_MAX: usize = 64 * 1024;

/// The sessions of a connector are counted by hours of the clock.
pub const HOUR_MS: u64 = 3_600_000;
