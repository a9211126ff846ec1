//! The listener: accepts connections, hands them to the routes, and stops without hurting anybody.
//!
//! Own, because clients throw a session away when an upgrade is refused: while the server stops,
//! connections that were accepted still get their answer (protocol, section 8), which
//! `axum::serve` does not give them.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::service_fn,
    upgrade::{Parts, Upgraded},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::is_rt_shutdown_err,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};
use tower_service::Service;
use tracing::{debug, info, warn};

use crate::{
    address::{Door, Place},
    limits::{self, ServerLimits},
    metrics::Metrics,
};

mod body;
mod stream;
pub mod tls;

use body::Timely;
use stream::{Counted, Lingering};

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
    /// Something waits for room at the other end.
    is_written_to: AtomicBool,
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

    /// Whether bytes wait for the other end to take them.
    fn is_written_to(&self) -> bool {
        self.wire.is_written_to.load(Ordering::Relaxed)
    }

    /// Has the connection closed gently: what still comes in is read for a while.
    pub fn linger(&self) {
        self.wire.lingers.store(true, Ordering::Relaxed);
    }
}

/// A connection without what HTTP had around it: itself, or under TLS still within what hyper keeps.
pub type HandedOver = Either<Lingering<Counted>, TokioIo<Upgraded>>;

/// A connection that was upgraded, and what was read from it behind the request. An idle one costs
/// less memory without hyper's part, and each frame of it a shorter way.
pub fn hand_over(upgraded: Upgraded) -> (HandedOver, Bytes) {
    match upgraded.downcast::<TokioIo<Lingering<Counted>>>() {
        Ok(Parts { io, read_buf, .. }) => (Either::Left(io.into_inner()), read_buf),
        Err(upgraded) => (Either::Right(TokioIo::new(upgraded)), Bytes::new()),
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
pub async fn serve(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    app: Router,
    door: Arc<Door>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let begin = |tcp, address: SocketAddr, room| {
        // Closed before anything is read: an answer would cost what the limit is there to save.
        let Some(place) = door.enter(address.ip(), room) else {
            debug!(peer = %address.ip(), "too many connections of {}", address.ip());
            return;
        };
        let talk = Talk { app: app.clone(), limits: *door.limits(), metrics: Arc::clone(&metrics) };
        connections.spawn(run(tcp, address, place, tls.clone(), talk));
    };
    let accept = async || {
        let room = door.room().await;
        (room, listener.tcp().accept().await)
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            (room, accepted) = accept() => match accepted {
                Ok((tcp, address)) => begin(tcp, address, Some(room)),
                // Nobody has stopped it, and there is nothing left to serve with.
                Err(error) if is_rt_shutdown_err(&error) => return,
                Err(error) => {
                    drop(room);
                    // Mostly a lack of descriptors, which passes; others concern one connection.
                    warn!(%error, "cannot accept a connection now, will retry: {error}");
                    tokio::time::sleep(Duration::from_millis(limits::ACCEPT_RETRY_MS)).await;
                }
            },
        }
    }
    match listener {
        // The kernel has accepted these already: their clients believe that they are connected.
        Listener::Own(listener) => {
            while let Some(Ok((tcp, address))) = listener.accept().now_or_never() {
                begin(tcp, address, None);
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

/// What a connection is about.
struct Talk {
    app: Router,
    limits: ServerLimits,
    metrics: Arc<Metrics>,
}

/// A connection from its beginning to its end, or to its upgrade.
async fn run(
    tcp: TcpStream,
    address: SocketAddr,
    place: Place,
    tls: Option<TlsAcceptor>,
    talk: Talk,
) {
    let peer = Peer::new(address);
    let wire = Arc::clone(&peer.wire);
    // Nagle's algorithm would hold small frames back.
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    let counted = Counted::new(tcp, Arc::clone(&wire), place);
    match tls {
        None => converse(Lingering::new(counted, wire), peer, talk).await,
        Some(tls) => {
            if let Some(stream) = tls::secure(&tls, counted).await {
                converse(Lingering::new(stream, wire), peer, talk).await;
            }
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    Talk { app, limits, metrics }: Talk,
) {
    let body_time = Duration::from_secs(limits.request_body_seconds);
    let asked_by = peer.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut app, peer) = (app.clone(), asked_by.clone());
        let request = request.map(|body| Timely::new(body, body_time));
        async move { Ok::<Response, Infallible>(answer(&mut app, request, peer).await) }
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.headers_seconds))
        .max_buf_size(limits::HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(conversation);
    loop {
        let written = peer.written();
        let patience = Duration::from_secs(limits.response_seconds);
        match tokio::time::timeout(patience, &mut conversation).await {
            Ok(Ok(())) => return,
            // hyper has answered 400 or 431 by itself: no route and nothing around them saw it.
            Ok(Err(error)) if error.is_parse() => {
                metrics.unreadable_head();
                let peer = peer.address.ip();
                return info!(%peer, %error, "refused a request of {peer}: {error}");
            }
            Ok(Err(error)) => return debug!(%error, "a connection ended"),
            Err(_) if peer.is_written_to() && peer.written() == written => {
                return debug!("a connection takes nothing of its answer");
            }
            Err(_) => {}
        }
    }
}

async fn answer(app: &mut Router, request: hyper::Request<Timely>, peer: Peer) -> Response {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    match app.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests;
