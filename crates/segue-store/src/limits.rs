//! The limits of the stores, each with its unit.

/// So many writes wait for the writer of SQLite at most; whoever comes then waits for a place.
/// Every caller has one write at a time, so the number of callers is the limit of what waits there.
pub const QUEUED_WRITES_MAX: usize = 4_096;

/// So many writes are made durable with one sync at most. More gains little, and each of them waits
/// for the last.
pub const GROUP_WRITES_MAX: usize = 1_024;

/// A group of writes that has so many bytes takes no further one, so that few large messages do not
/// hold up everybody behind them.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A group takes no further write once it has been at work for so many times as long as commits take
/// of late. With the sync of a fast disk, short groups let those who were answered go on while the
/// next are written; with a slow one, longer groups share its syncs.
pub const GROUP_COMMITS_LONG: u32 = 4;

/// The same, in milliseconds: never less …
pub const GROUP_MS_MIN: u64 = 2;

/// … and never more, however slow the disk is.
pub const GROUP_MS_MAX: u64 = 100;

/// Connections that only read. A read of a warm page takes some 100 µs; more of them only compete
/// for the processors.
pub const READERS: usize = 4;

/// Where so many logs end is read in one go. It takes some 4 ms, in which one of those connections is
/// busy; whoever asks for more waits for its turn again.
pub const HEADS_OF_ONE_READ: usize = 1_000;

/// The writer keeps so many KiB of pages in memory: what it writes over and over, and the index of
/// sessions at work. With more, SQLite takes longer for each commit that reorders pages, after which
/// it looks through all of them.
pub const WRITER_CACHE_KIB: usize = 16 * 1024;

/// Each connection that reads keeps so many KiB of pages in memory: what the index of cold sessions has in
/// common. The rest is in the memory of the system, one call away.
pub const READER_CACHE_KIB: usize = 1_024;

/// The writer remembers the key and head of so many sessions; then it forgets them all.
pub const KNOWN_SESSIONS_MAX: usize = 64 * 1024;

/// A session's state is written with every so many entries of its log, and with its end; what lies
/// between is folded by whoever loads it. To write it each time would dirty another page with every
/// append, and pages are what an append costs.
pub const STATE_EVERY_ENTRIES: u64 = 32;

/// So many bytes of entries are one row of the log, which is what a page of the database holds. An entry
/// that is longer has a row of its own.
pub const CHUNK_BYTES: usize = 4_050;

/// So many entries of a session are one row of the index of the log: four to a page.
pub const SEGMENT_ENTRIES: usize = 71;

/// The key of a row of the index has the position in so many bits, and the session above them.
pub const POSITION_BITS: u32 = 28;

/// A session has so many entries at most: what is behind them is refused. 268 million.
pub const POSITION_MAX: i64 = (1 << POSITION_BITS) - 1;

/// A database has had so many sessions at most: a further one is refused. 34 billion.
pub const SESSION_KEY_MAX: i64 = i64::MAX >> POSITION_BITS;

/// The writer remembers the keys of so many messages; then it forgets them all, and reads those of a
/// session again with its next message. Some 20 bytes each.
pub const KNOWN_KEYS_MAX: usize = 1024 * 1024;

/// A session counts for so many keys there, by itself.
pub const KNOWN_KEYS_OF_SESSION: usize = 8;

/// The index of the log is carried on by so many entries at a time, sorted by session: those of a
/// session then share a page. They are in memory meanwhile, and read again at a start.
pub const INDEX_BATCH_ENTRIES: usize = 32 * 1_024;

/// The same in bytes of events; whichever is reached first.
pub const INDEX_BATCH_BYTES: usize = 12 * 1024 * 1024;

/// Each group of writes indexes so many entries, and two for each that it appends.
pub const INDEX_STEP_ENTRIES: usize = 64;

/// With so many bytes of events that are not even begun to be indexed, a group indexes all that was
/// begun.
pub const UNINDEXED_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Prepared statements that a connection keeps: all that there are.
pub const STATEMENTS_MAX: usize = 64;

/// What was written is carried from the write-ahead log into the database so many milliseconds
/// after it was written, at most once in that time.
pub const CHECKPOINT_INTERVAL_MS: u64 = 100;

/// A write-ahead log of so many pages is begun anew by the writer, for a moment in which it writes
/// nothing else. Under steady load the log would otherwise grow for ever, because it is begun anew
/// by itself only when nothing in it is newer than the database.
pub const WAL_PAGES_MAX: i64 = 16 * 1024;

/// The file of the write-ahead log is cut to so many bytes when it is begun anew. Twice what it has
/// then, for what is written while it is carried over: to cut it and have it grow each time costs 5 %
/// of what a busy store writes.
pub const WAL_BYTES_KEPT: i64 = 2 * WAL_PAGES_MAX * 4_096;

/// Every connection waits so many milliseconds for a lock of the database. There is hardly ever one
/// to wait for.
pub const LOCK_WAIT_MS: u64 = 5_000;

/// Beginning the write-ahead log anew is given up after so many milliseconds of waiting for readers
/// and tried again later: it is the writer that waits.
pub const RESTART_WAIT_MS: u64 = 100;

/// After beginning the write-ahead log anew was given up, or emptying it of what was deleted, so
/// many milliseconds pass before it is tried again. A reader that stays, such as a backup, would
/// hold up every group otherwise.
pub const LOG_RETRY_MS: u64 = 2_000;

/// A `user_id` has so many bytes at most; sessions with a longer one cannot be found by it.
pub const USER_ID_BYTES_MAX: usize = 200;

/// Connectors whose sessions the writer has counted; beyond that it counts anew.
pub const CONNECTORS_COUNTED_MAX: usize = 10_000;
