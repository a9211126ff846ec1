use proptest::prelude::*;

use super::*;

/// The data lines of a stream that arrives in these chunks, and `!` where a line is too long.
fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, line_bytes_max: usize) -> Vec<String> {
    let mut lines = DataLines::new(line_bytes_max);
    let mut found = Vec::new();
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match lines.next(&mut chunk) {
                Ok(Some(line)) => found.push(String::from_utf8_lossy(&line).into_owned()),
                Ok(None) => break,
                Err(_) => {
                    found.push("!".to_owned());
                    return found;
                }
            }
        }
        assert!(chunk.is_empty(), "a chunk is used up before the next one");
    }
    found.extend(lines.finish().map(|it| String::from_utf8_lossy(&it).into_owned()));
    found
}

#[test]
fn lines_that_are_data_are_found() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        ("data: a\n\n", &["a"]),
        ("data:a\ndata:b\n\n", &["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n", &["a", "b", "c"]),
        ("data: a", &["a"]),
        ("data:  a\t \n", &[" a\t "]),
        ("data:\ndata\ndata: \n", &["", "", ""]),
        ("\u{feff}data: a\n\u{feff}data: b\n", &["a"]),
        ("\u{feff}\ndata: a\n", &["a"]),
        (": data: no\nevent: data\nid: 1\nretry: 5\ndatax: no\nDATA: no\n data: no\n", &[]),
        ("dat", &[]),
    ];
    for (stream, expected) in table {
        assert_eq!(read([stream.as_bytes()], 100), *expected, "{stream:?}");
    }
}

#[test]
fn a_return_ends_a_line_without_waiting_for_a_line_feed() {
    let mut lines = DataLines::new(100);
    let mut chunk = Bytes::from_static(b"data: a\r");
    assert_eq!(lines.next(&mut chunk), Ok(Some(b"a".to_vec())));
    let mut chunk = Bytes::from_static(b"\ndata: b");
    assert_eq!(lines.next(&mut chunk), Ok(None));
    assert_eq!(lines.finish(), Some(b"b".to_vec()));
}

#[test]
fn a_line_may_be_as_long_as_the_limit_whatever_it_is() {
    for line in ["data: 89", ": 345678", "x: 45678"] {
        assert!(!read([line.as_bytes(), b"\r\n"], 8).contains(&"!".to_owned()), "{line}");
        assert_eq!(read([line.as_bytes(), b"\r\n"], 7), ["!"], "{line}");
        assert_eq!(read([line.as_bytes()], 7), ["!"], "{line}, not ended");
    }
    assert_eq!(read([b"data: a\ndata: too long\ndata: b".as_slice()], 8), ["a", "!"]);
}

/// The same by other means, on the whole stream.
fn expected(stream: &[u8], line_bytes_max: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let mut found = Vec::new();
    for (i, line) in text.split('\n').enumerate() {
        if line.len() > line_bytes_max {
            found.push("!".to_owned());
            break;
        }
        let line = if i == 0 { line.trim_start_matches('\u{feff}') } else { line };
        match line.split_once(':') {
            None if line == "data" => found.push(String::new()),
            Some(("data", value)) => {
                found.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
            }
            _ => {}
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_same_bytes_give_the_same_lines_however_they_are_cut(
        with_mark in any::<bool>(),
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "data: ", "data:", "data", "d", ":", " ", "\r", "\n", "\r\n", "ä", "€", "😀",
                "{\"type\":\"end\"}", "event: x", ": comment", "0123456789",
            ]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        line_bytes_max in 10_usize..60,
    ) {
        let mark = if with_mark { "\u{feff}" } else { "" };
        let stream = format!("{mark}{}", pieces.concat()).into_bytes();
        let mut ends: Vec<usize> = cuts.iter().map(|it| it.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let mut start = 0;
        let chunks = ends.into_iter().map(|end| &stream[std::mem::replace(&mut start, end)..end]);
        prop_assert_eq!(read(chunks, line_bytes_max), expected(&stream, line_bytes_max));
        let bytes = stream.chunks(1);
        prop_assert_eq!(read(bytes, line_bytes_max), expected(&stream, line_bytes_max));
    }
}
