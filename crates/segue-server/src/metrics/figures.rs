//! Gauges of what is read when somebody asks.

use prometheus_client::metrics::{family::Family, gauge::Gauge};
use segue_core::{
    Floor, Timestamp,
    ports::{Due, Figures},
};

use super::{By, Names};
use crate::health::{CHECKS, Unmet};

/// What is read when somebody asks. A figure that cannot be read is absent, not old.
#[derive(Debug)]
pub struct FigureGauges {
    sessions: Family<By<&'static str>, Gauge>,
    stored: Family<By<&'static str>, Gauge>,
    jobs_due: Family<By<&'static str>, Gauge>,
    job_lag_seconds: Family<By<&'static str>, Gauge<f64, std::sync::atomic::AtomicU64>>,
    cached: Gauge,
    queued_writes: Gauge,
    file_bytes: Family<By<&'static str>, Gauge>,
    free_bytes: Gauge,
    ready: Family<By<&'static str>, Gauge>,
}

/// The floors by which sessions are counted: `unknown` are those whose state is not at hand.
const FLOORS: [&str; 7] =
    ["unasked", "bot_idle", "bot_due", "bot_running", "client", "ended", "unknown"];

impl FigureGauges {
    pub(super) fn register(it: &mut Names<'_>) -> Self {
        Self {
            sessions: it.add("sessions", "Sessions with a connection on this node, by floor"),
            stored: it.add("store_sessions", "Sessions in the store that have not ended"),
            jobs_due: it.add("jobs_due", "Jobs that are due and that nobody has taken"),
            job_lag_seconds: it.add(
                "job_lag_seconds",
                "How long the job is due that nobody has taken for the longest time",
            ),
            cached: it.add("session_cache_sessions", "States of sessions in the cache"),
            queued_writes: it.add("store_queued_writes", "Writes that wait for the store"),
            file_bytes: it.add("store_file_bytes", "Size of the files of the store"),
            free_bytes: it.add("store_free_bytes", "Room on the disk of the data folder"),
            ready: it.add("ready", "Whether a promise can be kept, by what is checked"),
        }
    }

    /// Of the sessions that are connected here.
    pub(super) fn set_sessions(&self, floors: &[Option<&'static str>]) {
        for name in FLOORS {
            let count = floors.iter().filter(|it| it.unwrap_or("unknown") == name).count();
            self.sessions.get_or_create(&[("floor", name)]).set(gauge(count as u64));
        }
    }

    /// Of the node and its store.
    pub(super) fn set_local(&self, cached: usize, queued_writes: usize) {
        self.cached.set(gauge(cached as u64));
        self.queued_writes.set(gauge(queued_writes as u64));
    }

    /// Of the store's files, where it has any.
    pub(super) fn set_files(&self, bytes: Option<(u64, u64)>) {
        let Some((database, log)) = bytes else { return self.file_bytes.clear() };
        self.file_bytes.get_or_create(&[("file", "database")]).set(gauge(database));
        self.file_bytes.get_or_create(&[("file", "write_ahead_log")]).set(gauge(log));
    }

    /// Of the disk; without a data folder it is zero.
    pub(super) fn set_free(&self, bytes: Option<u64>) {
        self.free_bytes.set(gauge(bytes.unwrap_or(0)));
    }

    /// Of what is checked.
    pub(super) fn set_ready(&self, unmet: &[Unmet]) {
        for check in CHECKS {
            let is_met = unmet.iter().all(|it| it.check != check);
            self.ready.get_or_create(&[("check", check)]).set(i64::from(is_met));
        }
    }

    /// Of the store; `None` where it does not answer.
    pub(super) fn set_store(&self, now: Timestamp, figures: Option<&Figures>) {
        let Some(figures) = figures else {
            self.stored.clear();
            self.jobs_due.clear();
            return self.job_lag_seconds.clear();
        };
        self.stored.get_or_create(&[("state", "live")]).set(gauge(figures.sessions_live));
        for (kind, due) in [("turns", figures.turns), ("timers", figures.timers)] {
            self.jobs_due.get_or_create(&[("kind", kind)]).set(gauge(due.jobs));
            self.job_lag_seconds.get_or_create(&[("kind", kind)]).set(lag_seconds(now, due));
        }
    }
}

fn lag_seconds(now: Timestamp, due: Due) -> f64 {
    let lag_ms = due.since.map_or(0, |since| now.saturating_sub(since));
    std::time::Duration::from_millis(lag_ms).as_secs_f64()
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A floor as a label has it.
pub fn floor_label(floor: &Floor) -> &'static str {
    match floor {
        Floor::Unasked => "unasked",
        Floor::BotIdle => "bot_idle",
        Floor::BotDue { .. } => "bot_due",
        Floor::BotRunning(_) => "bot_running",
        Floor::Nobody => "client",
        Floor::Ended { .. } => "ended",
    }
}
