//! A server that knows no HTTP: the tests say each byte of an answer, and when the connection is
//! cut.

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) struct RawServer {
    listener: TcpListener,
}

impl RawServer {
    pub(super) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(super) fn url(&self) -> Url {
        let address = self.listener.local_addr().unwrap();
        format!("http://{address}/turns?key=of-the-url").parse().unwrap()
    }

    /// The next connection and the first request on it.
    pub(super) async fn request(&self) -> Request {
        Request::read(self.connection().await).await
    }

    /// The next connection, whatever comes on it.
    pub(super) async fn connection(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Answers all requests, each on its own connection, with these answers in turn.
    pub(super) async fn answer_each(&self, answers: &[&str]) -> Vec<Request> {
        let mut requests = Vec::new();
        for answer in answers {
            let mut request = self.request().await;
            request.send(answer.as_bytes()).await;
            request.close().await;
            requests.push(request);
        }
        requests
    }
}

/// A request that has arrived, and the connection to answer it on.
pub(super) struct Request {
    stream: TcpStream,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(i) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break i + 4;
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "cut within the head");
        };
        let body = bytes.split_off(head_end);
        let head = String::from_utf8(bytes).unwrap();
        let mut request = Self { stream, head, body };
        let length: usize = request.header("content-length").unwrap().parse().unwrap();
        while request.body.len() < length {
            let read = request.stream.read_buf(&mut request.body).await.unwrap();
            assert_ne!(read, 0, "cut within the body");
        }
        assert_eq!(request.body.len(), length);
        request
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|it| it.split_once(": "));
        fields.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        // A client that has seen enough may be gone already, and then nobody misses these bytes.
        let _ = self.stream.write_all(bytes).await;
    }

    /// One chunk of a chunked body.
    pub(super) async fn send_chunk(&mut self, bytes: &[u8]) {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.send(&chunk).await;
    }

    /// Says that nothing more comes.
    pub(super) async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Cuts the connection off: the client gets a reset.
    pub(super) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Waits until the client has closed the connection, gracefully or not.
    pub(super) async fn closed_by_client(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "the client sent more instead of closing");
    }
}
