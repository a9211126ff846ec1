//! What was read from a connection and does not fit into the library's buffer yet.
//!
//! The library has a small buffer for each connection, which it fills with zeros before each read.
//! Bytes are read into a large one that the thread has for all its connections, so that everything
//! that has come takes one call of the kernel, and an idle connection has no memory for it.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::limits;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; limits::SOCKET_READ_BYTES].into_boxed_slice());
}

/// Bytes that wait to be taken. Without memory of its own when none do.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Vec<u8>,
    /// So many of them were taken.
    taken: usize,
    /// So many bytes were given to the library in all.
    given: u64,
}

impl Inbox {
    /// With what was read already.
    pub fn of(read: &[u8]) -> Self {
        Self { waiting: read.to_vec(), ..Self::default() }
    }

    /// How many bytes were given to the library.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// As the stream's own, which is asked when nothing waits.
    pub fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return SHARED.with_borrow_mut(|shared| self.poll_fill(shared, stream, cx, buf));
        }
        let rest = &self.waiting[self.taken..];
        let fits = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..fits]);
        self.taken += fits;
        self.given += fits as u64;
        if self.taken == self.waiting.len() {
            (self.waiting, self.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        shared: &mut [u8],
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut read = ReadBuf::new(shared);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        let read = read.filled();
        let (fits, rest) = read.split_at(read.len().min(buf.remaining()));
        buf.put_slice(fits);
        self.given += fits.len() as u64;
        self.waiting.extend_from_slice(rest);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
