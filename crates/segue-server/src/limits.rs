//! Every limit of the server: its name with its unit, why it is there, and its default.
//!
//! Two kinds. `Limits` can be configured, for all connectors and again for one; `BotLimits` for all
//! bots and again for one; `ServerLimits` once, for all of the server. The constants are fixed: the protocol promises them, or nobody has needed
//! another value yet. What a client sees when one is passed is in `docs/limits.md`, which a test
//! compares with this file.

use serde::{Deserialize, Serialize};

#[macro_use]
mod configurable;

pub use configurable::Limit;

#[cfg(test)]
mod tests;

/// Longest time that can be configured: a year. Also keeps milliseconds far from overflow.
const SECONDS_MAX: u64 = 31_536_000;
/// Longest pause that can be configured.
const PAUSE_MS_MAX: u64 = 600_000;
/// Largest number per second, burst or count that can be configured.
const COUNT_MAX: u64 = 1_000_000;

/// Largest number of MiB that can be configured: about a petabyte.
const MIB_MAX: u64 = 1_000_000_000;

configurable! {
    /// The limits of a connector: those of all connectors, and what one of them has of its own.
    Limits, LimitsOverrides {
        /// A connection that sends no text frame for this long is closed with 4002.
        connection_idle_seconds = 600 in 1..=SECONDS_MAX;
        /// A connection from which nothing at all came for this long is sent a ping.
        ping_after_seconds = 40 in 1..=SECONDS_MAX;
        /// A ping that is not answered for this long closes the connection with 1001.
        ping_timeout_seconds = 40 in 1..=SECONDS_MAX;
        /// A session without a text frame from any of its connections for this long is abandoned.
        idle_seconds = 660 in 1..=SECONDS_MAX;
        /// A session in which nothing was said for this long, heartbeats or not, is abandoned.
        silence_seconds = 3_600 in 1..=SECONDS_MAX;
        /// A session older than this ends, however busy it is. Its access token has to outlive it.
        session_life_seconds = 82_800 in 1..=(ACCESS_TOKEN_SECONDS - ACCESS_TOKEN_MARGIN_SECONDS);
        /// After a start of the server, every session has at least this long to be reconnected.
        restart_grace_seconds = 120 in 0..=SECONDS_MAX;
        /// A handoff that no live agent has accepted for this long has timed out.
        queue_wait_seconds = 900 in 1..=SECONDS_MAX;
        /// A turn of the bot without any output for this long has failed.
        turn_silence_seconds = 60 in 1..=SECONDS_MAX;
        /// A turn of the bot that takes longer than this in all has failed.
        turn_seconds = 300 in 1..=SECONDS_MAX;
        /// A native session with an open handoff gets an empty message after this long without another.
        keep_alive_seconds = 240 in 1..=SECONDS_MAX;
        /// A connection is closed with 1000 this long after it was sent the end of its session.
        close_after_end_ms = 2_000 in 0..=PAUSE_MS_MAX;
        /// A session that has ended can be read for this long.
        readable_after_end_seconds = 600 in 0..=SECONDS_MAX;
        /// While a turn lasts, clients are told again this often that the bot is thinking.
        thinking_repeat_seconds = 8 in 1..=SECONDS_MAX;
        /// Between two chunks of one message pass at least this many milliseconds.
        chunk_interval_ms = 200 in 0..=PAUSE_MS_MAX;
        /// Between two batches of a replay pass at least this many milliseconds.
        replay_batch_interval_ms = 10 in 0..=PAUSE_MS_MAX;
        /// Live events follow the last batch of a replay after this many milliseconds.
        live_after_replay_ms = 50 in 0..=PAUSE_MS_MAX;
        /// A greeting that failed is not run again earlier than this after the last attempt.
        join_retry_seconds = 5 in 1..=SECONDS_MAX;
        /// A session is deleted this many days after its end; 0 keeps it for ever.
        retention_days = 90 in 0..=COUNT_MAX;
        /// Connections of one session on one node. One more is refused, or displaces a silent one.
        connections_per_session = 10 in 1..=COUNT_MAX;
        /// At the limit of connections, one that was silent for this long gives way to a new one.
        displace_after_seconds = 45 in 0..=SECONDS_MAX;
        /// A connection that accepts no bytes for this long is closed with 1013.
        slow_reader_seconds = 10 in 1..=SECONDS_MAX;
        /// A message has to be here within this from its first byte on, in however many frames. It
        /// may be noticed as much later again.
        frame_seconds = 60 in 1..=SECONDS_MAX;
        /// User messages a second in one session. 0 turns this rate off.
        messages_per_second = 5 in 0..=COUNT_MAX;
        /// User messages that one session may send at once before the rate counts.
        messages_burst = 20 in 0..=COUNT_MAX;
        /// Hand-shake requests a second from one address. 0 turns this rate off.
        handshakes_per_second = 10 in 0..=COUNT_MAX;
        /// Hand-shake requests that one address may send at once before the rate counts.
        handshakes_burst = 50 in 0..=COUNT_MAX;
        /// Hand-shake requests a second through one connector, whoever asks. 0 turns this rate off.
        connector_handshakes_per_second = 200 in 0..=COUNT_MAX;
        /// Hand-shake requests through one connector at once before the rate counts.
        connector_handshakes_burst = 1_000 in 0..=COUNT_MAX;
        /// Sockets a second that one address opens. 0 turns this rate off.
        sockets_per_second = 50 in 0..=COUNT_MAX;
        /// Sockets that one address may open at once before the rate counts: after a restart all
        /// that it had come back.
        sockets_burst = 1_000 in 0..=COUNT_MAX;
        /// Sessions of one connector that live at a time. 0 turns this limit off.
        live_sessions = 50_000 in 0..=COUNT_MAX;
        /// Sessions of one connector that are created in one hour of the clock. 0 turns this limit
        /// off.
        sessions_per_hour = 100_000 in 0..=COUNT_MAX;
        /// Turns of the bot in one session; one more ends it. 0 turns this limit off.
        turns_per_session = 200 in 0..=COUNT_MAX;
        /// Sessions that one access token may create. 0 turns this limit off.
        sessions_per_token = 20 in 0..=COUNT_MAX;
    }
}

configurable! {
    /// The limits of a bot on one node: those of all bots, and what one of them has of its own.
    BotLimits, BotLimitsOverrides {
        /// Turns at which a bot is at once. Others wait.
        turns_at_once = 256 in 1..=COUNT_MAX;
        /// Turns that wait for a bot. One more, and somebody is told of high load.
        turns_waiting = 1_000 in 0..=COUNT_MAX;
    }
}

configurable! {
    /// The limits of the whole server, which no connector can have of its own.
    ServerLimits, ServerLimitsOverrides {
        /// TCP connections of one address at a time; behind a trusted proxy, sockets. 0 turns this
        /// limit off.
        connections_per_address = 1_000 in 0..=COUNT_MAX;
        /// A request's headers have to be here within this; so long a connection may also wait with
        /// its next request.
        headers_seconds = 20 in 1..=SECONDS_MAX;
        /// A request's body has to be here within this.
        request_body_seconds = 20 in 1..=SECONDS_MAX;
        /// A connection that takes nothing of its answer for this long is gone.
        response_seconds = 30 in 1..=SECONDS_MAX;
        /// While an append has waited for longer than this, new sessions are refused. 0 turns this
        /// off.
        overload_append_ms = 1_000 in 0..=PAUSE_MS_MAX;
        /// With less room than this on the disk of the data folder, the server is not ready. 0 turns
        /// this limit off.
        disk_free_mib_min = 256 in 0..=MIB_MAX;
        /// Requests to the admin API without a valid key a second from one address. 0 turns this rate
        /// off.
        admin_failures_per_second = 1 in 0..=COUNT_MAX;
        /// Such requests that one address may send at once before the rate counts.
        admin_failures_burst = 20 in 1..=COUNT_MAX;
    }
}

macro_rules! fixed {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $type = $value;)+

        /// Name and value of every constant, for the comparison with the documentation.
        #[cfg(test)]
        fn fixed() -> Vec<(&'static str, String)> {
            vec![$((stringify!($name), format!("{:?}", $name)),)+]
        }
    };
}

fixed! {
    // The hand-shake over HTTP (protocol, section 1).

    /// A longer correlation id of a request is replaced by a fresh one.
    CORRELATION_ID_BYTES_MAX: usize = 128;
    /// Largest `Retry-After` of a 429; clients wait no longer whatever it says.
    RETRY_AFTER_SECONDS_MAX: u64 = 30;
    /// How long a browser may remember the answer to a preflight.
    PREFLIGHT_MAX_AGE_SECONDS: u64 = 600;
    /// Body of a hand-shake request: the attributes, and room for the small fields beside them.
    REQUEST_BODY_BYTES_MAX: usize = 32 * 1024;
    /// Longest `X-Host` or `Origin` that is looked at; it may be a whole URL.
    HOST_BYTES_MAX: usize = 2_048;
    /// A shorter connector token is warned of: it can be guessed, or tried out.
    CONNECTOR_TOKEN_BYTES_ADVISED: usize = 16;
    /// Longest connector token, so that no header has to be compared at any length.
    CONNECTOR_TOKEN_BYTES_MAX: usize = 512;
    /// Longest id of a connector or of a bot: connectors' are part of every access token.
    CONFIG_ID_BYTES_MAX: usize = 64;
    /// Sessions of revoked connectors, and those kept for long enough, are looked for this often.
    HOUSEKEEPING_SECONDS: u64 = 60;
    /// Sessions in one read of the housekeeping, and deleted in one go.
    HOUSEKEEPING_BATCH: usize = 500;
    /// Longest secret that is sealed for the configuration.
    SEALED_SECRET_BYTES_MAX: usize = 4 * 1024;
    /// So much of the manifest of a backup is read; it has some 200 bytes for each of its files.
    MANIFEST_BYTES_MAX: u64 = 64 * 1024;
    /// Connectors, those of the configuration and those made at run time.
    CONNECTORS_MAX: usize = 10_000;
    /// Tokens of one connector that are good at the same time.
    CONNECTOR_TOKENS_MAX: usize = 8;
    /// Life of an access token: `expires_in`.
    ACCESS_TOKEN_SECONDS: u64 = 86_400;
    /// A session ends at the latest this long before its access token expires.
    ACCESS_TOKEN_MARGIN_SECONDS: u64 = 900;
    /// A key that has signed access tokens for so long is replaced by a new one.
    SIGNING_KEY_DAYS: u64 = 30;
    /// How often the age of that key is looked at.
    SIGNING_KEY_LOOK_SECONDS: u64 = 3_600;
    /// Longest access token that is verified at all.
    ACCESS_TOKEN_BYTES_MAX: usize = 4 * 1024;
    /// `integration_attributes` of a session, as JSON.
    ATTRIBUTES_BYTES_MAX: usize = 8 * 1024;
    /// Levels of objects and arrays in `integration_attributes`, itself included: bots read them,
    /// and many parsers give up at 128 levels.
    ATTRIBUTES_DEPTH_MAX: usize = 64;
    /// Whoever is refused for overload is told to come back after this.
    OVERLOAD_RETRY_AFTER_MS: u64 = 5_000;
    /// New sessions are refused when more of the connections that there may be are open.
    OVERLOAD_CONNECTIONS_PERCENT: usize = 90;
    /// Fewer descriptors than this are worth a warning at the start.
    DESCRIPTORS_WANTED: u64 = 16_384;
    /// Descriptors that are kept from connections, for the store and the process itself …
    DESCRIPTORS_KEPT: u64 = 64;
    /// … and this share of all, as a divisor, for connections to bots.
    DESCRIPTORS_KEPT_SHARE: u64 = 8;
    /// So many connections there may be even where there are hardly any descriptors.
    CONNECTIONS_MIN: u64 = 16;
    /// `User-Agent` as kept with a session; the rest is cut off.
    USER_AGENT_BYTES_MAX: usize = 512;
    /// `device_type` as kept with a session; the rest is cut off.
    DEVICE_TYPE_BYTES_MAX: usize = 200;
    /// `language` of a session (BCP 47).
    LANGUAGE_BYTES_MAX: usize = 64;
    /// `variant_id` of a session.
    VARIANT_ID_BYTES_MAX: usize = 200;
    /// Rates of addresses that are told apart; further addresses share one.
    HANDSHAKE_ADDRESSES_MAX: usize = 100_000;
    /// When there are that many, those of which nothing is left to know are looked for this often.
    HANDSHAKE_ADDRESSES_PURGE_MS: u64 = 1_000;
    /// Addresses and networks in `trusted_proxies`; each is looked at for every request.
    TRUSTED_PROXIES_MAX: usize = 100;
    /// A request's headers at most; also the buffer of a connection.
    HEADERS_BYTES_MAX: usize = 16 * 1024;
    /// A TLS hand-shake has to be over within this; a request's headers have their own time.
    TLS_HANDSHAKE_SECONDS_MAX: u64 = 10;
    /// A cursor beyond it counts as this: beyond every log.
    CURSOR_MAX: u64 = 2_147_483_647;

    // Administration (admin.md).

    /// Keys of the admin API that are valid at a time.
    API_KEYS_MAX: usize = 1_000;
    /// A node believes for so long what it has read of the keys: another one may have revoked one.
    API_KEYS_FRESH_MS: u64 = 1_000;
    /// Name of a key.
    API_KEY_NAME_BYTES_MAX: usize = 200;
    /// Addresses without a valid key that are told apart; further ones share one rate.
    ADMIN_ADDRESSES_MAX: usize = 10_000;
    /// Sessions or entries in one answer, where the request names no number …
    ADMIN_PAGE: usize = 50;
    /// … and the largest number that it may name. A user's sessions are deleted so many at a time.
    ADMIN_PAGE_MAX: usize = 500;
    /// Where the session at which a page ended is gone, the next page goes back by so much, so that
    /// nothing is left out.
    ADMIN_CURSOR_SLACK_MS: u64 = 1_000;
    /// Where a session was deleted, connections that have not heard of its end are closed so much
    /// later than those that have.
    ADMIN_DISPLACE_AFTER_MS: u64 = 5_000;
    /// Both tokens of a connector are good for so long after a rotation that names no time.
    ADMIN_OVERLAP_SECONDS: u64 = 86_400;
    /// The longest that it may name.
    ADMIN_OVERLAP_SECONDS_MAX: u64 = 31_536_000;
    /// The log of a session that is exported in one piece, as stored.
    ADMIN_EXPORT_BYTES_MAX: usize = 32 * 1024 * 1024;

    // What a client may send (protocol, sections 3 and 4).

    /// A longer frame closes the socket with 1009.
    FRAME_BYTES_MAX: usize = 1024 * 1024;
    /// Text of a user message, in UTF-8: also the announced `max_message_size_bytes`.
    MESSAGE_TEXT_BYTES_MAX: usize = 131_072;
    /// `metadata.custom` as the client wrote it.
    CUSTOM_BYTES_MAX: usize = 4 * 1024;
    /// A longer `local_id` or `client_event_id` is no key.
    KEY_BYTES_MAX: usize = 200;
    /// Levels of objects and arrays in `metadata.custom`, itself included: it is repeated inside
    /// batches, and many parsers give up at 128 levels.
    CUSTOM_DEPTH_MAX: usize = 64;
    /// Typing and heartbeats a second in one session.
    LIVENESS_PER_SECOND: u64 = 5;
    /// Typing and heartbeats that one session may send at once before the rate counts.
    LIVENESS_BURST: u64 = 20;
    /// Whatever is neither that nor a user message, a second, in one session.
    REQUESTS_PER_SECOND: u64 = 2;
    /// The same at once before the rate counts.
    REQUESTS_BURST: u64 = 10;
    /// Commands of one connection that wait to be decided; reading from its socket stops there.
    COMMANDS_QUEUED_MAX: usize = 64;
    /// The same in bytes of text; one message may go over it.
    COMMANDS_QUEUED_BYTES_MAX: usize = 256 * 1024;
    /// Frames of one connection that are decided together, if they are there at the same time.
    FRAMES_TOGETHER_MAX: usize = 32;
    /// No further one is taken to them when they have so many bytes.
    FRAMES_TOGETHER_BYTES: usize = 64 * 1024;
    /// An error that makes clients ask for the agent again is an ERROR once in this long, per
    /// session; otherwise a WARNING.
    LOUD_ERROR_INTERVAL_SECONDS: u64 = 5;
    /// When the store does not answer, the client is told to come back after this.
    UNAVAILABLE_RETRY_AFTER_MS: u64 = 1_000;

    // What the server sends (protocol, sections 2, 3 and 5).

    /// Announced `heartbeat_interval_seconds`.
    HEARTBEAT_INTERVAL_SECONDS: u64 = 30;
    /// Announced `max_reconnect_attempts`: clients with a small one give up in a short outage.
    RECONNECT_ATTEMPTS_MAX: u64 = 1_000;
    /// Longest frame that is sent, the echo of a user's message excepted.
    SENT_FRAME_BYTES_MAX: usize = 131_072;
    /// What of it is kept for the envelope, the bot's name and its picture.
    SENT_FRAME_RESERVE_BYTES: usize = 8 * 1024;
    /// Events of one batch.
    BATCH_EVENTS_MAX: usize = 100;
    /// A batch, unless it is one echo that is larger by itself.
    BATCH_BYTES_MAX: usize = 131_072;
    /// A batch is closed once it has this size: buffers of sockets never shrink again.
    BATCH_BYTES_AIM: usize = 16 * 1024;
    /// A connection that is further behind is caught up in batches instead of single events.
    BEHIND_EVENTS_MAX: usize = 20;
    /// The first batch of a native session waits this long: those clients attach late.
    NATIVE_FIRST_BATCH_DELAY_MS: u64 = 30;
    /// Answers that wait for the first batch of a connection, which is its first frame.
    EARLY_FRAMES_MAX: usize = 64;
    /// Pushes that wait for one connection. One more, and it reads the log instead.
    PUSHES_QUEUED_MAX: usize = 64;
    /// Entries that one read of a log returns.
    PAGE_ENTRIES_MAX: usize = 200;
    /// Bytes that one read of a log returns; the first entry is returned whatever its size.
    PAGE_BYTES_MAX: usize = 256 * 1024;
    /// Read buffer of a socket, which it keeps while it is idle: a message of a few sentences.
    SOCKET_BUFFER_BYTES: usize = 1024;
    /// Bytes that one read of a socket takes, into a buffer of the thread; beyond that another read follows.
    SOCKET_READ_BYTES: usize = 16 * 1024;
    /// With so many bytes that wait for a socket, the next frame waits until they are written.
    SOCKET_WRITE_BYTES: usize = 64 * 1024;
    /// Bytes of pongs, pings and closes that wait for a socket. Beyond that a pong is the answer to several pings.
    CONTROL_WRITE_BYTES_MAX: usize = 4 * 1024;
    /// All that one connection holds, at worst: see the test that adds it up.
    CONNECTION_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Entries that a connection holds before they are sent; those behind them it reads later.
    QUEUED_ITEMS_MAX: usize = 256;
    /// Room for so many is kept while none is held.
    QUEUED_ITEMS_KEPT: usize = 8;
    /// The same in bytes; one entry may go over it.
    QUEUED_BYTES_MAX: usize = 512 * 1024;
    /// The first batch of a session may hold so many events however large they are: clients that
    /// see the bot's arrival in it do not ask for the bot again.
    BATCH_HEAD_EVENTS: usize = 3;
    /// An entry is taken to be with its connections so long after it was decided. What is not in the
    /// log is stamped so much before the clock.
    ENTRY_ON_ITS_WAY_MS: u64 = 250;
    /// A node looks this often where the logs of its connections end: the newest push may have been lost.
    LOOK_INTERVAL_MS: u64 = 30_000;
    /// A connection looks by itself while the bot is at work, …
    LOOK_INTERVAL_AT_WORK_MS: u64 = 2_000;
    /// … and after a command of its own.
    LOOK_AFTER_COMMAND_MS: u64 = 1_000;
    /// Pause before a read that failed is tried again; it doubles four times.
    READ_RETRY_MS: u64 = 250;
    /// A client has so long to answer a close.
    CLOSE_ANSWER_MS: u64 = 2_000;
    /// The same when the server stops: the next process waits for the end of this one.
    STOP_CLOSE_ANSWER_MS: u64 = 200;
    /// What a client sends after it was closed is read for so long …
    LINGER_MS: u64 = 2_000;
    /// … and so much of it.
    LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

    // The agent's turn (protocol, section 6).

    /// Pauses before a failed greeting is silently tried again.
    GREETING_RETRIES_MS: [u64; 2] = [1_000, 3_000];
    /// An unclosed span of bold or code blocks a cut for at most this many bytes.
    CUT_BLOCKED_BYTES_MAX: usize = 1_024;
    /// A paragraph for a native session is cut between sentences only if it is longer than this.
    NATIVE_PARAGRAPH_CHARS_MAX: usize = 200;

    // Readiness.

    /// The store has so long to answer to whoever asks whether the server is ready.
    READY_STORE_MS_MAX: u64 = 5_000;
    /// A clock that is further behind the time at which a node was last alive is not to be used.
    CLOCK_BEHIND_MS_MAX: u64 = 60_000;

    // Metrics (metrics.md).

    /// Where the buckets of times end, in seconds.
    METRICS_SECONDS_BUCKETS: [f64; 19] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
        5.0, 10.0, 30.0, 60.0, 300.0,
    ];
    /// Where the buckets of writes that share a commit end.
    METRICS_WRITES_BUCKETS: [f64; 11] =
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    /// The store has so long to answer a scrape; then its figures are absent.
    METRICS_STORE_MS_MAX: u64 = 2_000;
    /// Connections that one address may have to the listener of metrics.
    METRICS_CONNECTIONS_PER_ADDRESS: u64 = 32;
    /// States of sessions that a scrape looks up at once, so that nobody waits for it.
    METRICS_LOOKUPS_MAX: usize = 256;

    // Traces (traces.md).

    /// Spans that wait for their delivery; one more is lost. About a KiB each.
    TRACES_QUEUED_SPANS_MAX: usize = 8_192;
    /// Spans that are delivered in one request.
    TRACES_BATCH_SPANS_MAX: usize = 512;
    /// What waits is delivered this often; a whole batch at once.
    TRACES_INTERVAL_MS: u64 = 1_000;
    /// A collector has so long to take a batch.
    TRACES_ANSWER_MS_MAX: u64 = 5_000;
    /// What is read of its answer.
    TRACES_ANSWER_BYTES_MAX: usize = 64 * 1024;
    /// So often a batch is sent before it is lost.
    TRACES_TRIES_MAX: u32 = 3;
    /// Pause before a batch is sent again.
    TRACES_RETRY_MS: u64 = 1_000;
    /// At the end of the process, what waits has so long to be delivered.
    TRACES_STOP_MS_MAX: u64 = 2_000;
    /// While spans are lost, the log says so this often.
    TRACES_TOLD_SECONDS: u64 = 60;

    // Bots (bots.md).

    /// Text of one turn.
    TURN_TEXT_BYTES_MAX: usize = 256 * 1024;
    /// Outputs of one turn other than text.
    TURN_OUTPUTS_MAX: usize = 200;
    /// `input` of one turn; what is over is the next turn's.
    INPUT_BYTES_MAX: usize = 1024 * 1024;
    /// Messages in the `history` of a turn.
    HISTORY_MESSAGES_MAX: usize = 200;
    /// Bytes of the `history` of a turn.
    HISTORY_BYTES_MAX: usize = 256 * 1024;
    /// Entries that are read for the history of a turn.
    HISTORY_ENTRIES_MAX: u64 = 1_000;
    /// One line of a bot's event stream.
    BOT_LINE_BYTES_MAX: usize = 128 * 1024;
    /// A bot's answer in one piece of JSON: the text of a turn with every character escaped, and
    /// room for the other outputs.
    BOT_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
    /// An overloaded bot is asked once more where its `Retry-After` is not over this.
    BOT_RETRY_AFTER_SECONDS_MAX: u64 = 5;
    /// Establishing the connection to a bot.
    BOT_CONNECT_SECONDS_MAX: u64 = 10;
    /// A connection to a bot that nobody uses is kept this long. Servers close theirs after two
    /// seconds or more, and a turn that is asked just then would be lost.
    BOT_IDLE_CONNECTION_MS_MAX: u64 = 1_000;
    /// A bot's name, which stands in every message of it.
    BOT_NAME_BYTES_MAX: usize = 200;
    /// The URL of a bot's picture, which stands in every message of it.
    AVATAR_URL_BYTES_MAX: usize = 2_000;
    /// A bot's configured greeting.
    GREETING_BYTES_MAX: usize = 8 * 1024;
    /// Topics in the folder of a knowledge bot.
    TOPICS_MAX: usize = 1_000;
    /// One topic, as a file.
    TOPIC_BYTES_MAX: u64 = 64 * 1024;
    /// `examples` of one topic.
    TOPIC_EXAMPLES_MAX: usize = 100;
    /// Folders of topics are looked at this often. A change is taken up when two looks have seen
    /// the same, so within twice this.
    TOPICS_LOOK_MS: u64 = 500;
    /// A folder in which something changes between any two looks is taken up after so many as it
    /// is.
    TOPICS_RESTLESS_LOOKS_MAX: u32 = 10;
    /// Pause between two pieces of a streamed answer of the knowledge bot.
    KNOWLEDGE_PIECE_MS: u64 = 40;
    /// Suggestions of one topic, and attachments: a reply joins up to three topics and stays well
    /// under `TURN_OUTPUTS_MAX`.
    TOPIC_EXTRAS_MAX: usize = 20;

    // Work that outlives a connection, and the end of the process (protocol, section 8).

    /// A job belongs to its node for this long. Three missed renewals and another one takes over;
    /// shorter, and a pause of the process runs turns twice.
    JOB_LEASE_MS: u64 = 10_000;
    /// A node renews the leases of its living jobs this often.
    JOB_RENEW_MS: u64 = 3_000;
    /// A node writes down this often who was last heard when.
    LIVENESS_WRITE_SECONDS: u64 = 60;
    /// Downtimes are remembered longer than any session lives.
    DOWNTIME_KEPT_MS: u64 = 48 * 3_600_000;
    /// Turns that a node holds, at work or waiting for their bot; others wait in the store.
    TURNS_HELD_MAX: usize = 16_384;
    /// Turns that are taken at once.
    TURNS_BATCH_MAX: usize = 256;
    /// Timers that are taken at once.
    TIMERS_BATCH_MAX: usize = 256;
    /// A node looks so often for timers that are due.
    TIMERS_INTERVAL_MS: u64 = 1_000;
    /// A node looks so often for work that it was not told of.
    JOBS_POLL_MS: u64 = 1_000;
    /// A timer that could not be looked after is due again after this.
    TIMER_RETRY_MS: u64 = 5_000;
    /// A turn that could not be started is tried again after this.
    TURN_RETRY_MS: u64 = 1_000;
    /// So often a worker tries to start a turn while the store is away.
    TURN_START_TRIES_MAX: u32 = 5;
    /// A command that meets so many conflicts is told to come again: two people rarely write at
    /// once, a dozen never do.
    CONFLICTS_MAX: usize = 16;
    /// Pause before an append of a turn is tried again; it doubles up to `STORE_RETRY_MS_MAX`.
    STORE_RETRY_MS: u64 = 50;
    /// The longest of those pauses.
    STORE_RETRY_MS_MAX: u64 = 2_000;
    /// States of sessions that a node keeps in memory.
    SESSIONS_CACHED_MAX: usize = 10_000;
    /// At the end of the process, open sockets are closed with 1001 spread over this long.
    GOING_AWAY_SPREAD_MS: u64 = 1_000;
    /// At the end of the process, running turns get this long; otherwise they go on after a start.
    SHUTDOWN_TURNS_SECONDS_MAX: u64 = 5;
    /// While the server stops, connections without a request are answered for so long.
    STOP_ANSWER_MS: u64 = 1_500;
    /// While the server stops, sockets have so long to say goodbye.
    STOP_SOCKETS_SECONDS: u64 = 3;
    /// Connections that the kernel has accepted and the server has not. Linux has `somaxconn` as a limit
    /// of its own, and whoever finds no room tries again a second later, then three.
    LISTEN_BACKLOG: u32 = 4_096;
    /// Sessions that this node does not know and that are opened for a socket at the same time.
    RESUMES_AT_ONCE_MAX: usize = 64;
    /// Pause after a connection could not be accepted.
    ACCEPT_RETRY_MS: u64 = 100;
    /// The files of the certificate and its key are looked at this often.
    TLS_RELOAD_INTERVAL_MS: u64 = 1_000;
    /// What is read of each of them: a chain is a few KiB.
    TLS_FILE_BYTES_MAX: u64 = 1024 * 1024;
    /// Tasks outside a worker's own queue are looked after every so many of its own.
    GLOBAL_QUEUE_INTERVAL: u32 = 3;
    /// Sessions that the command line reads at once.
    LIST_PAGE: usize = 500;
    /// Longest cell of a table that a command prints, in characters.
    CELL_CHARS_MAX: usize = 60;

    // What is read of a text.

    /// A language code that a bot gives (BCP 47 recommends room for so many).
    LANGUAGE_CODE_CHARS_MAX: usize = 35;
    /// Of a burst of messages, the knowledge bot looks at the newest, and of many questions at the
    /// first.
    KNOWLEDGE_MESSAGES_MAX: usize = 20;
    /// Of a long text, the knowledge bot looks at the first words; what people ask stands there.
    KNOWLEDGE_QUESTION_WORDS_MAX: usize = 200;
    /// Longer than any word: what is, the knowledge bot looks at no further than this.
    KNOWLEDGE_WORD_LETTERS_MAX: usize = 40;
    /// A misspelt name in the configuration is compared up to here: the work grows with its length.
    COMPARED_CHARS_MAX: usize = 100;

    // `segue chat`, which is a client.

    /// So many messages wait for their echo; then no more is read from the person.
    CHAT_OUTBOX_MESSAGES_MAX: usize = 64;
    /// The first batch comes at once (protocol, section 2); a socket without it is dead.
    CHAT_FIRST_FRAME_MS_MAX: u64 = 10_000;
    /// The bot is asked for again so long after the server said that there is none. Sooner, clients
    /// and server would send each other errors at wire speed.
    CHAT_JOIN_AGAIN_MS: u64 = 5_000;
    /// What the server says about when to send again is believed from here on …
    CHAT_RETRY_AFTER_MS_MIN: u64 = 100;
    /// … up to here.
    CHAT_RETRY_AFTER_MS_MAX: u64 = 30_000;
    /// A server that wants more heartbeats than one in this time does not get them.
    CHAT_HEARTBEAT_MS_MIN: u64 = 1_000;
    /// One line of standard input: more than any server takes as one message.
    CHAT_LINE_BYTES_MAX: usize = 256 * 1024;
    /// Lines of standard input that are read ahead.
    CHAT_LINES_AHEAD_MAX: usize = 16;
    /// The bot's thinking is repeated every 8 s (protocol, section 5); unrepeated, it is over.
    CHAT_THINKING_MS: u64 = 10_000;
    /// A sign that somebody is at work is shown so long, unless it is repeated.
    CHAT_BUSY_MS: u64 = 10_000;
    /// An answer that nobody announces is waited for so long: bots may stay silent on purpose.
    CHAT_UNANNOUNCED_ANSWER_MS: u64 = 20_000;
    /// So long after the last sign of an answer, nothing more belongs to it: a turn may have several
    /// messages, and the next turn may be about to begin.
    CHAT_SETTLED_AFTER_MS: u64 = 1_500;
    /// Answers are waited for so long after the last line: longer than any turn lasts.
    CHAT_ANSWERS_MS_MAX: u64 = 330_000;
    /// The server closes the socket two seconds after the end of a session; then we do.
    CHAT_CLOSE_AFTER_END_MS_MAX: u64 = 5_000;
    /// Without anything else to wait for, it looks again after so long.
    CHAT_WAKE_MS_MAX: u64 = 60_000;
    /// So much of a message is repeated where it has to be recognised.
    CHAT_EXCERPT_CHARS_MAX: usize = 40;
    /// Suggestions that can be picked by number: what has two digits is still typed at ease.
    CHAT_SUGGESTIONS_MAX: usize = 99;
    /// One answer of the hand-shake.
    CHAT_HANDSHAKE_MS_MAX: u64 = 15_000;
    /// One answer of the hand-shake; they are small.
    CHAT_HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
    /// Name resolution, TCP, TLS and the upgrade together.
    CHAT_OPEN_MS_MAX: u64 = 15_000;
    /// A socket that does not take a frame for so long is lost.
    CHAT_SEND_MS_MAX: u64 = 10_000;
    /// A goodbye is waited for so long.
    CHAT_CLOSE_MS_MAX: u64 = 2_000;
    /// Larger than any frame of the server: the echo of the longest message, with all of it escaped.
    CHAT_FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
    /// The pause before the first attempt to come back; it doubles with each that fails …
    CHAT_RECONNECT_MS: u64 = 500;
    /// … up to this.
    CHAT_RECONNECT_MS_MAX: u64 = 10_000;
}
