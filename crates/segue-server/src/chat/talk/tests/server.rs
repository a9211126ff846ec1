//! A server that shakes hands by itself and leaves the socket to the test.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        FromRequestParts as _, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

/// Whatever a test waits for comes at once; this only ends a test that has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it should have happened by now")
}

/// A request that was answered.
#[derive(Clone)]
pub struct Seen {
    headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }
}

struct App {
    demo: StatusCode,
    requests: Mutex<BTreeMap<String, Seen>>,
    refusal: Mutex<Option<(StatusCode, String)>>,
    refusals: mpsc::Sender<()>,
    peers: mpsc::Sender<Peer>,
}

pub struct Server {
    pub address: SocketAddr,
    app: Arc<App>,
    refusals: mpsc::Receiver<()>,
    peers: mpsc::Receiver<Peer>,
    work: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(SocketAddr::from(([127, 0, 0, 1], 0)), StatusCode::OK).await
    }

    /// Starts where another one was.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::with(address, StatusCode::OK).await
    }

    pub async fn start_without_demo() -> Self {
        Self::with(SocketAddr::from(([127, 0, 0, 1], 0)), StatusCode::NOT_FOUND).await
    }

    async fn with(address: SocketAddr, demo: StatusCode) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (peers, peers_receiver) = mpsc::channel(8);
        let (refusals, refusals_receiver) = mpsc::channel(64);
        let app = Arc::new(App {
            demo,
            requests: Mutex::default(),
            refusal: Mutex::default(),
            refusals,
            peers,
        });
        let routes = Router::new()
            .route("/demo.json", get(demo_connector))
            .route("/api/v1/access-token", post(access_token))
            .route("/api/v1/sessions", post(sessions))
            .route("/ws", any(socket))
            .with_state(Arc::clone(&app));
        let work = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, app, refusals: refusals_receiver, peers: peers_receiver, work }
    }

    /// The next socket that a client opens.
    pub async fn socket(&mut self) -> Peer {
        soon(self.peers.recv()).await.unwrap()
    }

    /// The last request of this path.
    pub fn request(&self, path: &str) -> Seen {
        self.app.requests.lock().unwrap()[path].clone()
    }

    /// Refuses to open sockets from now on.
    pub fn refuse(&self, status: u16, message: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.app.refusal.lock().unwrap() = Some((status, message.to_owned()));
    }

    /// Waits for a client that is refused.
    pub async fn refused(&mut self) {
        soon(self.refusals.recv()).await.unwrap();
    }

    /// Opens sockets again.
    pub fn accept(&self) {
        *self.app.refusal.lock().unwrap() = None;
    }

    /// Is gone: connecting is refused. Sockets are the test's to drop.
    pub async fn die(self) -> SocketAddr {
        self.work.abort();
        assert!(self.work.await.unwrap_err().is_cancelled());
        self.address
    }
}

async fn keep(app: &App, request: Request) -> Seen {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let body = axum::body::to_bytes(request.into_body(), 10_000).await.unwrap();
    let seen = Seen { headers, body: String::from_utf8(body.to_vec()).unwrap() };
    app.requests.lock().unwrap().insert(path, seen.clone());
    seen
}

async fn demo_connector(State(app): State<Arc<App>>) -> Response {
    let body = json!({"token": "demo-token", "host": "localhost"}).to_string();
    (app.demo, body).into_response()
}

async fn access_token(State(app): State<Arc<App>>, request: Request) -> Response {
    let seen = keep(&app, request).await;
    if seen.header("x-token") == "wrong" {
        let body = json!({"message": "Connector token does not exist"}).to_string();
        return (StatusCode::UNAUTHORIZED, body).into_response();
    }
    json!({"access_token": "a.b.c", "expires_in": 86_400}).to_string().into_response()
}

async fn sessions(State(app): State<Arc<App>>, request: Request) -> Response {
    keep(&app, request).await;
    json!({"session_id": "s-1"}).to_string().into_response()
}

async fn socket(State(app): State<Arc<App>>, request: Request) -> Response {
    let refusal = app.refusal.lock().unwrap().clone();
    if let Some((status, message)) = refusal {
        let _ = app.refusals.try_send(());
        return (status, json!({"message": message}).to_string()).into_response();
    }
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let protocols = parts.headers["sec-websocket-protocol"].to_str().unwrap().to_owned();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
    upgrade.protocols(["segue.v1"]).on_upgrade(async move |web| {
        // A test that has ended does not wait for it.
        let _ = app.peers.send(Peer { web, query, protocols }).await;
    })
}

/// The server's end of a socket.
pub struct Peer {
    web: WebSocket,
    pub query: String,
    pub protocols: String,
}

impl Peer {
    pub async fn send(&mut self, frame: &str) {
        self.web.send(Message::Text(frame.into())).await.unwrap();
    }

    /// The first batch of every connection.
    pub async fn begin(&mut self) -> String {
        let start = json!({"id": "1", "sequence": 1, "timestamp": "t",
            "type": "EVENT_TYPE_SESSION_START", "payload": {"capabilities": {}}});
        let batch = json!({"id": "b", "sequence": null, "timestamp": "t",
            "type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": [start]}});
        let batch = batch.to_string();
        self.send(&batch).await;
        batch
    }

    pub async fn event(&mut self, kind: &str, sequence: u64, payload: Value) -> String {
        let frame = json!({"id": sequence.to_string(), "sequence": sequence, "timestamp": "t",
            "type": format!("EVENT_TYPE_{kind}"), "payload": payload});
        let frame = frame.to_string();
        self.send(&frame).await;
        frame
    }

    /// Confirms a message.
    pub async fn echo(&mut self, sequence: u64, said: &Value) -> String {
        let mut echo = said.clone();
        echo["id"] = json!(sequence.to_string());
        echo["sequence"] = json!(sequence);
        let echo = echo.to_string();
        self.send(&echo).await;
        echo
    }

    /// The next frame of the client.
    pub async fn receive(&mut self) -> Value {
        match soon(self.web.next()).await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("a frame was due, not {other:?}"),
        }
    }

    /// Closes the socket. Returns the code of the client's answer.
    pub async fn close(mut self, code: u16) -> Option<u16> {
        let frame = CloseFrame { code, reason: "".into() };
        self.web.send(Message::Close(Some(frame))).await.unwrap();
        self.closed().await
    }

    /// Waits for the client's close, and answers it.
    pub async fn closed(mut self) -> Option<u16> {
        let code = match soon(self.web.next()).await {
            Some(Ok(Message::Close(frame))) => frame.map(|it| it.code),
            other => panic!("a close was due, not {other:?}"),
        };
        while let Some(Ok(_)) = soon(self.web.next()).await {}
        code
    }
}
