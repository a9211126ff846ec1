//! Cursors by themselves.

use super::*;

#[test]
fn a_cursor_reads_back_what_was_written() {
    let cursor = Cursor { id: SessionId(u128::MAX - 5), created_at: 1_700_000_000_123 };
    assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
    let written = cursor.write();
    for text in ["", "x", "AAAA", &written[1..], &format!("{written}AAAA")] {
        assert_eq!(Cursor::read(text), None, "{text}");
    }
}
