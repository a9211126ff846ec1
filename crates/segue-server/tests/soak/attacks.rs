//! What strangers do to a server. Nothing here may fail: whatever the server does about it is fine,
//! as long as nobody else notices.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::{
    TOKEN, client,
    dice::Dice,
    raw::{self, Raw},
};

/// Other addresses than those of people, who come from 127.0.0.1.
const ADDRESSES: u64 = 12;

/// One attack of some kind.
pub async fn any(server: SocketAddr, dice: &mut Dice) {
    // The other end may close whenever it likes.
    let _: io::Result<()> = match dice.below(40) {
        // Seldom: it fills the disk.
        0 => slow_reader(server, dice).await,
        1..=6 => fuzzed_requests(server, dice).await,
        7..=12 => slow_request(server, dice).await,
        13..=18 => half_open(server, dice).await,
        19..=22 => flood_of_one(server, dice).await,
        23..=28 => flood_of_many(server, dice).await,
        29..=34 => fuzzed_frames(server, dice).await,
        _ => endless_frame(server, dice).await,
    };
}

async fn connect(server: SocketAddr, dice: &mut Dice) -> io::Result<TcpStream> {
    let last = u8::try_from(2 + dice.below(ADDRESSES)).expect("an address has small numbers");
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    timeout(Duration::from_secs(2), socket.connect(server)).await?
}

/// Reads for a while; whatever comes.
async fn listen(tcp: &mut TcpStream, while_ms: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(Duration::from_millis(while_ms), tcp.read_to_end(&mut bytes)).await;
    bytes
}

fn noise(dice: &mut Dice, length: u64) -> Vec<u8> {
    (0..length).map(|_| dice.any().to_le_bytes()[0]).collect()
}

/// A request that was right before some of its bytes were changed.
async fn fuzzed_requests(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let right = format!(
        "POST /api/v1/access-token HTTP/1.1\r\nHost: localhost\r\nX-Token: {TOKEN}\r\nX-Host: {}\r\n\
         Content-Length: 2\r\n\r\n{{}}",
        client::HOST
    );
    for _ in 0..10 {
        let mut bytes = right.clone().into_bytes();
        for _ in 0..dice.below(6) {
            let at = usize::try_from(dice.below(bytes.len() as u64)).expect("an index");
            match dice.below(3) {
                0 => bytes[at] = dice.any().to_le_bytes()[0],
                1 => bytes.truncate(at.max(1)),
                _ => bytes.splice(at..at, noise(dice, 20)).for_each(drop),
            }
        }
        let mut tcp = connect(server, dice).await?;
        tcp.write_all(&bytes).await?;
        listen(&mut tcp, 50).await;
    }
    Ok(())
}

/// A byte now and then: of the headers, or of a body.
async fn slow_request(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut tcp = connect(server, dice).await?;
    if dice.below(2) == 0 {
        tcp.write_all(
            b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x",
        )
        .await?;
        tcp.write_all(b"\r\nContent-Length: 1000\r\n\r\n").await?;
    }
    for _ in 0..20 {
        tcp.write_all(b"a").await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Connections on which nothing is ever said.
async fn half_open(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut open = Vec::new();
    for _ in 0..60 {
        open.push(connect(server, dice).await?);
    }
    sleep(Duration::from_millis(dice.below(1_500))).await;
    Ok(())
}

async fn ask(mut tcp: TcpStream, path: &str, headers: &str, body: &str) -> io::Result<String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(request.as_bytes()).await?;
    Ok(String::from_utf8_lossy(&listen(&mut tcp, 3_000).await).into_owned())
}

fn token_headers() -> String {
    format!("X-Token: {TOKEN}\r\nX-Host: {}\r\n", client::HOST)
}

async fn flood_of_one(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut same = dice.clone();
    for _ in 0..100 {
        // The same throw each time: the same address.
        let tcp = connect(server, &mut same.clone()).await?;
        ask(tcp, "/api/v1/access-token", &token_headers(), "{}").await?;
    }
    same.any();
    *dice = same;
    Ok(())
}

async fn flood_of_many(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let tcp = connect(server, dice).await?;
        flood.spawn(async move {
            let _ = ask(tcp, "/api/v1/access-token", &token_headers(), "{}").await;
        });
    }
    flood.join_all().await;
    Ok(())
}

/// The value of a member of a body, as text.
fn member(answer: &str, name: &str) -> io::Result<String> {
    let missing = || io::Error::from(io::ErrorKind::InvalidData);
    let body = answer.split("\r\n\r\n").nth(1).ok_or_else(missing)?;
    let body: serde_json::Value = serde_json::from_str(body).map_err(|_| missing())?;
    Ok(body[name].as_str().ok_or_else(missing)?.to_owned())
}

/// A socket of a session of one's own; an error where the server has had enough.
async fn socket(server: SocketAddr, dice: &mut Dice) -> io::Result<Raw> {
    let tcp = connect(server, dice).await?;
    let answer = ask(tcp, "/api/v1/access-token", &token_headers(), "{}").await?;
    let token = member(&answer, "access_token")?;
    let tcp = connect(server, dice).await?;
    let headers = format!("Authorization: Bearer {token}\r\n");
    let answer = ask(tcp, "/api/v1/sessions", &headers, "{}").await?;
    let path = client::socket_path(&member(&answer, "session_id")?, &token, None);
    let tcp = connect(server, dice).await?;
    let upgraded = timeout(Duration::from_secs(3), Raw::upgrade(tcp, &path)).await??;
    match upgraded {
        (101, raw) => Ok(raw),
        _ => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}

async fn fuzzed_frames(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut raw = socket(server, dice).await?;
    raw.send(&raw::text(&client::plain("REQUEST_POLY_AGENT_JOIN"))).await;
    for _ in 0..200 {
        let bytes = match dice.below(5) {
            0 => {
                let length = dice.below(200);
                noise(dice, length)
            }
            1 => {
                let first = dice.any().to_le_bytes()[0];
                let payload = noise(dice, 100);
                raw::frame_with(first, &payload, Some([1, 2, 3, 4]))
            }
            2 => {
                let mut json = client::user_message("when are you open?", "x").into_bytes();
                let at = usize::try_from(dice.below(json.len() as u64)).expect("an index");
                json[at] = dice.any().to_le_bytes()[0];
                raw::frame(raw::TEXT, &json)
            }
            3 => raw::text(&"[".repeat(100_000)),
            _ => raw::text(&json!({"type": "EVENT_TYPE_HEARTBEAT", "payload": {}}).to_string()),
        };
        raw.send(&bytes).await;
    }
    Ok(())
}

/// Says much, reads nothing.
async fn slow_reader(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut raw = socket(server, dice).await?;
    raw.send(&raw::text(&client::plain("REQUEST_POLY_AGENT_JOIN"))).await;
    let words = "x".repeat(100_000);
    for number in 0..30 {
        let message = raw::text(&client::user_message(&words, &format!("{number}")));
        let sent = timeout(Duration::from_millis(500), raw.send(&message)).await;
        if sent.is_err() {
            break;
        }
    }
    sleep(Duration::from_millis(dice.below(3_000))).await;
    Ok(())
}

/// A message of many frames without a last one.
async fn endless_frame(server: SocketAddr, dice: &mut Dice) -> io::Result<()> {
    let mut raw = socket(server, dice).await?;
    let part = vec![b' '; 10_000];
    raw.send(&raw::frame_with(raw::TEXT, &part, Some([1, 2, 3, 4]))).await;
    for _ in 0..30 {
        raw.send(&raw::frame_with(0, &part, Some([1, 2, 3, 4]))).await;
        raw.send(&raw::frame(raw::PING, b"still here")).await;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
