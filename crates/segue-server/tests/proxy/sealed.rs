//! Secrets that stand sealed in the configuration.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpListener,
};

use crate::{
    client,
    command::{refusal, said, segue, segue_with},
    program::Launch,
    raw::{Raw, text},
};

const TOKEN: &str = "shop-token-5f1c";
const SECRET: &str = "bot-secret-91b7";

async fn seal(folder: &Path, secret: &str) -> String {
    let sealed = said(&segue_with(folder, &["secret", "seal"], &format!("{secret}\n")).await);
    let sealed = sealed.trim_end();
    assert!(sealed.starts_with("sealed:v1:") && !sealed.contains(secret), "{sealed}");
    sealed.to_owned()
}

fn configure(folder: &Path, token: &str, bot: SocketAddr, secret: &str) {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
[[connectors]]
id = "shop"
token = "{token}"
hosts = ["{host}"]
bot = "ada"
[[bots]]
id = "ada"
kind = "http"
name = "Ada"
url = "http://{bot}/turn"
secret = "{secret}"
"#,
        host = client::HOST,
    );
    fs::write(folder.join("segue.toml"), text).unwrap();
}

/// Whether the next request of the server is signed with this secret.
async fn is_signed(listener: &TcpListener, secret: &str) -> bool {
    let mut stream = BufReader::new(listener.accept().await.unwrap().0);
    let (mut timestamp, mut signature, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-segue-timestamp" => timestamp = value.to_owned(),
            "x-segue-signature" => signature = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(&body);
    format!("{:x}", mac.finalize().into_bytes()) == signature
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_opens_what_is_sealed_in_its_configuration() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let bot = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (token, secret) = (seal(folder, TOKEN).await, seal(folder, SECRET).await);
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/secrets.key")), (0o700, 0o600));
    configure(folder, &token, bot.local_addr().unwrap(), &secret);
    assert_eq!(said(&segue(folder, &["config", "check"]).await), "the configuration is valid\n");

    let program = Launch::serve(folder, &[]).start().await;
    let access = client::access_token(program.address(), TOKEN).await.unwrap();
    let headers = format!("X-Token: {token}\r\nX-Host: {}\r\n", client::HOST);
    let path = "/api/v1/access-token";
    let (status, _) = client::post(program.address(), path, &headers, &json!({})).await.unwrap();
    assert_eq!(status, 401, "what stands in the file opens nothing");
    let id = client::session(program.address(), &access, &json!({})).await.unwrap();
    let socket_path = client::socket_path(&id, &access, None);
    let mut socket = Raw::open(program.address(), &socket_path).await;
    socket.send(&text(&client::plain("REQUEST_POLY_AGENT_JOIN"))).await;
    assert!(is_signed(&bot, SECRET).await);
    program.terminate();
    program.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_is_a_fault_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let bot = "127.0.0.1:9".parse().unwrap();
    let (token, secret) = (seal(folder, TOKEN).await, seal(folder, SECRET).await);
    configure(folder, &token, bot, &secret);
    let key = folder.join("data/secrets.key");
    // There is none, there is another one, there is something else.
    fs::remove_file(&key).unwrap();
    let refused = refusal(&segue(folder, &["config", "check"]).await, 2);
    assert!(refused.contains("there is no key in data/secrets.key"), "{refused}");
    assert!(refused.contains("connectors.shop.token: a sealed secret cannot be"), "{refused}");
    assert!(!key.exists(), "a look makes no key");
    fs::remove_file(folder.join("segue.toml")).unwrap();
    seal(folder, "another").await;
    configure(folder, &token, bot, &secret);
    for words in [&["config", "check"][..], &["serve"]] {
        let refused = refusal(&segue(folder, words).await, 2);
        for name in ["connectors.shop.token", "bots.ada.secret"] {
            let expected = format!("{name}: a sealed secret cannot be opened with this key");
            assert!(refused.contains(&expected), "{refused}");
        }
    }
    fs::write(&key, "short").unwrap();
    let refused = refusal(&segue(folder, &["config", "check"]).await, 2);
    assert!(refused.contains("data/secrets.key is not 32 bytes"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_secret_of_one_line_is_sealed() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let long = "x".repeat(4_097);
    for (input, complaint) in [
        ("", "standard input is empty"),
        ("\n", "standard input is empty"),
        ("two\nlines\n", "more than one line"),
        (long.as_str(), "at most 4096 bytes"),
        ("sealed:v1:abc", "sealed already"),
    ] {
        let refused = refusal(&segue_with(folder, &["secret", "seal"], input).await, 2);
        assert!(refused.contains(complaint), "{refused}");
    }
    assert!(!folder.join("data").exists(), "no key is made for nothing");
    fs::write(folder.join("segue.toml"), "[store]\nurl = \"memory:\"\n").unwrap();
    let refused = refusal(&segue_with(folder, &["secret", "seal"], "secret").await, 2);
    assert!(refused.contains("no data folder to keep the key in"), "{refused}");
    // The same secret is never sealed in the same way twice.
    fs::remove_file(folder.join("segue.toml")).unwrap();
    assert_ne!(seal(folder, &long[1..]).await, seal(folder, &long[1..]).await);
}
