//! The server speaks TLS itself: everything is as without, and its certificate can be replaced.

use std::{fs, net::SocketAddr};

use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    bare::Bare,
    support::{Bot, Client, Identity, Logs, Running, Setup, within},
};

/// A server that speaks TLS with the files in this folder.
async fn start(bot: &Bot, folder: &TempDir) -> Running {
    Setup::new(bot).also(&Identity::toml(folder.path())).start().await
}

/// Until the server shows this certificate.
async fn until_shown(client: &Client, address: SocketAddr, identity: &Identity) {
    let shown = async { while client.shown(address).await != identity.der {} };
    within("the new certificate", shown).await;
}

#[tokio::test]
async fn a_conversation_over_tls_is_one_like_any_other() {
    let (bot, folder, identity) = (Bot::start().await, TempDir::new().unwrap(), Identity::new());
    identity.write(folder.path());
    for version in [&TLS12, &TLS13] {
        let server = start(&bot, &folder).await;
        let client = Client::with_versions(&[&identity], &[version]);
        let stream = client.connect(server.address()).await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let tunnel = client.tunnel_to(server.address()).await;
        let server = server.reached_at(tunnel);
        let session = server.session(json!({})).await;
        let mut talk = session.open_joined().await;
        let text = "x".repeat(100_000);
        talk.say(&text, "k-1").await;
        let echo = talk.seek("USER_MESSAGE").await;
        assert_eq!(echo["payload"]["text"], text);
        bot.asked().await.text("Over TLS.").await;
        talk.seek("POLY_AGENT_MESSAGE").await;
        assert_eq!(talk.close(4_002).await, 4_002);
        let mut talk = session.open_from(6).await;
        talk.end_session().await;
        assert_eq!(talk.closed().await.1, 1_000);
        server.stop().await;
    }
}

/// As rule 8.16 has it, and the close is not lost to a reset.
#[tokio::test]
async fn a_server_that_stops_answers_who_has_shaken_hands() {
    let (bot, folder, identity) = (Bot::start().await, TempDir::new().unwrap(), Identity::new());
    identity.write(folder.path());
    let server = start(&bot, &folder).await;
    let (address, client) = (server.address(), Client::new(&[&identity]));
    let server = server.reached_at(client.tunnel_to(address).await);
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut early = Bare::connect(session.address).await;
    // A byte of a request, so that the connection is known to be there.
    early.send(b"\r\n").await;
    talk.expect_nothing().await;
    let asks = async {
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        within("connecting to be refused", refused).await;
        early.upgrade(&session).await;
        (early.closed().await, talk.closed().await.1)
    };
    let ((), codes) = tokio::join!(server.stop(), asks);
    assert_eq!(codes, (1_013, 1_001));
}

#[tokio::test]
async fn a_new_certificate_is_used_at_once_and_open_sockets_stay() {
    let (bot, folder) = (Bot::start().await, TempDir::new().unwrap());
    let (old, new) = (Identity::new(), Identity::new());
    old.write(folder.path());
    let server = start(&bot, &folder).await;
    let (address, client) = (server.address(), Client::new(&[&old, &new]));
    let server = server.reached_at(client.tunnel_to(address).await);
    assert_eq!(client.shown(address).await, old.der);
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    new.write(folder.path());
    until_shown(&client, address, &new).await;
    talk.say("Still here?", "k-1").await;
    talk.expect("USER_MESSAGE").await;
    session.open_from(5).await.expect("EVENT_BATCH").await;
    server.stop().await;
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_replaces_nothing_and_is_warned_of() {
    let logs = Logs::capture();
    let (bot, folder) = (Bot::start().await, TempDir::new().unwrap());
    let (old, new) = (Identity::new(), Identity::new());
    old.write(folder.path());
    let server = start(&bot, &folder).await;
    let (address, client) = (server.address(), Client::new(&[&old, &new]));
    let place = folder.path().to_str().unwrap();
    let warned = async |of: &str| {
        let is_warned = || {
            let lines = logs.lines_with("the certificate is not replaced");
            lines.iter().any(|it| it.contains(place) && it.contains(of))
        };
        within(of, async {
            while !is_warned() {
                assert_eq!(client.shown(address).await, old.der);
            }
        })
        .await;
        assert_eq!(client.shown(address).await, old.der);
    };
    new.write_certificate(folder.path());
    warned("does not serve the certificate").await;
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    warned("holds no private key").await;
    fs::remove_file(folder.path().join("certificate.pem")).unwrap();
    warned("cannot read").await;
    new.write(folder.path());
    until_shown(&client, address, &new).await;
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_shake_hands_holds_nobody_up() {
    let (bot, folder, identity) = (Bot::start().await, TempDir::new().unwrap(), Identity::new());
    identity.write(folder.path());
    let server = start(&bot, &folder).await;
    let mut silent = Vec::new();
    for number in 0..50 {
        let mut tcp = TcpStream::connect(server.address()).await.unwrap();
        // Nothing at all, or the beginning of a hand-shake.
        if number % 2 == 0 {
            tcp.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
        }
        silent.push(tcp);
    }
    let client = Client::new(&[&identity]);
    within("a hand-shake beside them", client.shown(server.address())).await;
    server.stop().await;
}

/// It is known by what it takes from the network, not by what is encrypted for it.
#[tokio::test]
async fn a_reader_that_takes_nothing_is_given_up_over_tls_too() {
    let (bot, folder, identity) = (Bot::start().await, TempDir::new().unwrap(), Identity::new());
    identity.write(folder.path());
    let limits = "slow_reader_seconds = 1\nconnections_per_session = 2\nmessages_per_second = 0\n\
                  sockets_per_second = 0";
    let setup = Setup::new(&bot).limits(limits).also(&Identity::toml(folder.path()));
    let server = setup.start().await;
    let (address, client) = (server.address(), Client::new(&[&identity]));
    let server = server.reached_at(client.tunnel_to(address).await);
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    // A small window, so that not everything fits into the system's buffers.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = client.over(socket.connect(address).await.unwrap()).await;
    let head = format!(
        "GET /ws?session_id={}&access_token={}&cursor=4 HTTP/1.1\r\nHost: x\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: c2VndWUtaXQtdGVzdHM9PQ==\r\n\r\n",
        session.id, session.token,
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    let text = "x".repeat(120_000);
    for number in 0..80 {
        talk.say(&text, &format!("k-{number}")).await;
        talk.seek("USER_MESSAGE").await;
    }
    let admitted = async {
        loop {
            match session.socket_request("&cursor=4").upgrade().await {
                Ok(talk) => return talk,
                Err(answer) => assert_eq!(answer.status, 429, "its place is taken until then"),
            }
        }
    };
    within("its place", admitted).await.expect("EVENT_BATCH").await;
    server.stop().await;
}

/// Without a reset, and without an HTTP status, which clients would take for the end of their
/// conversation.
#[tokio::test]
async fn plain_http_on_the_port_of_tls_is_closed_without_an_answer_in_http() {
    let (bot, folder, identity) = (Bot::start().await, TempDir::new().unwrap(), Identity::new());
    identity.write(folder.path());
    let server = start(&bot, &folder).await;
    let mut tcp = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Fill: {}\r\n\r\n", "x".repeat(200_000));
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("the end", tcp.read_to_end(&mut answer)).await.expect("an end and no reset");
    assert!(!answer.windows(4).any(|it| it == b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    server.stop().await;
}
