//! A web socket over a connection that was upgraded.
//!
//! The library reads frames and answers pings and closes; it knows nothing of a runtime, and is called
//! whenever the socket's task looks. Texts go past its write buffer, which never shrinks: a replay
//! would leave 16 KiB with every idle connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{
        Role, WebSocketConfig, WebSocketContext,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use super::Web;
use crate::limits;

mod inbox;
mod line;

use line::{Line, Polled};

/// The server's end of a web socket. For one task: it is woken for reading and for writing alike.
#[derive(Debug)]
pub struct WebSocket<S> {
    frames: WebSocketContext,
    line: Line<S>,
    /// Nothing more is read: the other end is gone, or what it sent is broken.
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Over a connection that has just been upgraded, and what was read from it too far.
    pub fn new(stream: S, read: &[u8]) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::SOCKET_BUFFER_BYTES)
            // What it writes itself is small and goes out at once. A client that pings and does not
            // read gets no pong beyond this.
            .write_buffer_size(0)
            .max_write_buffer_size(limits::CONTROL_WRITE_BYTES_MAX)
            .max_message_size(Some(limits::FRAME_BYTES_MAX))
            .max_frame_size(Some(limits::FRAME_BYTES_MAX));
        let frames = WebSocketContext::new(Role::Server, Some(config));
        Self { frames, line: Line::new(stream, read), is_over: false }
    }

    /// Has the library do something; pending where it would have to wait for the connection.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut WebSocketContext, &mut Polled<'_, '_, S>) -> Result<T, Error>,
    ) -> Poll<Result<T, Error>> {
        match work(&mut self.frames, &mut Polled { line: &mut self.line, cx }) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Web for WebSocket<S> {
    fn taken(&self) -> u64 {
        self.line.given()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let read = ready!(self.poll(cx, |frames, line| frames.read(line)));
        self.is_over = read.is_err();
        Poll::Ready(match read {
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
            read => Some(read),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.line.is_full() { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        if let Message::Text(text) = message {
            return self.line.feed(Frame::message(text, OpCode::Data(Data::Text), true));
        }
        let cx = &mut Context::from_waker(Waker::noop());
        match self.poll(cx, |frames, line| frames.write(line, message)) {
            Poll::Ready(sent) => sent,
            // It is kept, and whoever flushes is woken.
            Poll::Pending => Ok(()),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let flushed = ready!(self.poll(cx, |frames, line| frames.flush(line)));
        Poll::Ready(match flushed {
            // The close that was answered is written.
            Err(Error::ConnectionClosed) => Ok(()),
            flushed => flushed,
        })
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Again, it only goes on with the first.
        let closed = ready!(self.poll(cx, |frames, line| frames.close(line, None)));
        Poll::Ready(match closed {
            Err(Error::ConnectionClosed) => Ok(()),
            closed => closed,
        })
    }
}

#[cfg(test)]
mod tests;
