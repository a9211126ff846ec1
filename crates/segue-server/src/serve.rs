//! The listener: accepts connections, hands them to the routes, and stops without hurting anybody.
//!
//! Own, because clients throw a session away when an upgrade is refused: while the server stops,
//! connections that were accepted still get their answer (protocol, section 8), which
//! `axum::serve` does not give them.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;
use tracing::{debug, warn};

use crate::{
    address::{Door, Place},
    limits,
};

/// Who is at the other end of a connection, and how it takes what is sent to it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Debug, Default)]
struct Wire {
    /// Bytes that the other end has taken, or room for which it has given.
    written: AtomicU64,
    /// What still comes in after the end is read and thrown away, so that a reset does not eat the
    /// close frame.
    lingers: AtomicBool,
}

impl Peer {
    /// The other end of a connection over which nothing has gone yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, wire: Arc::default() }
    }

    /// How many bytes were accepted so far.
    pub fn written(&self) -> u64 {
        self.wire.written.load(Ordering::Relaxed)
    }

    /// Has the connection closed gently: what still comes in is read for a while.
    pub fn linger(&self) {
        self.wire.lingers.store(true, Ordering::Relaxed);
    }
}

/// Where connections come in, and what becomes of those that nobody has accepted when the server
/// stops.
#[derive(Debug)]
pub enum Listener {
    /// Ends with the server: what the kernel has accepted by then is answered.
    Own(TcpListener),
    /// A service manager keeps it open: what nobody has accepted waits for the next process.
    Given(TcpListener),
}

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }

    fn tcp(&self) -> &TcpListener {
        let (Self::Own(tcp) | Self::Given(tcp)) = self;
        tcp
    }
}

/// Serves until told to stop; then connecting is refused (or waits, where the listener is given),
/// and connections that were accepted have a while to be answered. Sockets that were upgraded are
/// not waited for.
pub async fn serve(listener: Listener, app: Router, door: Arc<Door>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.tcp().accept() => match accepted {
                Ok((tcp, address)) => begin(&connections, tcp, address, &app, &door),
                Err(error) => {
                    // Mostly a lack of descriptors, which passes; others concern one connection.
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(limits::ACCEPT_RETRY_MS)).await;
                }
            },
        }
    }
    match listener {
        // The kernel has accepted these already: their clients believe that they are connected.
        Listener::Own(listener) => {
            while let Some(Ok((tcp, address))) = listener.accept().now_or_never() {
                begin(&connections, tcp, address, &app, &door);
            }
        }
        Listener::Given(_) => {}
    }
    connections.close();
    let grace = Duration::from_millis(limits::STOP_ANSWER_MS);
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        debug!(connections = connections.len(), "connections without a request are left");
    }
}

fn begin(
    connections: &TaskTracker,
    tcp: TcpStream,
    address: SocketAddr,
    app: &Router,
    door: &Arc<Door>,
) {
    // Closed before anything is read: an answer would cost what the limit is there to save.
    let Some(place) = door.enter(address.ip()) else {
        debug!(peer = %address.ip(), "too many connections of {}", address.ip());
        return;
    };
    let peer = Peer::new(address);
    let wire = Arc::clone(&peer.wire);
    // Nagle's algorithm would hold small frames back.
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    let app = app.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut app, peer) = (app.clone(), peer.clone());
        async move { Ok::<Response, Infallible>(answer(&mut app, request, peer).await) }
    });
    connections.spawn(async move {
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits::HEADERS_SECONDS_MAX))
            .max_buf_size(limits::HEADERS_BYTES_MAX)
            .serve_connection(
                TokioIo::new(Counted { tcp: Some(tcp), wire, _place: place }),
                service,
            )
            .with_upgrades()
            .await;
        if let Err(error) = served {
            debug!(%error, "a connection ended");
        }
    });
}

async fn answer(app: &mut Router, request: hyper::Request<Incoming>, peer: Peer) -> Response {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    match app.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A TCP connection that counts what the other end accepts.
struct Counted {
    /// Always there until it is dropped.
    tcp: Option<TcpStream>,
    wire: Arc<Wire>,
    /// Among the connections of its address.
    _place: Place,
}

impl Counted {
    fn tcp(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.tcp.as_mut().expect("the connection is there until it is dropped"))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.tcp().poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.tcp().poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.wire.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.tcp().poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.wire.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_shutdown(cx)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(tcp) = self.tcp.take() else { return };
        if self.wire.lingers.load(Ordering::Relaxed)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(linger(tcp));
        }
    }
}

/// Reads what the other end still sends, for a while: closing a connection with unread bytes resets
/// it, and a reset may overtake the close frame.
async fn linger(mut tcp: TcpStream) {
    let drain = async {
        tcp.shutdown().await?;
        let mut bytes = [0_u8; 4_096];
        let mut left = limits::LINGER_BYTES_MAX;
        while left > 0 {
            match tcp.read(&mut bytes).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok::<(), io::Error>(())
    };
    let while_ms = Duration::from_millis(limits::LINGER_MS);
    if let Ok(Err(error)) = tokio::time::timeout(while_ms, drain).await {
        debug!(%error, "a connection ended while it was drained");
    }
}
