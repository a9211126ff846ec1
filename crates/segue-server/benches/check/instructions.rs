//! How many instructions one operation of a part takes. The part runs under valgrind as often as
//! `TIMES` and twice as often; what the second run takes more is `TIMES` operations and nothing else.
//! Neither other processes nor the speed of the machine change it.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    figures::{Good, Measured},
    parts::{ALL, Part, TIMES_MAX},
};

const TIMES: u64 = TIMES_MAX / 2;

/// The C library copies and compares with what every x86-64 has, not with the best that this one has:
/// some parts would differ by a twelfth.
const PLAIN: &str = "glibc.cpu.hwcaps=-AVX2,-ERMS,-AVX_Fast_Unaligned_Load";

/// Counts all parts, on all cores.
pub fn measure() -> Result<Vec<Measured>, String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut counted = Vec::new();
        while let Some((i, part)) = take(&next) {
            counted.push((i, measure_part(part)?));
        }
        Ok::<_, String>(counted)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut counted = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().expect("counting does not panic")?);
        }
        Ok::<_, String>(all)
    })?;
    counted.sort_by_key(|(i, _)| *i);
    Ok(counted.into_iter().map(|(_, measured)| measured).collect())
}

fn take(next: &AtomicUsize) -> Option<(usize, &'static Part)> {
    let i = next.fetch_add(1, Ordering::Relaxed);
    ALL.get(i).map(|part| (i, part))
}

#[expect(clippy::cast_precision_loss, reason = "nothing here takes 2^53 instructions")]
fn measure_part(part: &Part) -> Result<Measured, String> {
    let (once, twice) = (count(part, TIMES)?, count(part, 2 * TIMES)?);
    Ok(Measured {
        name: format!("instructions, {}", part.name),
        value: twice.saturating_sub(once) as f64 / TIMES as f64,
        good: Good::Low,
        worse_percent_max: part.worse_percent_max,
    })
}

/// The instructions of the whole program, doing a part so many times.
fn count(part: &Part, times: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|it| it.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args([part.name, &times.to_string()])
        // The size of the environment moves the stack, and with it a few instructions.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|it| ("PATH", it)))
        .env("GLIBC_TUNABLES", PLAIN)
        .output()
        .map_err(|it| format!("valgrind, which counts, cannot be run ({it}): install it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match said.lines().find_map(instructions) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("{} under valgrind: {}\n{said}", part.name, output.status)),
    }
}

/// Of a line like `==17== I   refs:      2,345,678`.
fn instructions(line: &str) -> Option<u64> {
    let (name, count) = line.rsplit_once("== ")?.1.split_once("refs:")?;
    (name.trim() == "I").then(|| count.trim().replace(',', "").parse().ok())?
}
