//! Times that people write.

use crate::wire::{parse_timestamp, timestamp};

#[test]
fn a_time_reads_back_what_was_written_of_it() {
    // Some milliseconds of every seventh day of two centuries: every leap year there is.
    for day in (0..73_050).step_by(7) {
        let at = day * 86_400_000 + (day * 7_919_531) % 86_400_000;
        assert_eq!(parse_timestamp(&timestamp(at)), Some(at));
    }
}

#[test]
fn a_time_may_be_written_shorter() {
    let midnight = parse_timestamp("2026-05-07T00:00:00.000Z");
    for text in ["2026-05-07", "2026-05-07T00:00Z", "2026-05-07T00:00:00Z"] {
        assert_eq!(parse_timestamp(text), midnight, "{text}");
    }
    let noon = parse_timestamp("2024-02-29T12:00Z").unwrap();
    assert_eq!(timestamp(noon), "2024-02-29T12:00:00.000Z");
}

#[test]
fn what_is_no_time_is_none() {
    for text in [
        "",
        "today",
        "2026",
        "2026-5-7",
        "2026-02-29",
        "2026-04-31",
        "2026-00-01",
        "2026-13-01",
        "2026-05-00",
        "2026-05-07T",
        "2026-05-07T24:00Z",
        "2026-05-07T12:60Z",
        "1969-12-31",
        "2026-05-07T12:00:00",
        "2026-05-07T12:00:00.1Z",
        "2026-05-07T12:00.123Z",
        "2026-05-07T12:00:00+02:00",
        "2026-05-07 12:00",
        "+026-05-07",
    ] {
        assert_eq!(parse_timestamp(text), None, "{text}");
    }
}
