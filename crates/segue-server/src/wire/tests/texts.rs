//! Times and URLs.

use proptest::prelude::*;

use crate::wire::{timestamp, url};

#[test]
fn times_are_written_with_three_decimals() {
    for (at, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_704_067_199_999, "2023-12-31T23:59:59.999Z"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        (1_735_689_599_007, "2024-12-31T23:59:59.007Z"),
        (1_778_155_200_123, "2026-05-07T12:00:00.123Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (u64::MAX, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(timestamp(at), text);
    }
}

/// Counts the calendar forward, a year and a month at a time.
fn slow_timestamp(at: u64) -> String {
    let mut days = at / 86_400_000;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute) = (at / 3_600_000 % 24, at / 60_000 % 60);
    let (second, ms) = (at / 1_000 % 60, at % 1_000);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", days + 1)
}

#[test]
fn every_day_of_eight_centuries_is_right() {
    for day in 0..293_000_u64 {
        let at = day * 86_400_000 + day % 86_400_000;
        assert_eq!(timestamp(at), slow_timestamp(at));
    }
}

#[test]
fn urls_are_percent_encoded() {
    for (url, encoded) in [
        ("", ""),
        (
            "https://example.com/a-b_c.d~e?f=g&h=i/j?k#l/m?",
            "https://example.com/a-b_c.d~e?f=g&h=i/j?k#l/m?",
        ),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://example.com/a%20b c", "https://example.com/a%20b%20c"),
        ("https://example.com/100%", "https://example.com/100%25"),
        ("https://example.com/%2", "https://example.com/%252"),
        ("https://example.com/%zz%C3%bc", "https://example.com/%25zz%C3%bc"),
        ("https://example.com/%é", "https://example.com/%25%C3%A9"),
        ("https://example.com/grün/日本", "https://example.com/gr%C3%BCn/%E6%97%A5%E6%9C%AC"),
        (
            "https://example.com/a\"<>\\^`{|}\n",
            "https://example.com/a%22%3C%3E%5C%5E%60%7B%7C%7D%0A",
        ),
        ("https://example.com/x[0]?y[1]", "https://example.com/x%5B0%5D?y%5B1%5D"),
        ("https://example.com/#a#b", "https://example.com/#a%23b"),
        ("http://[::1]:8080/a b", "http://[::1]:8080/a%20b"),
        ("http://[::1]", "http://[::1]"),
        ("https://bücher.example:8443/ü", "https://xn--bcher-kva.example:8443/%C3%BC"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://jö:g@bücher.example?ü", "https://j%C3%B6:g@xn--bcher-kva.example?%C3%BC"),
        ("//bücher.example/a", "//xn--bcher-kva.example/a"),
        // No host, or none that has a name in ASCII.
        ("/images/grün.png", "/images/gr%C3%BCn.png"),
        ("/a//bücher/c", "/a//b%C3%BCcher/c"),
        ("a?b=//ü.example", "a?b=//%C3%BC.example"),
        ("data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        ("https://exam ple.ü/", "https://exam%20ple.%C3%BC/"),
        // A full-width solidus would become a slash and cut the host short.
        ("https://evil.example／.good.example/", "https://evil.example%EF%BC%8F.good.example/"),
    ] {
        assert_eq!(url::encode(url), encoded, "{url}");
        assert_eq!(url::encode(encoded), encoded, "encoding once is enough: {url}");
    }
}

proptest! {
    #[test]
    fn any_text_becomes_a_url_without_strange_characters(
        text in prop_oneof![".*", "[a-z]{0,5}:?//[^/]{0,20}.*", "https?://[a-zü:@\\[\\]%]{0,9}[/?#]\\PC*"],
    ) {
        let encoded = url::encode(&text);
        prop_assert!(
            encoded.bytes().all(|it| it.is_ascii_alphanumeric()
                || b"-._~:/?#[]@!$&'()*+,;=%".contains(&it)),
            "{encoded}"
        );
        prop_assert!(encoded.matches('#').count() <= 1, "{encoded}");
        for (at, _) in encoded.match_indices('%') {
            let digits = encoded.get(at + 1..at + 3).unwrap_or_default();
            prop_assert!(
                digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_hexdigit()),
                "{encoded}"
            );
        }
        prop_assert_eq!(url::encode(&encoded), encoded.as_ref());
    }
}
