//! `segue load` against a server that lies: fast, and wrong. It has to fail and to say in what.

use std::{
    net::SocketAddr,
    process::{Command, Output},
};

use axum::{
    Json, Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    routing::{any, post},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// What the server does wrong with the third message, and with no other.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// Nothing.
    None,
    /// Leaves out a sequence.
    Gap,
    /// Tells it again.
    Repeat,
    /// Tells the fourth before it.
    Swap,
    /// Never tells it.
    Lose,
    /// Tells something else.
    Alter,
}

/// A server that is one in this respect only: it gives out sessions and echoes.
async fn liar(lie: Lie) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upgrade = |State(lie): State<Lie>, upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(move |web| talk(web, lie))
    };
    let routes = Router::new()
        .route("/api/v1/access-token", post(async || Json(json!({"access_token": "a.b.c"}))))
        .route("/api/v1/sessions", post(async || Json(json!({"session_id": "s"}))))
        .route("/ws", any(upgrade))
        .with_state(lie);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn event(sequence: u64, kind: &str) -> Value {
    let kind = format!("EVENT_TYPE_{kind}");
    json!({"id": sequence.to_string(), "sequence": sequence, "type": kind, "payload": {}})
}

async fn talk(mut web: WebSocket, lie: Lie) {
    let mut sequence = 2;
    let mut messages = 0;
    let mut kept = Vec::new();
    let start = json!({"id": "b", "sequence": null, "type": "EVENT_TYPE_EVENT_BATCH",
        "payload": {"events": [event(1, "SESSION_START")]}});
    if web.send(Message::text(start.to_string())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = web.recv().await {
        let Message::Text(text) = message else { continue };
        let mut frame: Value = serde_json::from_str(&text).unwrap();
        let mut sent = Vec::new();
        if frame["type"] == "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN" {
            sent.push(event(2, "POLY_AGENT_LEFT"));
        } else {
            messages += 1;
            let is_third = messages == 3;
            if is_third && matches!(lie, Lie::Lose) {
                continue;
            }
            sequence += if is_third && matches!(lie, Lie::Gap) { 2 } else { 1 };
            frame["sequence"] = sequence.into();
            frame["id"] = sequence.to_string().into();
            match lie {
                Lie::Alter if is_third => frame["payload"]["text"] = "Never mind.".into(),
                Lie::Repeat if is_third => sent.push(frame.clone()),
                _ => {}
            }
            if is_third && matches!(lie, Lie::Swap) {
                kept.push(frame);
            } else {
                sent.push(frame);
                sent.append(&mut kept);
            }
        }
        for frame in sent {
            if web.send(Message::text(frame.to_string())).await.is_err() {
                return;
            }
        }
    }
}

async fn load(lie: Lie) -> (Output, Value) {
    let address = liar(lie).await.to_string();
    let running = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().unwrap();
        let own = ["--token", "t", "--host", "h", "--references", "none", "--json"];
        Command::new(env!("CARGO_BIN_EXE_segue"))
            .args(["load", "echo", "--url", &address, "--sessions", "1", "--depth", "2"])
            .args(own)
            .args(["--seconds", "0.3", "--warm-up", "0", "--runs", "1"])
            .current_dir(folder.path())
            .output()
            .unwrap()
    });
    let output = running.await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output, report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_wrong_answer_fails_and_it_says_why() {
    for (lie, faults) in [
        (Lie::None, &[][..]),
        (Lie::Gap, &["gap"]),
        (Lie::Repeat, &["repeat"]),
        (Lie::Swap, &["echo_out_of_turn", "gap", "late"]),
        (Lie::Lose, &["echo_lost", "echo_out_of_turn"]),
        (Lie::Alter, &["echo_altered"]),
    ] {
        let (output, report) = load(lie).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        let found: Vec<&String> = report["faults"].as_object().unwrap().keys().collect();
        assert_eq!(found, faults, "{lie:?}: {report}");
        let is_wrong = !faults.is_empty();
        assert_eq!(output.status.code(), Some(i32::from(is_wrong)), "{lie:?}: {errors}");
        assert_eq!(errors.contains("what was received is wrong"), is_wrong, "{lie:?}: {errors}");
        assert_eq!(report["is_right"], !is_wrong, "{lie:?}: {report}");
    }
}
