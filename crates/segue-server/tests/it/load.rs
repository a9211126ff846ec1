//! `segue load` against a real server, briefly: that every scenario works, and that its checker saw
//! everything. No figure is asserted; that the checker bites is tested in `segue-load`.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Runs a scenario in a folder of its own; it has to find everything right.
fn load(words: &[&str]) -> Value {
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_segue"))
        .arg("load")
        .args(words)
        .args(["--json", "--seconds", "0.5", "--warm-up", "0", "--runs", "1"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["is_right"], true, "{words:?}: {report}");
    let left: Vec<_> = folder.path().read_dir().unwrap().flatten().map(|it| it.path()).collect();
    assert!(left.is_empty(), "{words:?} leaves {left:?}");
    report
}

/// So many operations of one contender were checked.
fn operations(report: &Value, name: &str) -> u64 {
    let measured = report["measured"].as_array().unwrap();
    let of = measured.iter().find(|it| it["name"] == name);
    of.unwrap_or_else(|| panic!("no {name} in {report}"))["operations"].as_u64().unwrap()
}

#[test]
fn echo_saturates_beside_its_limits() {
    let report = load(&["echo", "--sessions", "4", "--depth", "3"]);
    for name in [
        "segue",
        "bare echo",
        "store alone, messages",
        "plain file, synced in groups",
        "disk, 4 KiB synced",
    ] {
        assert!(operations(&report, name) > 0, "{name}: {report}");
    }
    assert!(report["ratios"]["rate, segue / bare echo"]["median"].as_f64().unwrap() > 0.0);
    assert!(report["measured"][0]["server cores"]["median"].is_number());
}

#[test]
fn echo_keeps_a_schedule() {
    let report = load(&["echo", "--sessions", "3", "--rate", "40", "--no-references"]);
    // What was on its way when the time was over does not count.
    let echoed = operations(&report, "segue");
    assert!((1..=20).contains(&echoed), "{echoed}");
}

#[test]
fn the_limits_are_measured_alone() {
    let report = load(&["limits", "--sessions", "4"]);
    assert!(operations(&report, "store alone, turns of three entries") > 0);
}

/// What makes no sense is wrong usage, and a program that does not start is a failure that says so.
#[test]
fn nonsense_is_refused() {
    for (words, code, complaint) in [
        (&["echo", "--depth", "65"][..], 2, "--depth is from 1 to 64"),
        (&["echo", "--rate", "0"][..], 2, "--rate is over 0"),
        (&["echo", "--program", "nowhere"][..], 1, "nowhere"),
    ] {
        let folder = TempDir::new().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_segue"))
            .arg("load")
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {errors}");
        assert!(errors.contains(complaint), "{words:?}: {errors}");
    }
}
