//! The set-ups in `deploy/` for proxies, as they are but for addresses and files: conversations go
//! through, tokens stay out of logs, and while the server is away nobody is told so in HTTP, which
//! clients would take for the end of their conversation.
//!
//! Where a proxy is not installed its test says so and passes; `scripts/test.sh` installs them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    client,
    configuration::{TOKEN, configure},
    program::Launch,
    raw::{Came, Raw},
    shop::{Visit, say},
    tls::{Client, Identity},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that is started from its set-up.
struct Product {
    /// Its program.
    program: &'static str,
    /// Its file in `deploy/`.
    setup: &'static str,
    /// What of the file has to be another on this machine. Each is there, exactly once.
    replaced: fn(&Site) -> Vec<(&'static str, String)>,
    /// Writes what is needed beside the file, and says with which words the program is started.
    arguments: fn(&Site, &Path) -> Vec<String>,
}

/// Where a proxy and its server are on this machine.
struct Site {
    folder: TempDir,
    front: SocketAddr,
    server: SocketAddr,
    identity: Identity,
}

impl Site {
    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

const NGINX: Product = Product {
    program: "nginx",
    setup: "nginx/segue.conf",
    replaced: |site| {
        vec![
            ("listen 443 ssl", format!("listen {} ssl", site.front)),
            ("server 127.0.0.1:8080 ", format!("server {} ", site.server)),
            ("/etc/ssl/chat.example.com/fullchain.pem", site.file("certificate.pem")),
            ("/etc/ssl/chat.example.com/privkey.pem", site.file("key.pem")),
            ("/var/log/nginx/segue.log", site.file("access.log")),
            ("/var/log/nginx/segue-error.log", site.file("error.log")),
        ]
    },
    arguments: |site, setup| {
        let main = format!(
            "daemon off; master_process off; pid {}; error_log {};\nevents {{}}\n\
             http {{ include {}; }}\n",
            site.file("nginx.pid"),
            site.file("main.log"),
            setup.display(),
        );
        fs::write(site.file("nginx.conf"), main).unwrap();
        ["-p", &site.file(""), "-e", &site.file("main.log"), "-c", &site.file("nginx.conf")]
            .map(str::to_owned)
            .to_vec()
    },
};

const HAPROXY: Product = Product {
    program: "haproxy",
    setup: "haproxy/haproxy.cfg",
    replaced: |site| {
        vec![
            ("bind :443 ", format!("bind {} ", site.front)),
            ("server one 127.0.0.1:8080", format!("server one {}", site.server)),
            ("/etc/haproxy/chat.example.com.pem", site.file("both.pem")),
            ("/dev/log local0", "stdout format raw local0".to_owned()),
        ]
    },
    arguments: |site, setup| {
        let read = |name| fs::read_to_string(site.file(name)).unwrap();
        fs::write(site.file("both.pem"), read("certificate.pem") + &read("key.pem")).unwrap();
        vec!["-f".to_owned(), setup.to_str().unwrap().to_owned()]
    },
};

const CADDY: Product = Product {
    program: "caddy",
    setup: "caddy/Caddyfile",
    replaced: |site| {
        let (certificate, key) = (site.file("certificate.pem"), site.file("key.pem"));
        // No authority vouches for this machine, whose name nobody knows, and its ports 80 and
        // 2019 are not ours.
        let begin = format!(
            "{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n:{} {{\n\
             \tbind 127.0.0.1\n\ttls {certificate} {key}\n",
            site.front.port(),
        );
        vec![
            ("\nchat.example.com {\n", format!("\n{begin}")),
            ("reverse_proxy 127.0.0.1:8080", format!("reverse_proxy {}", site.server)),
            ("/var/log/caddy/segue.log", site.file("access.log")),
        ]
    },
    arguments: |_, setup| {
        let setup = setup.to_str().unwrap();
        ["run", "--adapter", "caddyfile", "--config", setup].map(str::to_owned).to_vec()
    },
};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// Where the program is; system programs are not in everybody's `PATH`.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|it| it.join(program)).find(|it| it.is_file())
}

/// An address where nobody listens.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A proxy that runs; it ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Product {
    async fn start(&self, path: &Path, site: &Site) -> Running {
        let mut text = fs::read_to_string(deploy().join(self.setup)).unwrap();
        for (from, to) in (self.replaced)(site) {
            assert_eq!(text.matches(from).count(), 1, "{from} in {}", self.setup);
            text = text.replace(from, &to);
        }
        let setup = site.folder.path().join("setup");
        fs::write(&setup, text).unwrap();
        let said = fs::File::create(site.file("said.log")).unwrap();
        let child = Command::new(path)
            .args((self.arguments)(site, &setup))
            .env("HOME", site.folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut running = Running(child);
        let up = async {
            while TcpStream::connect(site.front).await.is_err() {
                let said = || fs::read_to_string(site.file("said.log"));
                assert!(running.0.try_wait().unwrap().is_none(), "it ended: {:?}", said());
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("it listens in time");
        running
    }
}

/// What the server behind the proxy is told of who asks, where the asker claims to be another.
async fn forwarded_for(site: &Site, front: SocketAddr) -> Vec<String> {
    let server = TcpListener::bind(site.server).await.unwrap();
    let answering = tokio::spawn(async move {
        let (mut tcp, _) = server.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            assert_ne!(tcp.read_buf(&mut head).await.unwrap(), 0);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        tcp.write_all(answer).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let claim = "X-Forwarded-For: 203.0.113.9\r\n";
    assert_eq!(client::post(front, "/", claim, &json!({})).await.unwrap().0, 200);
    let head = tokio::time::timeout(PATIENCE, answering).await.expect("it is asked").unwrap();
    let named = head.lines().filter_map(|it| it.split_once(':'));
    let told = named.filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
    told.flat_map(|(_, value)| value.split(',')).map(|it| it.trim().to_owned()).collect()
}

/// Asks for the socket until it is given, which it must not be refused meanwhile.
async fn until_open(visit: &Visit, cursor: u64) -> Raw {
    let opened = async {
        loop {
            let tcp = TcpStream::connect(visit.address).await.unwrap();
            if let Ok((status, socket)) = Raw::upgrade(tcp, &visit.path(Some(cursor))).await {
                assert_eq!(status, 101, "to clients this is the end of their conversation");
                return socket;
            }
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("the socket opens in time")
}

/// While the server is away, whatever is asked gets no answer at all.
async fn expect_no_answers(visit: &Visit) {
    // Twice, as a proxy may know by then that nobody is there.
    for _ in 0..2 {
        let tcp = TcpStream::connect(visit.address).await.unwrap();
        let path = visit.path(Some(4));
        let headers = format!("X-Token: {TOKEN}\r\nX-Host: {}\r\n", client::HOST);
        let body = json!({});
        let (upgrade, request) = tokio::join!(
            Raw::upgrade(tcp, &path),
            client::post(visit.address, "/api/v1/access-token", &headers, &body),
        );
        assert!(upgrade.is_err(), "an upgrade was answered with {:?}", upgrade.map(|it| it.0));
        assert!(request.is_err(), "a request was answered with {request:?}");
    }
}

fn expect_no_tokens(folder: &Path, tokens: &[&str]) {
    let mut has_ws = false;
    for file in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
        if file.extension().is_none_or(|it| it != "log") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        has_ws |= text.contains("/ws");
        for token in tokens {
            assert!(!text.contains(token), "a token is in {}:\n{text}", file.display());
        }
    }
    assert!(has_ws, "sockets are not logged at all");
}

/// A conversation through the proxy, the server away and back again.
async fn stands_in_front(product: Product) {
    let Some(path) = installed(product.program) else {
        println!("skipped: {} is not installed", product.program);
        return;
    };
    let site = Site {
        folder: TempDir::new().unwrap(),
        front: free_address().await,
        server: free_address().await,
        identity: Identity::new(),
    };
    site.identity.write(site.folder.path());
    let proxy = product.start(&path, &site).await;
    let front = Client::new(&[&site.identity]).tunnel_to(site.front).await;
    assert_eq!(forwarded_for(&site, front).await.last().unwrap(), "127.0.0.1");

    let home = TempDir::new().unwrap();
    configure(home.path(), "trusted_proxies = [\"127.0.0.1\"]", "handshakes_per_second = 0");
    let listen = site.server.to_string();
    let launch = Launch::serve(home.path(), &["--config", "segue.toml", "--listen", &listen]);
    let mut program = launch.start().await;
    let token = client::access_token(front, TOKEN).await.unwrap();
    let id = client::session(front, &token, &json!({})).await.unwrap();
    let asked = async |address| client::post(address, "/admin/v1/keys", "", &json!({})).await;
    assert_eq!(asked(site.server).await.unwrap().0, 401, "the server itself asks for a key");
    assert_eq!(asked(front).await.unwrap().0, 404, "from outside there is no administration");
    let visit = Visit { address: front, id, token };
    let mut socket = visit.greeted(front).await;
    socket.send(&say(&"x".repeat(100_000), "k-1")).await;
    socket.events_to(5).await;

    program.kill();
    program.ended().await;
    assert_eq!(socket.closed().await, Came::Gone);
    expect_no_answers(&visit).await;

    let program = launch.start().await;
    let mut socket = until_open(&visit, 4).await;
    let events = socket.events_to(5).await;
    // The answer may be there by now, and follow it in the same batch.
    let own = events.iter().find(|it| it["sequence"] == 5).unwrap();
    assert_eq!(own["metadata"]["custom"]["local_id"], "k-1");
    program.terminate();
    assert_eq!(socket.closed().await, Came::Close(Some(1001)));
    program.ended().await;
    expect_no_answers(&visit).await;

    // Its log is complete once it has ended.
    let id = proxy.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || {
        let mut proxy = proxy;
        proxy.0.wait().unwrap();
    });
    tokio::time::timeout(PATIENCE, ended).await.expect("the proxy ends in time").unwrap();
    expect_no_tokens(site.folder.path(), &[&visit.token, TOKEN]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_stands_in_front() {
    stands_in_front(NGINX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_stands_in_front() {
    stands_in_front(HAPROXY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_stands_in_front() {
    stands_in_front(CADDY).await;
}

/// The server closes a socket that is silent for ten minutes; no proxy may do it before.
#[test]
fn no_proxy_closes_a_silent_socket_before_the_server_does() {
    let server = segue_server::limits::Limits::default().connection_idle_seconds;
    let times = [
        (NGINX, &["proxy_read_timeout", "proxy_send_timeout"][..]),
        (HAPROXY, &["timeout client", "timeout server", "timeout tunnel"]),
    ];
    for (product, directives) in times {
        let text = fs::read_to_string(deploy().join(product.setup)).unwrap();
        for directive in directives {
            let given = text.lines().find_map(|it| it.trim().strip_prefix(directive));
            let minutes = given.and_then(|it| it.trim().trim_end_matches(';').strip_suffix('m'));
            let minutes: u64 = minutes.unwrap_or_else(|| panic!("no {directive}")).parse().unwrap();
            assert!(minutes * 60 > server, "{directive} is {minutes} minutes");
        }
    }
    // Caddy has none for a socket, unless it is told to.
    let text = fs::read_to_string(deploy().join(CADDY.setup)).unwrap();
    let times: Vec<&str> = text.split_whitespace().filter(|it| it.ends_with("timeout")).collect();
    assert_eq!(times, ["dial_timeout"]);
}
