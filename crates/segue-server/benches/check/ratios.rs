//! The server against a bare echo, and a delivery against an echo: each in one run of `segue load`,
//! in turn, so that what else the machine does meets both. Compared loosely: they have to hold on two
//! cores that others use too, and to break when something costs twice as much.

use std::{
    env,
    ffi::OsString,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::figures::{Good, Measured};

/// Far more than medians of runs on a busy machine differ by (a tenth, at a load of three times its
/// cores), and less than twice.
const WORSE_PERCENT_MAX: f64 = 50.0;

/// How each run is made: several pairs of a second.
const PAIRS: [&str; 7] = ["--json", "--runs", "5", "--seconds", "1", "--warm-up", "0.5"];

/// One run of `segue load`.
struct Run {
    name: &'static str,
    words: &'static [&'static str],
    ratios: &'static [Ratio],
}

/// One contender of a run in terms of another, or of itself.
struct Ratio {
    /// A column of the report.
    of: &'static str,
    one: &'static str,
    /// The column of the other one.
    to: &'static str,
    other: &'static str,
    good: Good,
    /// It may be so much worse than its figure, in per cent.
    worse_percent_max: f64,
}

/// Breaks when something waits that did not.
const RATE: Ratio = Ratio {
    of: "a second",
    one: "segue",
    to: "a second",
    other: "bare echo",
    good: Good::High,
    worse_percent_max: WORSE_PERCENT_MAX,
};
/// Breaks when something takes more of the processor.
const COST: Ratio = Ratio { of: "server µs each", to: "server µs each", good: Good::Low, ..RATE };
/// Breaks when some wait much longer than others: for a thread that is held up, behind those who came
/// later. On a busy machine it is twice the figure by itself.
const LATE: Ratio = Ratio {
    of: "p99 ms",
    to: "p50 ms",
    other: "segue",
    good: Good::Low,
    worse_percent_max: 200.0,
    ..RATE
};

const RUNS: &[Run] = &[
    Run {
        name: "echo",
        words: &["echo", "--sessions", "200", "--references", "bare-echo"],
        ratios: &[RATE, COST, LATE],
    },
    Run {
        name: "echo, depth 16",
        words: &["echo", "--sessions", "100", "--depth", "16", "--references", "bare-echo"],
        ratios: &[RATE, COST],
    },
    Run {
        name: "fanout, 10",
        words: &["fanout", "--sessions", "20", "--members", "10", "--depth", "8"],
        ratios: &[Ratio { one: "deliveries", other: "echo", ..COST }],
    },
];

/// How many ratios there are.
pub fn count() -> usize {
    RUNS.iter().map(|it| it.ratios.len()).sum()
}

/// Makes every run.
pub fn measure() -> Result<Vec<Measured>, String> {
    let mut measured = Vec::new();
    for run in RUNS {
        let report = run.load()?;
        for ratio in run.ratios {
            measured.push(Measured {
                name: format!("{}, {}", run.name, ratio.name()),
                value: ratio.median(&report)?,
                good: ratio.good,
                worse_percent_max: ratio.worse_percent_max,
            });
        }
    }
    Ok(measured)
}

impl Run {
    /// The report. Fails also where anything that was received was wrong.
    fn load(&self) -> Result<Value, String> {
        let tried = format!("segue load {}", self.words.join(" "));
        let folder = env::var_os("BENCH_FOLDER")
            .unwrap_or_else(|| OsString::from(env!("CARGO_TARGET_TMPDIR")));
        let output = Command::new(env!("CARGO_BIN_EXE_segue"))
            .arg("load")
            .args(self.words)
            .args(PAIRS)
            .arg("--folder")
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|it| format!("{tried}: {it}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{tried}: {}\n{said}", output.status));
        }
        serde_json::from_slice(&output.stdout).map_err(|it| format!("{tried}: {it}"))
    }
}

impl Ratio {
    fn name(&self) -> String {
        let other = if self.other == self.one { self.to } else { self.other };
        format!("{} to {other}", self.of)
    }

    /// Of the pairs of runs.
    fn median(&self, report: &Value) -> Result<f64, String> {
        let (one, other) =
            (column(report, self.one, self.of)?, column(report, self.other, self.to)?);
        let mut values: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
        values.sort_by(f64::total_cmp);
        let median = values.get(values.len() / 2).copied().filter(|it| it.is_normal());
        median.ok_or_else(|| format!("{} of {} is no ratio: {values:?}", self.of, self.one))
    }
}

/// The runs of a contender in one column.
fn column(report: &Value, contender: &str, of: &str) -> Result<Vec<f64>, String> {
    let measured = report["measured"].as_array().map_or(&[][..], Vec::as_slice);
    let row = measured.iter().find(|it| it["name"] == contender);
    let runs = row.and_then(|it| it[of]["runs"].as_array());
    let runs = runs.ok_or_else(|| format!("the report has no {of} of {contender}"))?;
    Ok(runs.iter().filter_map(Value::as_f64).collect())
}
