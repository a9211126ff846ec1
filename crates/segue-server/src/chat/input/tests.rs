use super::*;

fn lines(mut input: &[u8]) -> Vec<Line> {
    std::iter::from_fn(|| next(&mut input).unwrap()).collect()
}

fn text(text: &str) -> Line {
    Line::Text(text.to_owned())
}

#[test]
fn lines_lose_their_end_and_nothing_else() {
    assert_eq!(
        lines(b" one \r\n\ntwo\r\r\nthree"),
        [text(" one "), text(""), text("two\r"), text("three")]
    );
    assert_eq!(lines(b""), []);
}

#[test]
fn what_is_not_utf8_is_replaced() {
    assert_eq!(lines(b"a\xffb\n"), [text("a\u{fffd}b")]);
}

#[test]
fn a_line_without_an_end_in_sight_is_skipped() {
    let longest = "x".repeat(limits::CHAT_LINE_BYTES_MAX);
    let input = format!("{longest}\n{longest}x\nnext\n{longest}xyz");
    assert_eq!(
        lines(input.as_bytes()),
        [text(&longest), Line::TooLong, text("next"), Line::TooLong]
    );
}
