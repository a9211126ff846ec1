//! The limits of the load generator, each with its unit. `docs/limits.md` has a row for each, which
//! a test compares with this file.

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
    /// Messages in flight on one connection: a server reads no further than its own queue, and two
    /// ends that both wait to write would wait for ever.
    LOAD_DEPTH_MAX: usize = 64;
    /// Requests that are due on one connection and have not left. One more, and the generator could
    /// not keep its schedule: the run fails.
    LOAD_DUE_QUEUED_MAX: usize = 4_096;
    /// After a run, what is in flight has so long to come back; then it is lost.
    LOAD_DRAIN_SECONDS_MAX: u64 = 10;
    /// Sessions that are made ready at once before a run.
    LOAD_SETUP_AT_ONCE_MAX: usize = 64;
    /// A hand-shake, an upgrade or a first batch has to come within this.
    LOAD_ANSWER_SECONDS_MAX: u64 = 60;
    /// A program that is started has to listen within this.
    LOAD_START_SECONDS_MAX: u64 = 60;
    /// A program that is asked to stop is killed after this.
    LOAD_STOP_SECONDS_MAX: u64 = 20;
    /// Sessions that are filled at once.
    LOAD_FILL_AT_ONCE_MAX: usize = 256;
    /// Entries of one commit while a session is filled.
    LOAD_FILL_ENTRIES_MAX: usize = 500;
    /// Memory that is given back after connections have gone has so long to be.
    LOAD_GIVE_BACK_SECONDS_MAX: u64 = 90;
    /// Pause before a user who lost the server tries again; a random one would be no better, as
    /// each begins at a moment of its own.
    LOAD_RECONNECT_MS: u64 = 100;
    /// A user who lost the server gives up after this: the run fails.
    LOAD_RECONNECT_SECONDS_MAX: u64 = 120;
    /// Pause between two new conversations while a storm lasts.
    LOAD_PROBE_MS: u64 = 100;
    /// Faults that are printed in full; all are counted.
    LOAD_FAULTS_SHOWN_MAX: usize = 10;
    /// Sequences that were passed over and are remembered, to tell an event that comes late from
    /// one that comes twice.
    LOAD_MISSING_KEPT_MAX: usize = 10_000;
    /// Longest latency that is told apart from longer ones.
    LOAD_LATENCY_SECONDS_MAX: u64 = 600;
    /// Loopback addresses that connections are made from; each has some 28,000 ports.
    LOAD_SOURCES_MAX: usize = 200;
    /// Read and write buffer of a socket at the generator, and of the bare echo.
    LOAD_SOCKET_BUFFER_BYTES: usize = 4 * 1024;
    /// Body of an answer to a hand-shake.
    LOAD_ANSWER_BYTES_MAX: usize = 64 * 1024;
    /// Lines of a server's log that are shown when it ends by itself.
    LOAD_LOG_LINES_SHOWN: usize = 10;
    /// The bare echo's runtime looks after tasks outside a worker's own queue so often, as the
    /// server's does.
    LOAD_GLOBAL_QUEUE_INTERVAL: u32 = 3;
    /// Connections that wait on the listening socket that is held while the server restarts, as
    /// deploy/systemd has it.
    LOAD_LISTEN_BACKLOG: u32 = 4_096;
    /// Size of one write of the reference for the disk.
    LOAD_DISK_WRITE_BYTES: usize = 4 * 1024;
    /// Size of the file that the reference for the disk writes over and over.
    LOAD_DISK_FILE_BYTES: usize = 16 * 1024 * 1024;
}

#[cfg(test)]
mod tests {
    use super::fixed;

    const PAGE: &str = include_str!("../../../docs/limits.md");

    #[test]
    fn every_limit_is_documented_with_its_value_and_nothing_else_is() {
        let mut known: Vec<(String, String)> = fixed()
            .into_iter()
            .map(|(name, value)| (format!("`{}`", name.to_lowercase()), value))
            .collect();
        let mut documented: Vec<(String, String)> = PAGE
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>())
            .filter(|cells| cells[3].starts_with("segue-load "))
            .map(|cells| (cells[0].to_owned(), cells[1].trim_matches('`').to_owned()))
            .collect();
        known.sort();
        documented.sort();
        assert_eq!(documented, known);
    }
}
