//! The way to a socket, as a client goes it: two requests and an upgrade, with errors instead of
//! panics where the server may be dead.

use std::{io, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The connector's host.
pub const HOST: &str = "tallow.example";

/// Posts JSON and reads the whole answer.
pub async fn post(
    address: SocketAddr,
    path: &str,
    headers: &str,
    body: &Value,
) -> io::Result<(u16, Value)> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await?;
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let text = String::from_utf8(answer).map_err(|_| broken())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or_else(broken)?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// An access token of the connector with this token.
pub async fn access_token(address: SocketAddr, token: &str) -> io::Result<String> {
    let headers = format!("X-Token: {token}\r\nX-Host: {HOST}\r\n");
    let (status, body) = post(address, "/api/v1/access-token", &headers, &json!({})).await?;
    assert_eq!(status, 200, "{body}");
    Ok(body["access_token"].as_str().unwrap().to_owned())
}

/// A new session.
pub async fn session(address: SocketAddr, access_token: &str, body: &Value) -> io::Result<String> {
    let headers = format!("Authorization: Bearer {access_token}\r\n");
    let (status, body) = post(address, "/api/v1/sessions", &headers, body).await?;
    assert_eq!(status, 200, "{body}");
    Ok(body["session_id"].as_str().unwrap().to_owned())
}

/// The path of the upgrade; without a cursor for a client that knows nothing.
pub fn socket_path(session: &str, access_token: &str, cursor: Option<u64>) -> String {
    let cursor = cursor.map(|it| format!("&cursor={it}")).unwrap_or_default();
    format!("/ws?session_id={session}&access_token={access_token}{cursor}")
}

/// A message of the user under this `local_id`.
pub fn user_message(text: &str, local_id: &str) -> String {
    json!({
        "type": "EVENT_TYPE_USER_MESSAGE",
        "payload": {"text": text},
        "metadata": {"custom": {"local_id": local_id}},
    })
    .to_string()
}

/// A frame without a payload.
pub fn plain(kind: &str) -> String {
    json!({"type": format!("EVENT_TYPE_{kind}"), "payload": {}}).to_string()
}
