//! Takes spans to whoever collects them (OTLP over HTTP, in protobuf), in batches and behind the
//! server's back: nobody waits for it, and what it cannot deliver is lost, counted and told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use prost::Message as _;
use reqwest::{Client, Response, StatusCode, Url, header::CONTENT_TYPE};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    limits,
    metrics::Metrics,
    outgoing::{self, OutgoingLimits},
};

/// Where spans wait for their delivery. Full, it takes no more.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    sender: mpsc::Sender<SpanData>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    metrics: Arc<Metrics>,
    /// Neither delivered nor lost.
    waiting: AtomicU64,
    /// Lost because the queue was full; not told yet.
    refused: AtomicU64,
}

/// The task that delivers.
pub struct Delivery {
    finish: CancellationToken,
    task: JoinHandle<()>,
    counts: Arc<Counts>,
    to: String,
}

/// What the task works with.
struct Deliverer {
    spans: mpsc::Receiver<SpanData>,
    counts: Arc<Counts>,
    client: Client,
    url: Url,
    resource: ResourceAttributesWithSchema,
    finish: CancellationToken,
    losses: Losses,
}

/// What was lost, as far as it is not told yet.
struct Losses {
    /// Where it was to go, as the log has it.
    to: String,
    untold: u64,
    told_at: Option<Instant>,
}

/// Why a batch was not taken.
struct Refused {
    why: String,
    /// Whether it may be taken when it is sent again.
    may_pass: bool,
}

/// Begins to deliver what is put into the queue.
pub(super) fn start(
    url: Url,
    resource: &Resource,
    metrics: &Arc<Metrics>,
) -> reqwest::Result<(Queue, Delivery)> {
    let (sender, spans) = mpsc::channel(limits::TRACES_QUEUED_SPANS_MAX);
    let counts = Arc::new(Counts {
        metrics: Arc::clone(metrics),
        waiting: AtomicU64::default(),
        refused: AtomicU64::default(),
    });
    let finish = CancellationToken::new();
    let port = url.port_or_known_default().unwrap_or_default();
    let to = format!("{}:{port}", url.host_str().unwrap_or_default());
    let deliverer = Deliverer {
        spans,
        counts: Arc::clone(&counts),
        client: outgoing::client(&OutgoingLimits::default())?,
        url,
        resource: resource.into(),
        finish: finish.clone(),
        losses: Losses { to: to.clone(), untold: 0, told_at: None },
    };
    let task = tokio::spawn(deliverer.run());
    Ok((Queue { sender, counts: Arc::clone(&counts) }, Delivery { finish, task, counts, to }))
}

impl Queue {
    /// Takes a span that is over.
    pub(super) fn push(&self, span: SpanData) {
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.try_send(span).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            self.counts.metrics.spans_lost(1);
        }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// `Delivery::finish` is what ends it.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Delivery {
    /// Delivers what waits, within a while; the rest is lost.
    pub async fn finish(mut self) {
        self.finish.cancel();
        let patience = Duration::from_millis(limits::TRACES_STOP_MS_MAX);
        match tokio::time::timeout(patience, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => warn!("stopping: the task that delivers traces had panicked"),
            Err(_) => self.task.abort(),
        }
        let left = self.counts.waiting.load(Ordering::Relaxed);
        if left > 0 {
            self.counts.metrics.spans_lost(left);
            warn!(
                spans = left,
                "stopping: {left} spans of traces were not taken by {} in time and are lost",
                self.to
            );
        }
    }
}

impl Deliverer {
    async fn run(mut self) {
        let finish = self.finish.clone();
        let mut batch = Vec::new();
        let size = limits::TRACES_BATCH_SPANS_MAX;
        loop {
            let Some(1..) =
                finish.run_until_cancelled(self.spans.recv_many(&mut batch, size)).await
            else {
                break;
            };
            self.deliver(&mut batch).await;
            if self.spans.len() < size {
                let interval = Duration::from_millis(limits::TRACES_INTERVAL_MS);
                finish.run_until_cancelled(sleep(interval)).await;
            }
        }
        self.spans.close();
        while self.spans.recv_many(&mut batch, size).await > 0 {
            self.deliver(&mut batch).await;
        }
        self.losses.tell("the server stops");
    }

    /// Delivers a batch, or finds out that it is lost.
    async fn deliver(&mut self, batch: &mut Vec<SpanData>) {
        let spans = batch.len() as u64;
        let resource_spans =
            group_spans_by_resource_and_scope(std::mem::take(batch), &self.resource);
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let mut posted = self.post(&body).await;
        for _ in 1..limits::TRACES_TRIES_MAX {
            if !matches!(&posted, Err(refused) if refused.may_pass) || self.finish.is_cancelled() {
                break;
            }
            let pause = Duration::from_millis(limits::TRACES_RETRY_MS);
            self.finish.run_until_cancelled(sleep(pause)).await;
            posted = self.post(&body).await;
        }
        let (lost, why) = match posted {
            Ok(0) => (0, "more than can be delivered"),
            Ok(rejected) => (rejected.min(spans), "the collector rejected them"),
            Err(Refused { ref why, .. }) => (spans, why.as_str()),
        };
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.counts.metrics.spans_delivered(spans - lost);
        self.counts.metrics.spans_lost(lost);
        let refused = self.counts.refused.swap(0, Ordering::Relaxed);
        self.losses.add(lost + refused, why);
    }

    /// Posts a batch; says how many of its spans were rejected.
    async fn post(&self, body: &Bytes) -> Result<u64, Refused> {
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .timeout(Duration::from_millis(limits::TRACES_ANSWER_MS_MAX))
            .body(body.clone());
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let may_pass = matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            );
            return Err(Refused { why: format!("status {}", status.as_u16()), may_pass });
        }
        // Taken is taken: were it sent again, it would be there twice.
        Ok(rejected(response).await.unwrap_or(0))
    }
}

/// How many spans an answer says were rejected. One that cannot be read says nothing.
async fn rejected(mut response: Response) -> reqwest::Result<u64> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limits::TRACES_ANSWER_BYTES_MAX {
            return Ok(0);
        }
        body.extend_from_slice(&chunk);
    }
    let answer = ExportTraceServiceResponse::decode(&body[..]).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |it| it.rejected_spans);
    Ok(u64::try_from(rejected).unwrap_or(0))
}

fn unreachable(error: reqwest::Error) -> Refused {
    Refused { why: outgoing::in_words(error), may_pass: true }
}

impl Losses {
    /// A batch was delivered, but for these. Told at once, and then now and then.
    fn add(&mut self, lost: u64, why: &str) {
        self.untold += lost;
        let pause = Duration::from_secs(limits::TRACES_TOLD_SECONDS);
        match self.told_at {
            Some(_) if lost == 0 => {
                let more = std::mem::take(&mut self.untold);
                self.told_at = None;
                info!(
                    spans = more,
                    "traces are delivered again to {}, {more} more spans were lost meanwhile",
                    self.to
                );
            }
            Some(told_at) if told_at.elapsed() < pause => {}
            _ => self.tell(why),
        }
    }

    fn tell(&mut self, why: &str) {
        if self.untold > 0 {
            let lost = std::mem::take(&mut self.untold);
            warn!(
                spans = lost,
                "{lost} spans of traces were lost on the way to {}: {why}", self.to
            );
            self.told_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
