//! A web socket over a connection that was upgraded.
//!
//! The library reads frames and answers pings and closes. Texts go past its write buffer, which
//! never shrinks: a replay would leave 16 KiB with every idle connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{
            Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::Web;
use crate::limits;

mod inbox;

use inbox::Inbox;

/// The server's end of a web socket.
#[derive(Debug)]
pub struct WebSocket<S> {
    frames: WebSocketStream<Line<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Over a connection that has just been upgraded.
    pub fn new(stream: S) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::SOCKET_BUFFER_BYTES)
            // What it writes itself is small and goes out at once. A client that pings and does not
            // read gets no pong beyond this.
            .write_buffer_size(0)
            .max_write_buffer_size(limits::CONTROL_WRITE_BYTES_MAX)
            .max_message_size(Some(limits::FRAME_BYTES_MAX))
            .max_frame_size(Some(limits::FRAME_BYTES_MAX));
        let line =
            Line { stream, inbox: Inbox::default(), texts: Vec::new(), written: 0, is_torn: false };
        let frames = WebSocketStream::from_raw_socket(line, Role::Server, Some(config));
        Self { frames: frames.now_or_never().expect("there is no hand-shake to wait for") }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Web for WebSocket<S> {
    fn taken(&self) -> u64 {
        self.frames.get_ref().inbox.given()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.frames).poll_next(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let line = self.frames.get_ref();
        if line.is_torn || line.texts.len() >= limits::SOCKET_WRITE_BYTES {
            ready!(Pin::new(&mut self.frames).poll_flush(cx))?;
        }
        Pin::new(&mut self.frames).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        match message {
            Message::Text(text) => {
                let frame = Frame::message(text, OpCode::Data(Data::Text), true);
                let texts = &mut self.frames.get_mut().texts;
                texts.reserve(frame.len());
                frame.format(texts)
            }
            other => Pin::new(&mut self.frames).start_send(other),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.frames).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.frames).poll_close(cx)
    }
}

/// What the library reads from and writes to. Out of it go texts before what the library writes, and
/// no frame within another.
#[derive(Debug)]
struct Line<S> {
    stream: S,
    inbox: Inbox,
    /// Frames of texts that wait to be written. Without memory of its own when none does.
    texts: Vec<u8>,
    /// So much of them is written.
    written: usize,
    /// The library has frames that it could not write to their end: no text may go before the rest.
    is_torn: bool,
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
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, inbox, .. } = self.get_mut();
        inbox.poll_read(stream, cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_texts(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_texts(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
