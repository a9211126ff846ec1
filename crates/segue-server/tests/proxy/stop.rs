//! SIGTERM to the real program, with everything under way that can be.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use crate::{
    client,
    program::Launch,
    raw::{Came, Raw},
    shop::{Visit, kinds, say},
};

const TOKEN: &str = "shop-token-5f1c";
const SOCKETS: usize = 12;

/// A bot that never answers `wait`, however long it is listened to, the first time it is asked.
async fn start_bot() -> (SocketAddr, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, questions) = mpsc::unbounded_channel();
    let app = Router::new().route("/turn", post(answer)).with_state(Arc::new(asked));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, questions)
}

async fn answer(
    State(asked): State<Arc<mpsc::UnboundedSender<Value>>>,
    Json(request): Json<Value>,
) -> Response {
    let text = request["input"][0]["text"].as_str().unwrap_or_default().to_owned();
    let is_first = !HAS_WAITED.load(std::sync::atomic::Ordering::SeqCst);
    asked.send(request).unwrap();
    if text == "wait" && is_first {
        HAS_WAITED.store(true, std::sync::atomic::Ordering::SeqCst);
        std::future::pending::<()>().await;
    }
    Json(json!({"outputs": [{"type": "text", "text": format!("You said {text}.")}]}))
        .into_response()
}

static HAS_WAITED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn configure(folder: &Path, bot: SocketAddr) {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "sqlite:data/segue.db"
[limits]
connections_per_session = 40
[[connectors]]
id = "shop"
token = "{TOKEN}"
hosts = ["{host}"]
bot = "wick"
[[bots]]
id = "wick"
kind = "http"
name = "Wick"
greeting = "Hello."
url = "http://{bot}/turn"
secret = "bot-secret-91b7"
"#,
        host = client::HOST,
    );
    std::fs::write(folder.join("segue.toml"), text).unwrap();
}

/// Covers 8.11, 8.15, 8.16, 8.17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_to_stop_hurts_nobody() {
    let folder = TempDir::new().unwrap();
    let (bot, mut questions) = start_bot().await;
    configure(folder.path(), bot);
    let launch = Launch::serve(folder.path(), &["--config", "segue.toml"]);
    let program = launch.start().await;
    let address = program.address();
    let token = client::access_token(address, TOKEN).await.unwrap();
    let id = client::session(address, &token, &json!({})).await.unwrap();
    let mut visit = Visit { address, id, token };

    let mut sockets = vec![visit.greeted(address).await];
    while sockets.len() < SOCKETS {
        sockets.push(visit.open(4).await);
    }
    sockets[0].send(&say("wait", "k-0")).await;
    assert_eq!(questions.recv().await.unwrap()["turn"], 2);
    // Accepted by the program, as everything before it was answered, but without a request yet.
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(TcpStream::connect(address).await.unwrap());
    }
    let probe = TcpStream::connect(address).await.unwrap();
    assert_eq!(Raw::upgrade(probe, &visit.path(Some(4))).await.unwrap().0, 101);
    for (number, socket) in sockets.iter_mut().enumerate().skip(1) {
        socket.send(&say("under way", &format!("k-{number}"))).await;
    }
    let asked_at = Instant::now();
    program.terminate();

    let mut reading = read_to_the_end(sockets);
    let (mut told, first) = reading.join_next().await.unwrap().unwrap();
    let refused = TcpStream::connect(address).await;
    assert!(refused.is_err(), "the door is shut before the first socket is");
    for tcp in waiting {
        let (status, mut socket) = Raw::upgrade(tcp, &visit.path(Some(4))).await.unwrap();
        assert_eq!(status, 101);
        assert_eq!(socket.next().await, Came::Close(Some(1013)));
    }
    let mut last = first;
    while let Some(ended) = reading.join_next().await {
        let (echoed, at) = ended.unwrap();
        told.extend(echoed);
        last = last.max(at);
    }
    assert!(last - first > Duration::from_millis(50), "not all of them at once");
    let ended = program.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{:#?}", ended.log);
    assert!(asked_at.elapsed() < Duration::from_secs(10), "took {:?}", asked_at.elapsed());

    // The turn that was running goes on, as the same turn; nothing that anybody was told is gone.
    let program = launch.start().await;
    visit.address = program.address();
    let mut socket = visit.open(4).await;
    let again = questions.recv().await.unwrap();
    assert_eq!((&again["turn"], &again["input"][0]["text"]), (&json!(2), &json!("wait")));
    let mut log = socket.events_to(5).await;
    while kinds(&log).last() != Some(&"POLY_AGENT_MESSAGE") {
        let next = log.last().unwrap()["sequence"].as_u64().unwrap() + 1;
        log.extend(socket.events_to(next).await);
    }
    assert_eq!(log.last().unwrap()["payload"]["text"], "You said wait.");
    for event in told.iter().filter(|it| it["sequence"].as_u64() > Some(4)) {
        assert!(log.contains(event), "told before the stop and gone after it: {event}");
    }
    program.terminate();
    assert_eq!(program.ended().await.status.code(), Some(0));
}

/// Reads each socket until it is closed with 1001: what it was told, and when that was.
fn read_to_the_end(sockets: Vec<Raw>) -> JoinSet<(Vec<Value>, Instant)> {
    let mut reading = JoinSet::new();
    for mut socket in sockets {
        reading.spawn(async move {
            let mut echoed: Vec<Value> = Vec::new();
            loop {
                match socket.next().await {
                    Came::Frame(frame) => echoed.extend(crate::raw::events_of(frame)),
                    Came::Close(Some(1001)) => return (echoed, Instant::now()),
                    other => panic!("{other:?} is no way to say that the server goes"),
                }
            }
        });
    }
    reading
}
