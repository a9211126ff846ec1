//! Reads an event stream line by line, however its bytes are cut. Each `data:` line stands for
//! itself (bots, `kind = "http"`), so events, ids and names do not matter and blank lines neither:
//! the blank one between a carriage return and its line feed does no harm.

use bytes::{Buf, Bytes};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is over {bytes_max} bytes")]
pub(super) struct LineTooLong {
    bytes_max: usize,
}

/// The `data:` lines of one event stream.
#[derive(Debug)]
pub(super) struct DataLines {
    /// The line under way.
    line: Vec<u8>,
    line_bytes_max: usize,
    /// Only the first line may begin with a byte order mark.
    is_first_line: bool,
}

impl DataLines {
    /// Reads a stream from its beginning.
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self { line: Vec::new(), line_bytes_max, is_first_line: true }
    }

    /// Takes bytes off the front of `chunk` up to the end of the next `data:` line, and returns what
    /// that line holds; `None` once the chunk is used up.
    pub(super) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Vec<u8>>, LineTooLong> {
        while !chunk.is_empty() {
            let end = chunk.iter().position(|it| matches!(it, b'\r' | b'\n'));
            let piece = chunk.split_to(end.unwrap_or(chunk.len()));
            if self.line.len() + piece.len() > self.line_bytes_max {
                return Err(LineTooLong { bytes_max: self.line_bytes_max });
            }
            self.line.extend_from_slice(&piece);
            if end.is_none() {
                return Ok(None);
            }
            chunk.advance(1);
            if let Some(value) = data_of(self.take_line()) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// What the last line holds, where the stream ended without ending it.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        data_of(self.take_line())
    }

    fn take_line(&mut self) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.line);
        if self.is_first_line && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        self.is_first_line = false;
        line
    }
}

/// The value of a line whose field is `data`, without the one space that may stand before it.
fn data_of(line: Vec<u8>) -> Option<Vec<u8>> {
    let mut value = line;
    if value == b"data" {
        return Some(Vec::new());
    }
    let field = value.strip_prefix(b"data:")?;
    let skipped = "data:".len() + usize::from(field.first() == Some(&b' '));
    value.drain(..skipped);
    Some(value)
}

#[cfg(test)]
mod tests;
