//! What processes use, from `/proc`: processor time, memory, bytes written.

use std::{fs, thread};

use anyhow::Context as _;

/// A tick of `/proc`: user space has seen 100 a second on every Linux.
const TICK_SECONDS: f64 = 0.01;

/// Processor seconds used up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cpu {
    /// By the generator.
    pub own: f64,
    /// By the server; zero where its process is not known.
    pub server: f64,
    /// By everybody on the machine, and what the machine's host took.
    pub all: f64,
}

impl Cpu {
    /// Up to now.
    pub fn now(server: Option<u32>) -> anyhow::Result<Self> {
        let server = match server {
            Some(id) => of_process(&id.to_string())?,
            None => 0.0,
        };
        Ok(Self { own: of_process("self")?, server, all: of_machine()? })
    }

    /// What was used since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            own: self.own - before.own,
            server: self.server - before.server,
            all: self.all - before.all,
        }
    }

    /// By neither the generator nor the server.
    pub fn others(self) -> f64 {
        (self.all - self.own - self.server).max(0.0)
    }
}

fn of_process(name: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{name}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name may have spaces; it ends with the last parenthesis. utime and stime follow.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    Ok(seconds(fields))
}

/// Everything but idle and waiting.
fn of_machine() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user nice system idle iowait irq softirq steal; guests are counted in user.
    Ok(seconds(fields.enumerate().filter(|it| !matches!(it.0, 3 | 4 | 8..)).map(|it| it.1)))
}

fn seconds<'a>(ticks: impl Iterator<Item = &'a str>) -> f64 {
    ticks.map(|it| it.parse::<f64>().unwrap_or(0.0)).sum::<f64>() * TICK_SECONDS
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Memory {
    /// Resident, shared pages and pages of files included.
    pub resident: f64,
    /// Resident and not of a file: what it allocated.
    pub anonymous: f64,
}

impl Memory {
    /// Of this process now.
    pub fn of(id: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{id}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|it| it.strip_prefix(name));
            let kib = line.and_then(|it| it.trim().strip_suffix("kB")).map(str::trim);
            kib.and_then(|it| it.parse::<f64>().ok()).map_or(0.0, |it| it * 1024.0)
        };
        Ok(Self { resident: field("Rss:"), anonymous: field("Anonymous:") })
    }
}

/// The machine, in a line.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|it| it.strip_prefix("model name")).unwrap_or("unknown");
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|it| it.strip_prefix("MemTotal:")).unwrap_or("0 kB");
    let kib: u64 = kib.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    format!(
        "{} × {}, {} GiB, Linux {}",
        cores(),
        model.trim_start_matches(['\t', ':', ' ']),
        kib >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

/// Processors that we may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Raises the limit of open descriptors to what is allowed. Children inherit it.
pub fn raise_descriptors() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of descriptors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_processor_and_memory() {
        let before = Cpu::now(Some(std::process::id())).unwrap();
        let mut sum = 0_u64;
        let cpu = loop {
            sum = (0..1_000_000).fold(sum, |sum: u64, it| sum.wrapping_mul(31).wrapping_add(it));
            let cpu = Cpu::now(Some(std::process::id())).unwrap().since(before);
            if cpu.own > 0.05 {
                break cpu;
            }
        };
        assert!((cpu.own - cpu.server).abs() <= 0.05, "{cpu:?} {sum}");
        assert!(cpu.all >= cpu.own - 0.05, "{cpu:?}");
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.resident >= memory.anonymous && memory.anonymous > 100_000.0, "{memory:?}");
        assert!(machine().contains("GiB, Linux "), "{}", machine());
        raise_descriptors().unwrap();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
