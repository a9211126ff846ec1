//! Limits that count addresses, and whose address it is behind a proxy.

use std::net::SocketAddr;

use segue_server::{
    config::{Config, Environment, Secret},
    http::DemoConnector,
    server::{Server, Tweaks},
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::support::{Bot, Request, Running, SHOP_TOKEN, Session, Setup, within};

const FORWARDED_FOR: &str = "X-Forwarded-For";
/// One permit at once, and the next one in a second, so that a test neither waits nor goes on for
/// ever on a slow machine.
const SLOW: &str = "handshakes_per_second = 1\nhandshakes_burst = 1";

async fn behind_a_proxy(limits: &str) -> Running {
    let setup = Setup::new(&Bot::start().await).limits(limits);
    setup.server("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]").start().await
}

fn from(server: &Running, client: &str) -> Request {
    server.token_request().header(FORWARDED_FOR, client)
}

/// Asks until it is refused, which has to happen.
async fn use_up(what: impl Fn() -> Request) {
    for _ in 0..10_000 {
        let answer = what().send().await;
        if answer.status != 200 {
            return answer.expect_refusal(429, "Rate limit exceeded", "rate_limited");
        }
    }
    panic!("nothing is ever refused");
}

#[tokio::test]
async fn behind_a_trusted_proxy_every_address_has_its_own_rate() {
    let server = behind_a_proxy(SLOW).await;
    use_up(|| from(&server, "203.0.113.7")).await;
    assert_eq!(from(&server, "203.0.113.8").send().await.status, 200);
    // The same one by another way, and with words of its own in front.
    use_up(|| from(&server, "203.0.113.7, 10.1.2.3")).await;
    use_up(|| from(&server, "198.51.100.1, 203.0.113.7")).await;
    use_up(|| from(&server, "198.51.100.1").header_again(FORWARDED_FOR, "203.0.113.7")).await;
    use_up(|| from(&server, "::ffff:203.0.113.7")).await;
    // A whole network is one subscriber.
    use_up(|| from(&server, "2001:db8:1:2::1")).await;
    use_up(|| from(&server, "2001:db8:1:2:ffff::9")).await;
    assert_eq!(from(&server, "2001:db8:1:3::1").send().await.status, 200);
}

#[tokio::test]
async fn addresses_that_one_subscriber_changes_share_one_rate() {
    let server = behind_a_proxy("handshakes_per_second = 1\nhandshakes_burst = 3").await;
    for number in 0..10_000 {
        let answer = from(&server, &format!("2001:db8:1:2::{number:x}")).send().await;
        if answer.status == 429 {
            return;
        }
    }
    panic!("a subscriber has a rate for each of his addresses");
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let server = Setup::new(&Bot::start().await).limits(SLOW).start().await;
    for number in 0..10_000 {
        let answer =
            from(&server, &format!("203.0.{}.{}", number / 200, number % 200)).send().await;
        if answer.status == 429 {
            return;
        }
    }
    panic!("whoever writes the header has a rate for each address that he makes up");
}

#[tokio::test]
async fn a_header_that_cannot_be_read_counts_as_none() {
    let server = behind_a_proxy("handshakes_per_second = 1\nhandshakes_burst = 20").await;
    let garbage: [&[u8]; 6] = [b"unknown", b"203.0.113.7,", b"", b"\xff", b"[::1", b"1.2.3.4.5"];
    for number in 0..10_000 {
        let request = server.token_request().header(FORWARDED_FOR, garbage[number % garbage.len()]);
        if request.send().await.status == 429 {
            // They are all the proxy's own; whoever can be told apart is not among them.
            assert_eq!(server.token_request().send().await.status, 429);
            assert_eq!(from(&server, "203.0.113.7").send().await.status, 200);
            return;
        }
    }
    panic!("nothing is ever refused");
}

/// Two connectors, one of them with a rate for all its addresses.
async fn two_connectors(bot: &Bot) -> Running {
    let mill = r#"
[[connectors]]
id = "mill"
token = "mill-token-22"
hosts = ["tallow.example"]
bot = "wick"
"#;
    let setup = Setup::new(bot).server("trusted_proxies = [\"127.0.0.1\"]").also(mill);
    let rate = "connector_handshakes_per_second = 1\nconnector_handshakes_burst = 5";
    setup.connector(rate).start().await
}

/// Covers 1.40.
#[tokio::test]
async fn a_connector_has_a_rate_for_all_addresses_together() {
    let server = two_connectors(&Bot::start().await).await;
    let access_token = server.access_token().await;
    let mut address = 0_u32;
    let mut any = || {
        address += 1;
        std::net::Ipv4Addr::from(0x0b00_0000 + address).to_string()
    };
    let mut let_through = 0;
    while from(&server, &any()).send().await.status == 200 {
        let_through += 1;
        assert!(let_through < 10_000, "nothing is ever refused");
    }
    assert!(let_through >= 4, "only {let_through} were let through");
    let session = server.session_request(&access_token, &json!({}));
    let session = session.header(FORWARDED_FOR, any());
    session.send().await.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    let mill = from(&server, &any()).header("X-Token", "mill-token-22").send().await;
    assert_eq!(mill.status, 200, "the other connector's users");
}

#[tokio::test]
async fn who_is_over_its_own_rate_uses_up_nothing_of_the_connector() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).server("trusted_proxies = [\"127.0.0.1\"]").limits(SLOW);
    let rate = "connector_handshakes_per_second = 1\nconnector_handshakes_burst = 1000";
    let server = setup.connector(rate).start().await;
    let mut refused = 0;
    while refused < 1_500 {
        refused += usize::from(from(&server, "203.0.113.7").send().await.status == 429);
    }
    assert_eq!(from(&server, "203.0.113.8").send().await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_none_counts_against_its_address() {
    let server = Setup::new(&Bot::start().await).limits(SLOW).start().await;
    let invalid = || server.session_request("no token", &json!({}));
    for _ in 0..10_000 {
        let answer = invalid().send().await;
        if answer.status == 429 {
            return answer.expect_refusal(429, "Rate limit exceeded", "rate_limited");
        }
        answer.expect_refusal(401, "Invalid access token", "invalid_access_token");
    }
    panic!("tokens may be guessed at any rate");
}

/// Covers 1.41.
#[tokio::test]
async fn an_address_that_opens_sockets_too_fast_is_told_to_come_again() {
    let slow = "sockets_per_second = 1\nsockets_burst = 2";
    let server = Setup::new(&Bot::start().await).limits(slow).start().await;
    let session = server.session(json!({})).await;
    for _ in 0..1_000 {
        let mut talk = session.open().await;
        let Err(code) = talk.frame_or_close().await else {
            talk.close(1001).await;
            continue;
        };
        assert_eq!(code, 1013);
        // New sessions have another rate, and so has everybody else.
        assert_eq!(server.token_request().send().await.status, 200);
        return;
    }
    panic!("sockets may be opened at any rate");
}

/// Whether the server keeps a fresh connection from this address open.
async fn is_kept(server: SocketAddr, from: [u8; 4]) -> (bool, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut tcp = within("a connection", socket.connect(server)).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // It may be closed already.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, request).await;
    let mut byte = [0];
    let read = within("an answer or the end", tcp.read(&mut byte)).await;
    (matches!(read, Ok(1)), tcp)
}

#[tokio::test]
async fn an_address_has_so_many_connections_at_a_time() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("connections_per_address = 3").start().await;
    let (here, there) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let mut open = Vec::new();
    for _ in 0..3 {
        let (is_kept, tcp) = is_kept(server.address(), here).await;
        assert!(is_kept);
        open.push(tcp);
    }
    assert!(!is_kept(server.address(), here).await.0, "one more than it may have");
    assert!(is_kept(server.address(), there).await.0, "another address");
    open.pop();
    // The server notices the end a moment later.
    within("the place to be free again", async {
        while !is_kept(server.address(), here).await.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Covers 1.41.
#[tokio::test]
async fn behind_a_proxy_an_address_has_so_many_sockets_at_a_time() {
    let server = behind_a_proxy("connections_per_address = 1").await;
    let session = server.session(json!({})).await;
    let open = async |session: &Session, client: &str| {
        session.socket_request("").header(FORWARDED_FOR, client).open().await
    };
    let mut first = open(&session, "203.0.113.7").await;
    first.expect("EVENT_BATCH").await;
    let (frames, code) = open(&session, "203.0.113.7").await.closed().await;
    assert_eq!((frames.len(), code), (0, 1013));
    let mut other = open(&session, "203.0.113.8").await;
    other.expect("EVENT_BATCH").await;
    // The proxy's own connections are not counted.
    for _ in 0..3 {
        assert_eq!(server.token_request().send().await.status, 200);
    }
    assert_eq!(first.close(1001).await, 1001);
    within("the place to be free again", async {
        while open(&session, "203.0.113.7").await.frame_or_close().await.is_err() {}
    })
    .await;
}

async fn demo(proxies: &str) -> Running {
    let token = Secret::new(SHOP_TOKEN);
    let variables = [
        ("SEGUE_SERVER_LISTEN", "127.0.0.1:0"),
        ("SEGUE_STORE_URL", "memory:"),
        ("SEGUE_SERVER_TRUSTED_PROXIES", proxies),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::demo(&token, &Environment::from(variables)).unwrap();
    let demo = DemoConnector { token, host: "localhost".to_owned() };
    Running::of(Server::start(config, Some(demo), Tweaks::default()).await.unwrap())
}

#[tokio::test]
async fn whoever_comes_through_a_proxy_is_not_on_this_machine() {
    for proxies in ["", "127.0.0.1"] {
        let server = demo(proxies).await;
        let request = || server.request("GET", "/demo.json").header("Host", "localhost");
        assert_eq!(request().send().await.status, 200);
        for client in ["203.0.113.7", "127.0.0.1", "::1", "localhost", ""] {
            for header in [FORWARDED_FOR, "Forwarded"] {
                let answer = request().header(header, client).send().await;
                assert_eq!(answer.status, 404, "{header}: {client}, {proxies:?} is trusted");
            }
        }
    }
}
