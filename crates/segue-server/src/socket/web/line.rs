//! What the library reads from and writes to. Out of it go texts before what the library writes, and no
//! frame within another.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{Error, protocol::frame::Frame};

use super::inbox::Inbox;
use crate::limits;

/// A connection, and what waits on both of its ways.
#[derive(Debug)]
pub(super) struct Line<S> {
    stream: S,
    inbox: Inbox,
    /// Frames of texts that wait to be written. Without memory of its own when none does.
    texts: Vec<u8>,
    /// So much of them is written.
    written: usize,
    /// The library has frames that it could not write to their end: no text may go before the rest.
    is_torn: bool,
}

impl<S> Line<S> {
    /// Over a connection, and what was read from it too far.
    pub fn new(stream: S, read: &[u8]) -> Self {
        Self { stream, inbox: Inbox::of(read), texts: Vec::new(), written: 0, is_torn: false }
    }

    /// How many bytes the library was given.
    pub fn given(&self) -> u64 {
        self.inbox.given()
    }

    /// Whether texts have to be written before another one is fed.
    pub fn is_full(&self) -> bool {
        self.texts.len() >= limits::SOCKET_WRITE_BYTES
    }

    /// Adds a text to those that wait.
    pub fn feed(&mut self, frame: Frame) -> Result<(), Error> {
        self.texts.reserve(frame.len());
        frame.format(&mut self.texts)
    }

    #[cfg(test)]
    pub fn texts_capacity(&self) -> usize {
        self.texts.capacity()
    }
}

impl<S: AsyncWrite + Unpin> Line<S> {
    fn poll_texts(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.texts.len() {
            let rest = &self.texts[self.written..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        (self.texts, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // Its whole buffer each time; the texts that came before any of this go first.
        if !self.is_torn {
            ready!(self.poll_texts(cx))?;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.is_torn = match &written {
            Poll::Ready(Ok(bytes)) => *bytes < buf.len(),
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        };
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_texts(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

/// A line for as long as somebody looks: what would have to wait says so, and has the task woken.
pub(super) struct Polled<'a, 'c, S> {
    pub line: &'a mut Line<S>,
    pub cx: &'a mut Context<'c>,
}

impl<S: AsyncRead + Unpin> Read for Polled<'_, '_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        let Line { stream, inbox, .. } = &mut *self.line;
        or_would_block(inbox.poll_read(stream, self.cx, &mut buf))?;
        Ok(buf.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<'_, '_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        or_would_block(self.line.poll_write(self.cx, buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_would_block(self.line.poll_flush(self.cx))
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
