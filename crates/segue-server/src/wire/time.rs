//! Times as the wire writes them.

use segue_core::Timestamp;

/// 9999-12-31T23:59:59.999Z: the year has four digits.
const LAST: Timestamp = 253_402_300_799_999;

/// How many bytes a time takes, always.
pub(super) const TIMESTAMP_BYTES: usize = 24;

/// UTC, exactly `2026-05-07T12:00:00.123Z` (protocol, section 3): some clients read no other number
/// of decimals. What lies beyond the year 9999 is shown as its last millisecond.
pub fn timestamp(at: Timestamp) -> String {
    let mut out = String::with_capacity(TIMESTAMP_BYTES);
    write_timestamp(&mut out, at);
    out
}

pub(super) fn write_timestamp(out: &mut String, at: Timestamp) {
    let at = at.min(LAST);
    let (year, month, day) = date(at / 86_400_000);
    for (value, width, after) in [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (at / 3_600_000 % 24, 2, ':'),
        (at / 60_000 % 60, 2, ':'),
        (at / 1_000 % 60, 2, '.'),
        (at % 1_000, 3, 'Z'),
    ] {
        for place in (0..width).rev() {
            let digit = value / 10_u64.pow(place) % 10;
            out.push(char::from_digit(digit as u32, 10).expect("a remainder of ten is a digit"));
        }
        out.push(after);
    }
}

/// The Gregorian year, month and day of a day counted from 1970-01-01.
///
/// Counts from the first of March of the year 0. A leap day is then the last day of its year, and
/// every 400 years, 146,097 days, the calendar begins anew. The divisors are the days of 4, 100 and
/// 400 years; 153 are those of any five months, from March on.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let months = (5 * day + 2) / 153;
    let day = day - (153 * months + 2) / 5 + 1;
    let (month, next_year) = if months < 10 { (months + 3, 0) } else { (months - 9, 1) };
    (400 * cycle + year + next_year, month, day)
}
