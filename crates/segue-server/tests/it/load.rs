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
        .args(["--json", "--warm-up", "0", "--runs", "1"])
        .args(words)
        .args(if words.contains(&"--seconds") { &[][..] } else { &["--seconds", "0.5"] })
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
    let report = load(&["echo", "--sessions", "3", "--rate", "40", "--references", "none"]);
    // What was on its way when the time was over does not count.
    let echoed = operations(&report, "segue");
    assert!((1..=20).contains(&echoed), "{echoed}");
}

#[test]
fn echo_goes_on_in_long_sessions_of_a_full_store() {
    let stored = ["--history", "40", "--stored-sessions", "5", "--stored-entries", "10"];
    let report =
        load(&[&["echo", "--sessions", "2", "--references", "none"][..], &stored].concat());
    assert!(operations(&report, "segue") > 0);
    assert_eq!(report["settings"]["stored sessions"], "5");
}

#[test]
fn turns_are_answered_as_the_bot_gave_them() {
    // A turn takes 1.75 s: this is the one scenario that cannot be short.
    let report = load(&["turns", "--sessions", "2", "--rate", "0.6", "--seconds", "4"]);
    assert!(operations(&report, "turns") > 0);
    let added = &report["figures"]["message due to first chunk, p50, ms"]["median"];
    assert!(added.as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn idle_connections_are_weighed() {
    let words = ["idle", "--sessions", "10", "--history", "7", "--heartbeat", "0.1"];
    let report = load(&words);
    assert!(operations(&report, "heartbeats") > 0);
    assert!(report["figures"]["server before, resident KiB"]["median"].as_f64().unwrap() > 1_000.0);
    assert!(report["figures"]["given back, % of resident"]["median"].is_number());
    assert!(operations(&report, "bare echo, as many a second") > 0);
}

#[test]
fn fanout_reaches_every_connection() {
    let report = load(&["fanout", "--sessions", "2", "--members", "3", "--depth", "2"]);
    assert!(operations(&report, "deliveries") > 0 && operations(&report, "echo") > 0);
}

#[test]
fn clients_survive_a_server_that_is_killed_or_restarted() {
    for more in [&[][..], &["--planned"]] {
        let report = load(&[&["storm", "--sessions", "5", "--rate", "50"][..], more].concat());
        assert_eq!(operations(&report, "caught up"), 5, "{report}");
        assert!(operations(&report, "without a socket") >= 5, "{report}");
    }
}

#[test]
fn cold_sessions_are_read_whole() {
    let report = load(&["replay", "--sessions", "4"]);
    for (name, count) in [("50", 4), ("500", 2), ("5000", 2)] {
        assert_eq!(operations(&report, &format!("resume of {name}")), count, "{report}");
        assert_eq!(operations(&report, &format!("store alone, read of {name}")), count);
    }
}

#[test]
fn newcomers_are_let_in() {
    let report = load(&["create", "--sessions", "2"]);
    assert!(operations(&report, "hand-shakes") > 0 && operations(&report, "bare upgrade") > 0);
}

#[test]
fn some_of_everything_goes_on_at_once() {
    let report = load(&["mixed", "--sessions", "10", "--rate", "20", "--seconds", "4"]);
    for name in ["echo", "turns", "hand-shakes"] {
        assert!(operations(&report, name) > 0, "{name}: {report}");
    }
}

#[test]
fn a_full_store_and_an_empty_one_are_compared() {
    let stored = ["--stored-sessions", "5", "--stored-entries", "10"];
    let report = load(&[&["growth", "--sessions", "2"][..], &stored].concat());
    for name in ["full store", "empty store"] {
        assert!(operations(&report, name) > 0, "{name}: {report}");
        let started = format!("{name}, from the start until it listened, ms");
        assert!(report["figures"][started]["median"].as_f64().unwrap() > 0.0, "{report}");
    }
    assert!(report["ratios"]["rate, full store / empty store"]["median"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_limits_are_measured_alone() {
    let report = load(&["limits", "--sessions", "4"]);
    assert!(operations(&report, "store alone, turns of three entries") > 0);
}

#[test]
fn a_bare_echo_is_enough_for_a_ratio() {
    let report = load(&["echo", "--sessions", "2", "--references", "bare-echo"]);
    let names: Vec<&Value> =
        report["measured"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["segue", "bare echo"]);
    assert!(report["ratios"]["rate, segue / bare echo"]["median"].as_f64().unwrap() > 0.0);
}

/// What makes no sense is wrong usage, and a program that does not start is a failure that says so.
#[test]
fn nonsense_is_refused() {
    for (words, code, complaint) in [
        (&["echo", "--depth", "65"][..], 2, "--depth is from 1 to 64"),
        (&["echo", "--rate", "0"][..], 2, "--rate is over 0"),
        (&["limits", "--references", "none"][..], 2, "limits are all references"),
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

/// Whether it waits or keeps a schedule.
#[test]
fn who_is_asked_to_stop_stops_and_leaves_nothing() {
    for (pace, signal) in [(&["--depth", "2"], "-TERM"), (&["--rate", "500"], "-INT")] {
        let words = [&["echo", "--sessions", "2", "--references", "none"][..], pace].concat();
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_segue"))
            .args(["load", "--seconds", "600", "--warm-up", "0"])
            .args(&words)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It is at it: the server writes again and again.
        let written_at = || {
            let folders = folder.path().read_dir().unwrap().flatten();
            folders
                .filter_map(|it| {
                    it.path().join("data/segue.db-wal").metadata().ok()?.modified().ok()
                })
                .max()
        };
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 50 {
            seen.extend(written_at());
            assert!(child.try_wait().unwrap().is_none(), "{words:?}: it has ended");
            std::thread::yield_now();
        }
        let asked = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {errors}");
        assert!(errors.contains("nothing is reported of a run that is not over"), "{errors}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "{words:?}");
    }
}
