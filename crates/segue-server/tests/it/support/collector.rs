//! Something that collects traces as OTLP over HTTP, and decodes what it is sent.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::{Span, status::StatusCode},
};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::within;

/// What it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// It takes all spans.
    All,
    /// It rejects so many spans of each request.
    Rejecting(i64),
    /// It answers with this status.
    Status(u16),
    /// It takes requests and never answers.
    Never,
}

/// A collector of traces in this process.
pub struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    news: watch::Receiver<()>,
}

#[derive(Default)]
struct Received {
    /// The bodies as they came.
    bodies: Vec<Vec<u8>>,
    requests: Vec<ExportTraceServiceRequest>,
}

impl Collector {
    /// Starts to listen.
    pub async fn start(answering: Answering) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Received>>::default();
        let (told, news) = watch::channel(());
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (kept, told) = (Arc::clone(&kept), told.clone());
                tokio::spawn(async move { take(tcp, answering, &kept, &told).await });
            }
        });
        Self { address, received, news }
    }

    /// The lines of a configuration that has traces sent here.
    pub fn config(&self) -> String {
        format!("[tracing]\notlp_url = \"http://{}\"", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that came so far, as text in which to look for words.
    pub fn text(&self) -> String {
        let received = self.received.lock();
        received.bodies.iter().map(|it| String::from_utf8_lossy(it)).collect()
    }

    /// The attributes of what sends here, as in its first request.
    pub fn resource(&self) -> Vec<String> {
        let received = self.received.lock();
        let first = received.requests[0].resource_spans[0].resource.clone().unwrap();
        first.attributes.iter().map(shown).collect()
    }

    /// All spans of a trace so far.
    pub fn trace(&self, trace_id: &str) -> Trace {
        let received = self.received.lock();
        let scopes = received
            .requests
            .iter()
            .flat_map(|it| &it.resource_spans)
            .flat_map(|it| &it.scope_spans);
        let spans = scopes.flat_map(|it| &it.spans).filter(|it| hex(&it.trace_id) == trace_id);
        Trace(spans.cloned().collect())
    }

    /// All spans of a trace as soon as it has the end of its turn and of so many attempts.
    pub async fn whole(&self, trace_id: &str, attempts: usize) -> Trace {
        let mut news = self.news.clone();
        let coming = async {
            loop {
                let trace = self.trace(trace_id);
                let count = |name| trace.0.iter().filter(|it| it.name == name).count();
                if count("turn") == 1 && count("attempt") == attempts {
                    return trace;
                }
                news.changed().await.unwrap();
            }
        };
        within("a whole trace", coming).await
    }

    /// Something came, whatever it is.
    pub async fn asked(&self) {
        let mut news = self.news.clone();
        let asked = news.wait_for(|()| !self.received.lock().bodies.is_empty());
        within("spans to come", asked).await.unwrap();
    }
}

async fn take(
    mut tcp: TcpStream,
    answering: Answering,
    kept: &Mutex<Received>,
    told: &watch::Sender<()>,
) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if tcp.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/x-protobuf"), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if tcp.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    {
        let mut kept = kept.lock();
        kept.bodies.push(body);
        kept.requests.push(request);
    }
    let (status, rejected) = match answering {
        Answering::All => (200, 0),
        Answering::Rejecting(spans) => (200, spans),
        Answering::Status(status) => (status, 0),
        Answering::Never => {
            told.send_replace(());
            return std::future::pending().await;
        }
    };
    let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: String::new(),
    });
    let answer = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    let head = format!(
        "HTTP/1.1 {status} It\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    let _ = tcp.write_all(&[head.into_bytes(), answer].concat()).await;
    told.send_replace(());
}

/// The spans of one trace.
pub struct Trace(pub Vec<Span>);

impl Trace {
    /// The spans of this name, the earliest first.
    pub fn named(&self, name: &str) -> Vec<&Span> {
        let mut spans: Vec<_> = self.0.iter().filter(|it| it.name == name).collect();
        spans.sort_by_key(|it| it.start_time_unix_nano);
        spans
    }

    /// The only span of this name.
    #[track_caller]
    pub fn one(&self, name: &str) -> &Span {
        match self.named(name)[..] {
            [span] => span,
            ref spans => panic!("{} spans are named {name} in\n{}", spans.len(), self.tree()),
        }
    }

    /// Each span with what it holds, one a line, below its parent; what has none to be seen stands
    /// at the left.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        let is_root = |it: &&Span| !self.0.iter().any(|other| other.span_id == it.parent_span_id);
        let mut roots: Vec<_> = self.0.iter().filter(is_root).collect();
        roots.sort_by_key(|it| it.start_time_unix_nano);
        for root in roots {
            self.draw(root, 0, &mut text);
        }
        text
    }

    fn draw(&self, span: &Span, depth: usize, text: &mut String) {
        let entries = attribute(span, "segue.entries").unwrap_or_default();
        let line = format!("{}{} {entries}", "  ".repeat(depth), span.name);
        writeln!(text, "{}", line.trim_end()).unwrap();
        let mut children: Vec<_> =
            self.0.iter().filter(|it| it.parent_span_id == span.span_id).collect();
        children.sort_by_key(|it| it.start_time_unix_nano);
        for child in children {
            self.draw(child, depth + 1, text);
        }
    }
}

/// The value of an attribute, as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|it| it.key == key)?;
    Some(value(attribute.value.as_ref()?))
}

/// The attributes of a span but for its session, sorted: `segue.turn=2`.
pub fn attributes(span: &Span) -> Vec<String> {
    let others = span.attributes.iter().filter(|it| it.key != "session.id");
    let mut attributes: Vec<_> = others.map(shown).collect();
    attributes.sort();
    attributes
}

/// The names of what happened in it.
pub fn events(span: &Span) -> Vec<&str> {
    span.events.iter().map(|it| it.name.as_str()).collect()
}

/// Whether it is marked as one that failed.
pub fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|it| it.code() == StatusCode::Error)
}

/// As in `traceparent`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn shown(attribute: &KeyValue) -> String {
    format!("{}={}", attribute.key, attribute.value.as_ref().map(value).unwrap_or_default())
}

fn value(any: &AnyValue) -> String {
    match any.value.as_ref() {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::ArrayValue(array)) => {
            let values: Vec<_> = array.values.iter().map(value).collect();
            values.join(" ")
        }
        other => panic!("{other:?}"),
    }
}
