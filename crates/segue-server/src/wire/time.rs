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
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (mut value, digits) in [
        (year, 0..4),
        (month, 5..7),
        (day, 8..10),
        (at / 3_600_000 % 24, 11..13),
        (at / 60_000 % 60, 14..16),
        (at / 1_000 % 60, 17..19),
        (at % 1_000, 20..23),
    ] {
        for place in digits.rev() {
            text[place] += (value % 10) as u8;
            value /= 10;
        }
    }
    out.push_str(std::str::from_utf8(&text).expect("digits are text"));
}

/// Reads what people write of a time in UTC: `2026-05-07`, `2026-05-07T12:00Z`,
/// `2026-05-07T12:00:00Z`, `2026-05-07T12:00:00.123Z`. `None` for anything else, also for a day that
/// the calendar does not have.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00"),
    };
    let [year, month, day] = numbers(day, '-', &[4, 2, 2])?[..] else { return None };
    let (time, ms) = match time.split_once('.') {
        Some((time, ms)) if time.len() == 8 => (time, numbers(ms, '.', &[3])?[0]),
        Some(_) => return None,
        None => (time, 0),
    };
    let widths: &[usize] = if time.len() == 5 { &[2, 2] } else { &[2, 2, 2] };
    let clock = numbers(time, ':', widths)?;
    let (hour, minute, second) = (clock[0], clock[1], clock.get(2).copied().unwrap_or(0));
    if hour > 23 || minute > 59 || second > 59 || year < 1970 || !(1..=31).contains(&day) {
        return None;
    }
    let of_month = days_before(year, month)? + day - 1;
    let at = of_month * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms;
    // A day that the month does not have would be one of the next.
    (date(of_month) == (year, month, day)).then_some(at)
}

fn numbers(text: &str, between: char, widths: &[usize]) -> Option<Vec<u64>> {
    let parts: Vec<&str> = text.split(between).collect();
    let is_number = |(part, width): (&&str, &usize)| {
        part.len() == *width && part.bytes().all(|it| it.is_ascii_digit())
    };
    let fits = parts.len() == widths.len() && parts.iter().zip(widths).all(is_number);
    fits.then(|| parts.iter().map(|it| it.parse().unwrap_or(0)).collect())
}

/// Days from 1970-01-01 to the first of this month: the reverse of `date`.
fn days_before(year: u64, month: u64) -> Option<u64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5;
    Some(days - 719_468)
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
