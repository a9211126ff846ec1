//! Lines of standard input.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

use crate::limits;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// More than one line can hold; it was skipped.
    TooLong,
}

/// Reads standard input to its end; then the channel closes.
///
/// In a thread of its own, which is never waited for: a read cannot be called off, and a runtime
/// would wait for it when the program is about to end.
pub fn stdin() -> io::Result<mpsc::Receiver<Line>> {
    let (sender, receiver) = mpsc::channel(limits::CHAT_LINES_AHEAD_MAX);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Ok(Some(line)) = next(&mut stdin) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

/// The next line; `None` at the end. Bytes that are not UTF-8 are replaced.
fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limits::CHAT_LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    input.by_ref().take(limit).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() > limits::CHAT_LINE_BYTES_MAX && !bytes.ends_with(b"\n") {
        skip_line(input)?;
        return Ok(Some(Line::TooLong));
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        bytes.pop_if(|it| *it == b'\r');
    }
    Ok(Some(Line::Text(String::from_utf8_lossy(&bytes).into_owned())))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(end) = bytes.iter().position(|it| *it == b'\n') {
            input.consume(end + 1);
            return Ok(());
        }
        let skipped = bytes.len();
        input.consume(skipped);
    }
}

#[cfg(test)]
mod tests;
