//! What a report says.

use super::*;
use crate::{check::Fault, sample::Latencies, usage::Cpu};

fn row(name: &str, operations: &[u64]) -> Row {
    let sample = |operations: &u64| {
        let latencies = Latencies::default();
        latencies.note_us(1_500);
        Sample::new(*operations, 2.0, latencies.take(), Cpu { own: 1.0, server: 0.0, all: 2.0 })
    };
    Row { name: name.to_owned(), samples: operations.iter().map(sample).collect() }
}

fn report() -> Report {
    let mut report = Report::new("echo", &Faults::default());
    report.setting("sessions", 3);
    report.rows = vec![row("segue", &[100, 300, 200]), row("bare echo", &[200, 400, 800])];
    report.compare("rate", Sample::rate);
    report.figure("resident KiB", [12.0]);
    report
}

#[test]
fn ratios_are_of_pairs() {
    let report = report();
    assert_eq!(report.ratios.len(), 1);
    assert_eq!(report.ratios[0].values, [0.5, 0.75, 0.25]);
    let json = report.json();
    assert_eq!(json["ratios"]["rate, segue / bare echo"]["median"], 0.5);
    assert_eq!(json["measured"][0]["a second"]["median"], 100.0);
    assert_eq!(json["measured"][0]["operations"], 600);
    assert_eq!((&json["is_right"], &json["settings"]["sessions"]), (&true.into(), &"3".into()));
}

#[test]
fn the_table_is_markdown_and_leaves_out_what_was_not_measured() {
    let text = report().to_string();
    assert!(text.contains("| segue     |      100 | 50.0 to 150 |"), "{text}");
    assert!(text.contains("| rate, segue / bare echo |  0.500 |"), "{text}");
    assert!(!text.contains("server") && text.contains("generator cores"), "{text}");
    assert!(text.ends_with("Everything that was received was right.\n"), "{text}");
}

#[test]
fn a_fault_is_said_in_both_forms() {
    let report = report();
    report.faults.note("user 7", &Fault::Gap { expected: 2, got: 3 });
    assert!(!report.is_right());
    let text = report.to_string();
    assert!(text.contains("WRONG: gap 1\n    user 7: a gap: sequence 3 came where 2"), "{text}");
    assert_eq!(report.json()["faults"]["gap"], 1);
    assert_eq!(report.json()["is_right"], false);
}
