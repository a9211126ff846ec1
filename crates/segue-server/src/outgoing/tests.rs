use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use super::*;

fn default_client() -> Client {
    client(&OutgoingLimits::default()).unwrap()
}

/// Takes one connection and answers whatever comes first on it.
fn answer_one(listener: &TcpListener, answer: &str) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    let first = read_some(&mut stream);
    // The client may have seen enough.
    let _ = stream.write_all(answer.as_bytes());
    first
}

fn read_some(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes).unwrap();
    bytes[..read].to_vec()
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (listener, address) = listener();
    // Nobody listens there any more, so that following fails.
    let (_, elsewhere) = self::listener();
    let answer = format!(
        "HTTP/1.1 307 Over There\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
    );
    let serving = thread::spawn(move || answer_one(&listener, &answer));
    let response = default_client().post(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(response.status(), 307);
    let request = String::from_utf8(serving.join().unwrap()).unwrap();
    assert!(request.contains("\r\nuser-agent: segue/"), "{request}");
}

#[tokio::test]
async fn nothing_but_http_and_https_is_spoken() {
    for url in ["ftp://127.0.0.1/", "file:///dev/null", "unix:/run/bot.sock"] {
        let error = default_client().get(url).send().await.unwrap_err();
        assert!(error.is_builder(), "{error:?}");
    }
}

#[tokio::test]
async fn https_speaks_tls() {
    let (listener, address) = listener();
    let serving = thread::spawn(move || answer_one(&listener, "no TLS"));
    let error = default_client().get(format!("https://{address}/")).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    // A record of the kind "handshake", of TLS.
    assert_eq!(serving.join().unwrap()[..2], [0x16, 0x03]);
}

#[tokio::test]
async fn a_server_that_accepts_nobody_is_given_up() {
    // A listener with no room: whoever comes now waits for an answer to its first packet.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _occupant = tokio::net::TcpStream::connect(address).await.unwrap();
    let limits = OutgoingLimits { connect_ms_max: 50, ..OutgoingLimits::default() };
    let error =
        client(&limits).unwrap().get(format!("http://{address}/")).send().await.unwrap_err();
    assert!(error.is_connect() && error.is_timeout(), "{error:?}");
}

const CHILD_TARGET: &str = "SEGUE_TEST_TARGET";

/// Asks a server with the client as it is in another environment: `test` runs once more, in a
/// process of its own, where it finds whom to ask.
async fn check_in_environment(test: &str, environment: &[(&str, &str)]) {
    if let Ok(target) = std::env::var(CHILD_TARGET) {
        assert_eq!(default_client().get(target).send().await.unwrap().status(), 204);
        return;
    }
    let (listener, address) = listener();
    let serving = thread::spawn(move || {
        answer_one(&listener, "HTTP/1.1 204 No Content\r\n\r\n");
    });
    let module = module_path!().split_once("::").unwrap().1;
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{test}")])
        .env(CHILD_TARGET, format!("http://{address}/"))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && printed.contains("1 passed"), "{printed}");
    serving.join().unwrap();
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    // Nobody listens there any more, so that a request by way of it fails.
    let (_, address) = listener();
    let proxy = format!("http://{address}");
    let environment = ["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|it| (it, &*proxy));
    let exceptions = ["NO_PROXY", "no_proxy"].map(|it| (it, ""));
    let environment = [&environment[..], &exceptions].concat();
    check_in_environment("a_proxy_in_the_environment_is_not_used", &environment).await;
}

#[tokio::test]
async fn a_client_is_built_on_a_machine_without_certificates() {
    let environment = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")];
    check_in_environment("a_client_is_built_on_a_machine_without_certificates", &environment).await;
}
