//! The whole client against a server that says what the test wants it to say.

use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};

use super::*;
use crate::chat::{
    Options,
    address::Address,
    handshake::{self, HandshakeError},
    screen::Own,
    terminal::{Look, Terminal},
    transcript::Transcript,
};

mod paper;
mod server;

use paper::Paper;
use server::{Peer, Server};

/// A client at work.
struct Client {
    lines: mpsc::Sender<Line>,
    paper: Paper,
    notices: Paper,
    work: JoinHandle<anyhow::Result<()>>,
}

fn options(server: &Server) -> Options {
    let url = format!("http://{}", server.address);
    Options { url, json: false, token: None, host: None, whole: false, trusted: None }
}

impl Client {
    async fn start(server: &Server, manner: Manner) -> Self {
        let options = options(server);
        let address = Address::parse(&options.url).unwrap();
        let session = handshake::begin(&address, &options).await.unwrap();
        let (lines, receiver) = mpsc::channel(8);
        let (paper, notices) = (Paper::default(), Paper::default());
        let out = Box::new(paper.clone());
        let screen = match manner {
            Manner::Program => Screen::Frames { out, notices: Box::new(notices.clone()) },
            Manner::Person | Manner::Script => Screen::Words {
                terminal: Terminal::new(out, Look::Plain),
                transcript: Transcript::default(),
                own: if manner == Manner::Person { Own::Typed } else { Own::Shown },
            },
        };
        let link = Link::new(address, session, None);
        let interrupt = Box::pin(std::future::pending());
        let talk = Talk::new(manner, link, screen, receiver, interrupt);
        Self { lines, paper, notices, work: tokio::spawn(talk.run()) }
    }

    async fn enter(&self, line: &str) {
        self.lines.send(Line::Text(line.to_owned())).await.unwrap();
    }

    /// Waits until it has ended by itself.
    async fn ended(self) -> (Result<(), String>, String) {
        let result = server::soon(self.work).await.unwrap();
        (result.map_err(|it| it.to_string()), self.paper.text())
    }
}

/// A client and the server's end of its socket; the bot has joined.
async fn joined(server: &mut Server, manner: Manner) -> (Client, Peer) {
    let client = Client::start(server, manner).await;
    let mut peer = server.socket().await;
    peer.begin().await;
    assert_eq!(peer.receive().await["type"], "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN");
    peer.event("POLY_AGENT_JOINED", 2, json!({"agent_name": "Ada"})).await;
    peer.event("POLY_AGENT_MESSAGE", 3, json!({"text": "Hello."})).await;
    (client, peer)
}

fn local_id(frame: &Value) -> &str {
    frame["metadata"]["custom"]["local_id"].as_str().unwrap()
}

#[tokio::test]
async fn a_conversation_is_begun_held_and_left() {
    let mut server = Server::start().await;
    let (client, mut peer) = joined(&mut server, Manner::Person).await;
    assert_eq!(peer.query, "session_id=s-1");
    assert_eq!(peer.protocols, "segue.v1, bearer.a.b.c");
    let access = server.request("/api/v1/access-token");
    assert_eq!((access.header("x-token"), access.header("x-host")), ("demo-token", "localhost"));
    let session = server.request("/api/v1/sessions");
    assert_eq!(session.header("authorization"), "Bearer a.b.c");
    let body: Value = serde_json::from_str(&session.body).unwrap();
    assert_eq!(body, json!({"streaming_enabled": true, "platform": "custom"}));

    client.enter("when are you open?").await;
    let said = peer.receive().await;
    assert_eq!(said["payload"], json!({"text": "when are you open?"}));
    peer.echo(4, &said).await;
    let chunk = |text: &str, is_complete: bool| {
        let suggestions =
            if is_complete { json!([{"message_text": "And on Sunday?"}]) } else { json!([]) };
        json!({"message_id": "m", "text": text, "is_complete": is_complete,
            "response_suggestions": suggestions})
    };
    peer.event("POLY_AGENT_MESSAGE_CHUNK", 5, chunk("From nine ", false)).await;
    client.paper.shows("Ada: From nine ").await;
    peer.event("POLY_AGENT_MESSAGE_CHUNK", 6, chunk("to six.", true)).await;
    client.paper.shows("to six.\n  [1] And on Sunday?\n").await;

    client.enter("1").await;
    let picked = peer.receive().await;
    assert_eq!(picked["payload"], json!({"text": "And on Sunday?"}));
    assert_ne!(local_id(&picked), local_id(&said));
    client.paper.shows("You: And on Sunday?\n").await;
    peer.echo(7, &picked).await;
    peer.event("POLY_AGENT_MESSAGE", 8, json!({"text": "Closed."})).await;
    client.paper.shows("Ada: Closed.\n").await;
    client.enter("/quit").await;
    assert_eq!(peer.closed().await, Some(1000));
    let (result, shown) = client.ended().await;
    assert_eq!(result, Ok(()));
    assert!(!shown.contains("You: when"), "it stands where it was typed");
}

#[tokio::test]
async fn an_outage_loses_and_doubles_nothing() {
    let mut server = Server::start().await;
    let (client, mut peer) = joined(&mut server, Manner::Person).await;
    client.enter("one").await;
    let first = peer.receive().await;
    peer.event("POLY_AGENT_MESSAGE_CHUNK", 4, json!({"message_id": "m", "text": "So "})).await;
    client.paper.shows("So ").await;
    let address = server.die().await;
    drop(peer);
    client.paper.shows("connection lost, reconnecting\n").await;
    client.enter("two").await;

    let mut server = Server::start_at(address).await;
    let mut peer = server.socket().await;
    assert_eq!(peer.query, "session_id=s-1&cursor=4");
    assert_eq!(peer.protocols, "segue.v1, bearer.a.b.c");
    peer.begin().await;
    let again = peer.receive().await;
    assert_eq!(again, first, "the same frame with the same key");
    peer.echo(5, &again).await;
    let second = peer.receive().await;
    assert_eq!(second["payload"]["text"], "two");
    peer.echo(6, &second).await;
    let rest = json!({"message_id": "m", "text": "it goes on.", "is_complete": true});
    peer.event("POLY_AGENT_MESSAGE_CHUNK", 7, rest).await;
    client.paper.shows("it goes on.\n").await;
    client.enter("/quit").await;
    peer.closed().await;
    let (result, shown) = client.ended().await;
    assert_eq!(result, Ok(()));
    assert_eq!(shown.matches("connection lost").count(), 1, "{shown}");
    assert_eq!(shown.matches("* back\n").count(), 1, "{shown}");
    assert_eq!(shown.matches("Ada joined").count(), 1, "{shown}");
}

#[tokio::test]
async fn a_server_that_is_overloaded_is_asked_again() {
    let mut server = Server::start().await;
    let (client, peer) = joined(&mut server, Manner::Person).await;
    server.refuse(503, "overloaded");
    peer.close(1013).await;
    client.paper.shows("connection lost, reconnecting\n").await;
    server.refused().await;
    server.accept();
    let mut peer = server.socket().await;
    peer.begin().await;
    client.paper.shows("* back\n").await;
    client.enter("/quit").await;
    assert_eq!(peer.closed().await, Some(1000));
    assert_eq!(client.ended().await.0, Ok(()));
}

#[tokio::test]
async fn a_refusal_that_is_final_ends_it() {
    for (status, message, error) in [
        (404, "session not found", "the server does not know this conversation any more"),
        (
            401,
            "authentication failed",
            "the server refused to open the conversation: 401, authentication failed",
        ),
    ] {
        let mut server = Server::start().await;
        let (client, peer) = joined(&mut server, Manner::Person).await;
        server.refuse(status, message);
        peer.close(1001).await;
        assert_eq!(client.ended().await.0, Err(error.to_owned()));
    }
}

#[tokio::test]
async fn a_session_that_is_taken_away_is_not_asked_for_again() {
    let mut server = Server::start().await;
    let (client, peer) = joined(&mut server, Manner::Person).await;
    peer.close(4001).await;
    let error = "the server took this conversation away (close code 4001)";
    assert_eq!(client.ended().await.0, Err(error.to_owned()));
}

#[tokio::test]
async fn the_end_is_asked_for_and_awaited() {
    let mut server = Server::start().await;
    let (client, mut peer) = joined(&mut server, Manner::Person).await;
    client.enter("bye").await;
    client.enter("/end").await;
    let said = peer.receive().await;
    peer.echo(4, &said).await;
    assert_eq!(peer.receive().await["type"], "EVENT_TYPE_USER_END_SESSION");
    peer.event("SESSION_END", 5, json!({"reason": "REASON_USER_END"})).await;
    assert_eq!(peer.close(1000).await, Some(1000), "the close is answered");
    let (result, shown) = client.ended().await;
    assert_eq!(result, Ok(()));
    assert!(shown.ends_with("* you ended the conversation\n"), "{shown}");
}

#[tokio::test]
async fn who_leaves_with_a_message_in_the_air_is_told() {
    let mut server = Server::start().await;
    let (client, mut peer) = joined(&mut server, Manner::Person).await;
    client.enter("one").await;
    peer.receive().await;
    client.enter("/quit").await;
    peer.closed().await;
    let error = "messages that the server has not confirmed: 1";
    assert_eq!(client.ended().await.0, Err(error.to_owned()));
}

#[tokio::test]
async fn a_script_waits_for_the_answer_before_it_goes_on() {
    let mut server = Server::start().await;
    let client = Client::start(&server, Manner::Script).await;
    client.enter("1").await;
    client.enter("/end").await;
    let mut peer = server.socket().await;
    peer.begin().await;
    assert_eq!(peer.receive().await["type"], "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN");
    peer.event("POLY_AGENT_JOINED", 2, json!({"agent_name": "Ada"})).await;
    let greeting = json!({"text": "Hello.", "response_suggestions": [{"message_text": "Hi"}]});
    peer.event("POLY_AGENT_MESSAGE", 3, greeting).await;
    let said = peer.receive().await;
    assert_eq!(said["payload"]["text"], "Hi", "the number was read after the greeting");
    peer.echo(4, &said).await;
    peer.event("POLY_AGENT_MESSAGE", 5, json!({"text": "What now?"})).await;
    assert_eq!(peer.receive().await["type"], "EVENT_TYPE_USER_END_SESSION");
    peer.event("SESSION_END", 6, json!({"reason": "REASON_USER_END"})).await;
    peer.close(1000).await;
    let (result, shown) = client.ended().await;
    assert_eq!(result, Ok(()));
    assert_eq!(
        shown,
        "* Ada joined\nAda: Hello.\n  [1] Hi\nYou: Hi\nAda: What now?\n\
         * you ended the conversation\n"
    );
}

#[tokio::test]
async fn a_program_gets_every_frame_as_it_was_and_leaves_when_all_is_answered() {
    let mut server = Server::start().await;
    let client = Client::start(&server, Manner::Program).await;
    client.enter("1").await;
    let Client { lines, paper, notices, work } = client;
    drop(lines);
    let mut peer = server.socket().await;
    let start = peer.begin().await;
    let join = peer.receive().await;
    let said = peer.receive().await;
    assert_eq!(said["payload"]["text"], "1");
    let joined = peer.event("POLY_AGENT_JOINED", 2, json!({"agent_name": "Ada"})).await;
    let echo = peer.echo(3, &said).await;
    let odd = "{ \"type\":\"NEW\",\n\"sequence\": null }";
    peer.send(odd).await;
    let answer = peer.event("POLY_AGENT_MESSAGE", 4, json!({"text": "Yes."})).await;
    assert_eq!(peer.closed().await, Some(1000));
    server::soon(work).await.unwrap().unwrap();

    let shown = paper.text();
    let lines: Vec<&str> = shown.lines().collect();
    let received: Vec<&str> =
        lines.iter().filter(|it| !it.starts_with("{\"sent\":")).copied().collect();
    let odd = odd.replace('\n', " ");
    assert_eq!(received, [&start, &joined, &echo, &odd, &answer]);
    let sent = lines.iter().filter(|it| it.starts_with("{\"sent\":"));
    let sent: Vec<Value> = sent.map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(sent, [json!({"sent": join}), json!({"sent": said})]);
    assert_eq!(notices.text(), "");
}

#[tokio::test]
async fn without_a_demo_connector_it_says_what_to_pass() {
    let server = Server::start_without_demo().await;
    let mut options = options(&server);
    let address = Address::parse(&options.url).unwrap();
    let error = handshake::begin(&address, &options).await.err().unwrap();
    assert!(matches!(error, HandshakeError::NoToken(_)));
    assert!(error.to_string().contains("--token"), "{error}");

    options.token = Some("mine".to_owned());
    options.whole = true;
    handshake::begin(&address, &options).await.unwrap();
    let access = server.request("/api/v1/access-token");
    assert_eq!((access.header("x-token"), access.header("x-host")), ("mine", "127.0.0.1"));
    assert!(server.request("/api/v1/sessions").body.contains("\"streaming_enabled\":false"));
    options.host = Some("shop.example".to_owned());
    handshake::begin(&address, &options).await.unwrap();
    assert_eq!(server.request("/api/v1/access-token").header("x-host"), "shop.example");
}

#[tokio::test]
async fn a_refused_token_and_an_absent_server_are_told_apart() {
    let server = Server::start().await;
    let mut options = options(&server);
    options.token = Some("wrong".to_owned());
    let address = Address::parse(&options.url).unwrap();
    let error = handshake::begin(&address, &options).await.err().unwrap().to_string();
    let refused = "/api/v1/access-token: 401 Unauthorized, Connector token does not exist";
    assert!(error.ends_with(refused), "{error}");
    server.die().await;
    let error = handshake::begin(&address, &options).await.err().unwrap().to_string();
    assert!(error.starts_with("cannot reach http://127.0.0.1:"), "{error}");
    assert!(error.contains("refused"), "{error}");
    assert!(error.ends_with("(is `segue serve` running?)"), "{error}");
}
