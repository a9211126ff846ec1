//! Turns as OpenTelemetry traces (docs/traces.md). A handle that is passed on, not a global: a
//! process may hold many nodes. Where nothing is configured, there is nothing behind it.
//!
//! The trace of a turn and its root are made of the session and the turn's number, so that whoever
//! works at it finds them, on another node or after a restart, without being told (docs/adr/0016).
//! No span has what somebody said or sent, and none has a secret.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::Either;
use opentelemetry::{
    Array, Context, InstrumentationScope, KeyValue, StringValue, Value,
    trace::{
        FutureExt as _, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status,
        TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_sdk::{
    Resource,
    trace::{
        Sampler, SamplingDecision, SdkTracer, SdkTracerProvider, ShouldSample as _, Span, SpanData,
        SpanEvents, SpanLinks,
    },
};
use segue_core::{
    Entry, Event, Floor, NodeId, Running, Session, SessionId, Timestamp, Turn, TurnOutcome,
    TurnReason,
    ports::{Appended, Commit, StoreError},
};
use sha2::{Digest as _, Sha256};
use tracing::{Instrument as _, error_span};

use crate::{
    config,
    connectors::Connector,
    metrics::{self, Metrics},
};

mod ask;
mod delivery;

pub use ask::{Ask, ask};
pub use delivery::Delivery;
use delivery::Queue;

const SESSION: &str = "session.id";
const CONNECTOR: &str = "segue.connector";
const BOT: &str = "segue.bot";
const TURN: &str = "segue.turn";
const REASON: &str = "segue.reason";
const ATTEMPT: &str = "segue.attempt";
const ATTEMPTS: &str = "segue.attempts";
const ENTRIES: &str = "segue.entries";
const OUTCOME: &str = "segue.outcome";
const ERROR_TYPE: &str = "error.type";

/// Says what turns go through, to whoever collects it; nothing at all where nobody does.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<On>>);

struct On {
    tracer: SdkTracer,
    scope: InstrumentationScope,
    /// Which traces are kept; the same ones on every node, as it goes by their ids.
    sampler: Sampler,
    queue: Queue,
}

/// When commands of a socket came, and the span of their reception once their turn is known.
struct Arrival {
    at: SystemTime,
    span: OnceLock<Context>,
}

/// An append under way.
pub struct Appending<'t>(Option<Begun<'t>>);

struct Begun<'t> {
    on: &'t On,
    span: Span,
    /// The turn that ends if it is recorded.
    turn: Option<SpanData>,
}

/// An attempt at a turn: a span that lasts as long as the work around which it is put.
pub struct Attempt(Option<Context>);

impl Traces {
    /// Traces that are delivered to where the configuration says, and what delivers them.
    pub fn start(
        config: Option<&config::Tracing>,
        node: NodeId,
        metrics: &Arc<Metrics>,
    ) -> reqwest::Result<(Self, Option<Delivery>)> {
        let Some(config) = config else { return Ok((Self::default(), None)) };
        let resource = Resource::builder_empty()
            .with_service_name("segue")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", node.to_string()),
            ])
            .build();
        let (queue, delivery) = delivery::start(config.otlp_url.clone(), &resource, metrics)?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(queue.clone())
            // A span is kept if its trace is, which `On::root` says.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
            .build();
        let scope = InstrumentationScope::builder("segue").build();
        let tracer = provider.tracer_with_scope(scope.clone());
        let sampler = Sampler::TraceIdRatioBased(f64::from(config.sample_percent) / 100.0);
        Ok((Self(Some(Arc::new(On { tracer, scope, sampler, queue }))), Some(delivery)))
    }

    /// Now, for the beginning of a span; `None` where there are none.
    pub fn clock(&self) -> Option<SystemTime> {
        self.0.as_ref().map(|_| wall_clock())
    }

    /// Work on commands that came from a socket at that time.
    pub fn received<T>(
        &self,
        at: Option<SystemTime>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = T> + Send>> {
        let Some(at) = at else { return Box::pin(work) };
        let arrival = Arrival { at, span: OnceLock::new() };
        Box::pin(work.with_context(Context::new().with_value(arrival)))
    }

    /// A write begins that makes `before` what the commit says. Part of a trace if it has to do with
    /// a turn: of the attempt or the reception that is under way, or else of the turn itself.
    pub fn append(&self, before: &Session, commit: &Commit) -> Appending<'_> {
        Appending(self.0.as_deref().and_then(|on| on.append(before, commit)))
    }

    /// A worker begins an attempt at a turn whose job it took at `taken_at`.
    pub fn attempt(&self, id: SessionId, turn: Turn, taken_at: Option<SystemTime>) -> Attempt {
        let Some(on) = &self.0 else { return Attempt(None) };
        let root = Context::new().with_remote_span_context(on.root(id, turn));
        let mut builder = SpanBuilder::from_name("attempt");
        builder.start_time = taken_at;
        builder = builder.with_attributes([session(id), number(TURN, turn.0)]);
        let mut span = on.tracer.build_with_context(builder, &root);
        span.add_event("begun", vec![]);
        Attempt(Some(root.with_span(span).with_value(self.clone())))
    }

    /// The attempt under way has its turn, and will ask this connector's bot.
    pub fn started(&self, running: &Running, connector: Option<&Connector>) {
        let Some(current) = self.current() else { return };
        let span = current.span();
        span.set_attribute(number(ATTEMPT, running.starts.into()));
        span.set_attribute(KeyValue::new(REASON, reason(&running.why)));
        if let Some(connector) = connector {
            span.set_attribute(KeyValue::new(CONNECTOR, connector.id.0.clone()));
            span.set_attribute(KeyValue::new(BOT, connector.bot.id.0.clone()));
        }
    }

    /// The first output of the attempt under way is in the log.
    pub fn first_output(&self) {
        if let Some(current) = self.current() {
            current.span().add_event("first output", vec![]);
        }
    }

    /// The attempt under way is over.
    pub fn ended(&self, outcome: metrics::TurnOutcome) {
        let Some(current) = self.current() else { return };
        let span = current.span();
        span.set_attribute(KeyValue::new(OUTCOME, outcome.name()));
        match outcome {
            metrics::TurnOutcome::Finished | metrics::TurnOutcome::CutShort => {}
            metrics::TurnOutcome::Failed
            | metrics::TurnOutcome::Overloaded
            | metrics::TurnOutcome::Unavailable => {
                span.set_attribute(KeyValue::new(ERROR_TYPE, outcome.name()));
                span.set_status(Status::error(""));
            }
        }
    }

    fn current(&self) -> Option<Context> {
        self.0.as_ref().map(|_| Context::current())
    }
}

impl Attempt {
    /// The work of the attempt. What is logged meanwhile has the trace's id.
    pub fn around<W: Future>(self, work: W) -> impl Future<Output = W::Output> {
        let Some(context) = self.0 else { return Either::Left(work) };
        let trace_id = context.span().span_context().trace_id();
        // Of this level, so that it is there whatever of the log is left out.
        Either::Right(work.with_context(context).instrument(error_span!("turn", %trace_id)))
    }
}

impl Appending<'_> {
    /// What became of it.
    pub fn end(self, appended: &Result<Appended, StoreError>) {
        let Some(Begun { on, mut span, turn }) = self.0 else { return };
        let outcome = metrics::append_outcome(appended);
        span.set_attribute(KeyValue::new(OUTCOME, outcome));
        if appended.is_err() {
            span.set_attribute(KeyValue::new(ERROR_TYPE, outcome));
            span.set_status(Status::error(""));
        }
        span.end();
        if let (Some(turn), Ok(Appended::Recorded)) = (turn, appended) {
            on.queue.push(SpanData { end_time: wall_clock(), ..turn });
        }
    }
}

impl On {
    fn root(&self, id: SessionId, turn: Turn) -> SpanContext {
        root(&self.sampler, id, turn)
    }

    fn append(&self, before: &Session, commit: &Commit) -> Option<Begun<'_>> {
        let turn = turn_of(commit)?;
        let id = commit.session.id;
        let current = Context::current();
        let parent = match current.get::<Arrival>() {
            _ if current.has_active_span() => current,
            Some(arrival) => {
                arrival.span.get_or_init(|| self.receive(arrival.at, commit, turn)).clone()
            }
            None => Context::new().with_remote_span_context(self.root(id, turn)),
        };
        let kinds: Vec<StringValue> = commit.entries.iter().map(|it| kind(it).into()).collect();
        let builder = SpanBuilder::from_name("append").with_attributes([
            session(id),
            number(TURN, turn.0),
            KeyValue::new(ENTRIES, Value::Array(Array::String(kinds))),
        ]);
        let span = self.tracer.build_with_context(builder, &parent);
        let ended = commit.entries.iter().find_map(|it| match it.event {
            Event::TurnEnded { turn, outcome } => Some((turn, outcome)),
            _ => None,
        });
        let turn = ended.and_then(|(turn, outcome)| self.turn(before, turn, outcome));
        Some(Begun { on: self, span, turn })
    }

    /// From the frame's arrival on.
    fn receive(&self, at: SystemTime, commit: &Commit, turn: Turn) -> Context {
        let id = commit.session.id;
        let root = Context::new().with_remote_span_context(self.root(id, turn));
        let builder = SpanBuilder::from_name("receive")
            .with_kind(SpanKind::Server)
            .with_start_time(at)
            .with_attributes([
                session(id),
                KeyValue::new(CONNECTOR, commit.session.facts.connector.0.clone()),
                number(TURN, turn.0),
            ]);
        root.with_span(self.tracer.build_with_context(builder, &root))
    }

    /// The span of a whole turn, which is not over yet. By hand, as no tracer takes an id.
    fn turn(&self, before: &Session, turn: Turn, outcome: TurnOutcome) -> Option<SpanData> {
        let root = self.root(before.id, turn);
        if !root.is_sampled() {
            return None;
        }
        let (due_at, why, attempts) = match &before.state.floor {
            Floor::BotRunning(it) if it.turn == turn => (it.due_at, &it.why, it.starts),
            Floor::BotDue { turn: due, why, run_at } if *due == turn => (*run_at, why, 0),
            _ => return None,
        };
        let now = wall_clock();
        let mut attributes = vec![
            session(before.id),
            KeyValue::new(CONNECTOR, before.facts.connector.0.clone()),
            number(TURN, turn.0),
            KeyValue::new(REASON, reason(why)),
            number(ATTEMPTS, attempts.into()),
            KeyValue::new(OUTCOME, outcome_name(outcome)),
        ];
        let mut status = Status::Unset;
        if outcome == TurnOutcome::Failed {
            attributes.push(KeyValue::new(ERROR_TYPE, outcome_name(outcome)));
            status = Status::error("");
        }
        Some(SpanData {
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_context: root,
            span_kind: SpanKind::Internal,
            name: "turn".into(),
            // A turn that an older version began does not say since when it is due.
            start_time: if due_at == 0 { now } else { at(due_at).min(now) },
            end_time: now,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        })
    }
}

/// The root of the trace of a turn: known to everybody, made by whoever ends the turn.
fn root(sampler: &Sampler, id: SessionId, turn: Turn) -> SpanContext {
    let hash = Sha256::new()
        .chain_update("segue turn ")
        .chain_update(id.0.to_be_bytes())
        .chain_update(turn.0.to_be_bytes())
        .finalize();
    let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
    trace_id.copy_from_slice(&hash[..16]);
    span_id.copy_from_slice(&hash[16..24]);
    let trace_id = TraceId::from_bytes(trace_id);
    let choice = sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
    let is_kept = choice.decision == SamplingDecision::RecordAndSample;
    let flags = TraceFlags::default().with_sampled(is_kept);
    SpanContext::new(trace_id, SpanId::from_bytes(span_id), flags, true, TraceState::default())
}

/// The turn that a write has to do with: the one that it starts, goes on with or ends, or the one
/// that will answer what the user says in it.
fn turn_of(commit: &Commit) -> Option<Turn> {
    let moved = commit.entries.iter().find_map(|it| match it.event {
        Event::TurnStarted { turn, .. } | Event::TurnEnded { turn, .. } => Some(turn),
        _ => None,
    });
    let is_input = |it: &Entry| matches!(it.event, Event::UserMessagePosted { .. });
    moved.or_else(|| match &commit.session.state.floor {
        Floor::BotDue { turn, .. } => Some(*turn),
        // A message is answered in the next turn.
        Floor::BotRunning(it) if commit.entries.iter().any(is_input) => Some(Turn(it.turn.0 + 1)),
        Floor::BotRunning(it) => Some(it.turn),
        Floor::Unasked | Floor::BotIdle | Floor::Nobody | Floor::Ended { .. } => None,
    })
}

fn session(id: SessionId) -> KeyValue {
    KeyValue::new(SESSION, id.to_string())
}

fn number(key: &'static str, value: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX))
}

fn at(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time)
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is decided by the times of spans, and milliseconds are too coarse for them"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

fn reason(why: &TurnReason) -> &'static str {
    match why {
        TurnReason::Join => "join",
        TurnReason::Message => "message",
        TurnReason::HandoffFailed { .. } => "handoff_failed",
    }
}

fn outcome_name(outcome: TurnOutcome) -> &'static str {
    match outcome {
        TurnOutcome::Finished => "finished",
        TurnOutcome::Failed => "failed",
        TurnOutcome::CutShort => "cut_short",
        TurnOutcome::Stopped => "stopped",
    }
}

/// What an entry is called in the log.
fn kind(entry: &Entry) -> &'static str {
    match entry.event {
        Event::SessionStarted { .. } => "session_started",
        Event::JoinRequested { .. } => "join_requested",
        Event::BotJoined { .. } => "bot_joined",
        Event::UserMessagePosted { .. } => "user_message_posted",
        Event::TurnStarted { .. } => "turn_started",
        Event::TurnEnded { .. } => "turn_ended",
        Event::BotMessagePosted { .. } => "bot_message_posted",
        Event::BotChunkPosted { .. } => "bot_chunk_posted",
        Event::LanguageChanged { .. } => "language_changed",
        Event::HandoffTriggered => "handoff_triggered",
        Event::ClientHandoffRequired { .. } => "client_handoff_required",
        Event::BotLeft { .. } => "bot_left",
        Event::HandoffFailed { .. } => "handoff_failed",
        Event::NoticePosted { .. } => "notice_posted",
        Event::EndRequested { .. } => "end_requested",
        Event::SessionEnded { .. } => "session_ended",
    }
}

#[cfg(test)]
mod tests;
