//! What the process takes of the machine, under the names that every exporter has for it. Where
//! there is no `/proc`, these are absent.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use segue_core::Timestamp;

/// Gauges of the process.
#[derive(Debug, Default)]
pub struct ProcessGauges {
    start_time_seconds: Gauge<f64, AtomicU64>,
    cpu_seconds: Counter<f64, AtomicU64>,
    resident_memory_bytes: Gauge,
    threads: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
}

impl ProcessGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let it = Self::default();
        let start = it.start_time_seconds.clone();
        registry.register("start_time_seconds", "Start of the process, since the epoch", start);
        if std::fs::exists("/proc/self/stat").unwrap_or(false) {
            let cpu = it.cpu_seconds.clone();
            registry.register("cpu_seconds", "Processor time of the process", cpu);
            let resident = it.resident_memory_bytes.clone();
            registry.register("resident_memory_bytes", "Memory of the process", resident);
            registry.register("threads", "Threads of the process", it.threads.clone());
            registry.register("open_fds", "Descriptors that are open", it.open_fds.clone());
            registry.register("max_fds", "Descriptors that may be open", it.max_fds.clone());
        }
        it
    }

    /// The server started then.
    pub fn set_start(&self, at: Timestamp) {
        self.start_time_seconds.set(std::time::Duration::from_millis(at).as_secs_f64());
    }

    /// Reads what the process takes now.
    pub fn refresh(&self) {
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            if let Some(kib) = status_field(&status, "VmRSS:") {
                self.resident_memory_bytes.set(kib * 1_024);
            }
            if let Some(threads) = status_field(&status, "Threads:") {
                self.threads.set(threads);
            }
        }
        let ticks_a_second = rustix::param::clock_ticks_per_second();
        if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
            && let Some(ticks) = cpu_ticks(&stat)
        {
            #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
            let seconds = ticks as f64 / ticks_a_second as f64;
            self.cpu_seconds.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
        if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
            let count = i64::try_from(descriptors.count()).unwrap_or(i64::MAX);
            self.open_fds.set(count);
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        if let Some(max) = limit.current.and_then(|it| i64::try_from(it).ok()) {
            self.max_fds.set(max);
        }
    }
}

/// The number behind a name in `/proc/self/status`.
fn status_field(status: &str, name: &str) -> Option<i64> {
    let line = status.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Ticks in user and in kernel mode: the 14th and 15th field, counted behind the program's name,
/// which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, kernel) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + kernel.parse::<u64>().ok()?)
}
