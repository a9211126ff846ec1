//! What a node counts and measures (docs/metrics.md). A handle that is passed on, not a global:
//! a process may hold many nodes.
//!
//! Labels have few values, and all that are known beforehand are there from the start, at zero:
//! what appears late has no rate when it first matters. No label has a session, an address or
//! anything that a client chooses.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Metric, Registry},
};
use segue_core::ports::{Appended, StoreError};
use segue_store::Group;

use crate::{
    bot::topics::Reload,
    connection::{Received, Tally},
    http::admin,
    limits,
    wire::{HttpError, Refusal},
};

mod figures;
mod page;
mod process;

use figures::FigureGauges;
pub use figures::floor_label;
pub use page::{Page, router};
use process::ProcessGauges;

/// What becomes of the spans of traces.
const DELIVERED: &str = "delivered";
const LOST: &str = "lost";

/// A request that has no code in its answer: that is not ours.
const UNREADABLE_HEAD: &str = "unreadable_head";

/// One label.
type By<V> = [(&'static str, V); 1];

/// A request over HTTP that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

/// A socket that is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    by: &'static str,
    code: &'static str,
}

/// A turn that is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Turned {
    bot: String,
    outcome: &'static str,
}

/// How a turn ended, as far as the worker that held it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnOutcome {
    /// The bot's answer is in the log.
    Finished,
    /// The bot gave no answer, a wrong one, or broke off.
    Failed,
    /// The bot said that it has too much to do.
    Overloaded,
    /// The turn was taken away: the conversation ended, or another worker has it.
    CutShort,
    /// The store did not answer until the turn's time was up.
    Unavailable,
}

impl TurnOutcome {
    const ALL: [Self; 5] =
        [Self::Finished, Self::Failed, Self::Overloaded, Self::CutShort, Self::Unavailable];

    /// As a label has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Overloaded => "overloaded",
            Self::CutShort => "cut_short",
            Self::Unavailable => "unavailable",
        }
    }
}

/// All that a node counts. What only has to be read when somebody asks is in `Page`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Gauge,
    connections_opened: Counter,
    closes: Family<Closed, Counter>,
    /// By what they are. Each is at hand: to look it up is a twelfth of what a heartbeat takes.
    frames_received: [Counter; Received::ALL.len()],
    frames_sent: Counter,
    events_sent: Counter,
    socket_refusals: Family<By<&'static str>, Counter>,
    pushes_behind: Counter,
    pushes_missed: Counter,
    http_requests: Family<Answered, Counter>,
    http_seconds: Family<By<String>, Histogram, fn() -> Histogram>,
    http_refusals: Family<By<&'static str>, Counter>,
    appends: Family<By<&'static str>, Counter>,
    append_seconds: Histogram,
    entries_appended: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    commits: Family<By<&'static str>, Counter>,
    commit_seconds: Histogram,
    commit_writes: Histogram,
    turns_running: Gauge,
    turns: Family<Turned, Counter>,
    turn_seconds: Family<By<String>, Histogram, fn() -> Histogram>,
    turn_first_output_seconds: Family<By<String>, Histogram, fn() -> Histogram>,
    topic_reloads: Family<By<&'static str>, Counter>,
    trace_spans: Family<By<&'static str>, Counter>,
    figures: FigureGauges,
    process: ProcessGauges,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let process = ProcessGauges::register(registry.sub_registry_with_prefix("process"));
        let it = &mut Names(registry.sub_registry_with_prefix("segue"));
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let build: Family<By<&'static str>, Gauge> =
            it.add("build_info", "The version of the program; always 1");
        build.get_or_create(&version).set(1);
        Self {
            connections: it.add("connections", "Sockets that are open now"),
            connections_opened: it.add("connections_opened", "Sockets that were opened"),
            closes: it.add("socket_closes", "Sockets that ended, by who ended them and the code"),
            frames_received: it.add_by_kind("frames_received", "Text and binary frames of clients"),
            frames_sent: it.add("frames_sent", "Text frames sent to clients"),
            events_sent: it.add("events_sent", "Events of logs sent to clients, replays included"),
            socket_refusals: it.add("socket_refusals", "Frames that were refused, by code"),
            pushes_behind: it.add(
                "pushes_behind",
                "Times that a connection's queue of pushes was full and the log was read instead",
            ),
            pushes_missed: it.add(
                "pushes_missed",
                "Connections that no push had told of the newest entry and a look did",
            ),
            http_requests: it.add("http_requests", "Requests over HTTP, by route and status"),
            http_seconds: it.add_family("http_request_seconds", "Time to the head of the answer"),
            http_refusals: it.add("http_refusals", "Requests over HTTP that were refused, by code"),
            appends: it.add("appends", "Appends to logs, by what became of them"),
            append_seconds: it.add_with("append_seconds", "Time of an append", seconds()),
            entries_appended: it.add("entries_appended", "Entries appended to logs"),
            cache_hits: it.add("session_cache_hits", "Commands decided on a cached state"),
            cache_misses: it.add("session_cache_misses", "Commands for which a state was read"),
            commits: it.add("store_commits", "Groups of writes, by whether they are durable"),
            commit_seconds: it.add_with(
                "store_commit_seconds",
                "Time of a group of writes, its sync included",
                seconds(),
            ),
            commit_writes: it.add_with(
                "store_commit_writes",
                "Writes that share a commit",
                Histogram::new(limits::METRICS_WRITES_BUCKETS),
            ),
            turns_running: it.add("turns_running", "Turns that this node is at"),
            turns: it.add("turns", "Turns that ended, by bot and outcome"),
            turn_seconds: it.add_family(
                "turn_seconds",
                "From asking the bot to the end of its turn in the log",
            ),
            turn_first_output_seconds: it.add_family(
                "turn_first_output_seconds",
                "From asking the bot to its first output in the log",
            ),
            topic_reloads: it.add("topics_reloads", "Folders of topics that have changed"),
            trace_spans: it.add("trace_spans", "Spans of traces, by what became of them"),
            figures: FigureGauges::register(it),
            process,
            registry,
        }
        .with_known_labels()
    }
}

/// Where metrics of this program are registered.
struct Names<'a>(&'a mut Registry);

impl Names<'_> {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_with(name, help, M::default())
    }

    fn add_with<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    /// A counter for each kind of frame.
    fn add_by_kind(&mut self, name: &str, help: &str) -> [Counter; Received::ALL.len()] {
        let family = self.add::<Family<By<&'static str>, Counter>>(name, help);
        Received::ALL.map(|it| family.get_or_create(&[("type", it.name())]).clone())
    }

    fn add_family(
        &mut self,
        name: &str,
        help: &str,
    ) -> Family<By<String>, Histogram, fn() -> Histogram> {
        self.add_with(name, help, Family::new_with_constructor(seconds as fn() -> Histogram))
    }
}

fn seconds() -> Histogram {
    Histogram::new(limits::METRICS_SECONDS_BUCKETS)
}

impl Metrics {
    fn with_known_labels(self) -> Self {
        for code in Refusal::CODES {
            know(&self.socket_refusals, &[("code", code)]);
        }
        for code in HttpError::CODES.iter().chain(admin::CODES).chain([&UNREADABLE_HEAD]) {
            know(&self.http_refusals, &[("code", code)]);
        }
        for outcome in ["recorded", "conflict", "duplicate", "taken", "unavailable"] {
            know(&self.appends, &[("outcome", outcome)]);
        }
        for outcome in ["durable", "failed"] {
            know(&self.commits, &[("outcome", outcome)]);
        }
        for reload in Reload::ALL {
            know(&self.topic_reloads, &[("outcome", reload.name())]);
        }
        for outcome in [DELIVERED, LOST] {
            know(&self.trace_spans, &[("outcome", outcome)]);
        }
        for code in [1000, 1001, 1002, 1007, 1009, 1011, 1013, 4002] {
            know(&self.closes, &Closed { by: "server", code: code_label(code) });
        }
        know(&self.closes, &Closed { by: "client", code: "none" });
        self
    }

    /// A bot that may have turns: it is counted from zero.
    pub fn know_bot(&self, bot: &str) {
        for outcome in TurnOutcome::ALL {
            know(&self.turns, &Turned { bot: bot.to_owned(), outcome: outcome.name() });
        }
        know(&self.turn_seconds, &[("bot", bot.to_owned())]);
        know(&self.turn_first_output_seconds, &[("bot", bot.to_owned())]);
    }

    /// A socket is open, as long as what is returned lives.
    pub fn socket_opened(self: &Arc<Self>) -> OpenSocket {
        self.connections.inc();
        self.connections_opened.inc();
        OpenSocket(Arc::clone(self))
    }

    /// A socket was closed by this server.
    pub fn closed_by_server(&self, code: u16) {
        self.closes.get_or_create(&Closed { by: "server", code: code_label(code) }).inc();
    }

    /// A socket was closed by its client, or broke off without a code.
    pub fn closed_by_client(&self, code: Option<u16>) {
        let code = code.map_or("none", code_label);
        self.closes.get_or_create(&Closed { by: "client", code }).inc();
    }

    /// A text frame is on its way to a client.
    pub fn frame_sent(&self) {
        self.frames_sent.inc();
    }

    /// A connection's queue was full.
    pub fn push_behind(&self) {
        self.pushes_behind.inc();
    }

    /// So many connections did not know of the newest entry of their log.
    pub fn pushes_missed(&self, connections: usize) {
        self.pushes_missed.inc_by(connections as u64);
    }

    /// Takes over what a connection has counted.
    pub fn take_tally(&self, tally: &mut Tally) {
        for (counter, frames) in self.frames_received.iter().zip(&mut tally.received) {
            if *frames > 0 {
                counter.inc_by(std::mem::take(frames));
            }
        }
        for code in tally.refused.drain(..) {
            self.socket_refusals.get_or_create(&[("code", code)]).inc();
        }
        if tally.events_sent > 0 {
            self.events_sent.inc_by(std::mem::take(&mut tally.events_sent));
        }
    }

    /// A request over HTTP was answered. `route` is one of the routes, never a path as sent.
    pub fn answered(
        &self,
        route: &str,
        status: u16,
        took: Duration,
        refused: Option<&'static str>,
    ) {
        self.http_requests.get_or_create(&Answered { route: route.to_owned(), status }).inc();
        self.http_seconds.get_or_create(&[("route", route.to_owned())]).observe(took.as_secs_f64());
        if let Some(code) = refused {
            self.http_refusals.get_or_create(&[("code", code)]).inc();
        }
    }

    /// The layer of HTTP has refused a request of which not even the head could be read.
    pub fn unreadable_head(&self) {
        self.http_refusals.get_or_create(&[("code", UNREADABLE_HEAD)]).inc();
    }

    /// Something was appended to a log, or was to be.
    pub fn appended(
        &self,
        took: Duration,
        entries: usize,
        appended: &Result<Appended, StoreError>,
    ) {
        let outcome = append_outcome(appended);
        self.appends.get_or_create(&[("outcome", outcome)]).inc();
        self.append_seconds.observe(took.as_secs_f64());
        if outcome == "recorded" {
            self.entries_appended.inc_by(entries as u64);
        }
    }

    /// A state was in the cache, or had to be read.
    pub fn cache_looked_at(&self, is_hit: bool) {
        if is_hit {
            self.cache_hits.inc();
        } else {
            self.cache_misses.inc();
        }
    }

    /// A group of writes was made durable, or failed.
    pub fn committed(&self, group: Group) {
        let outcome = if group.is_durable { "durable" } else { "failed" };
        self.commits.get_or_create(&[("outcome", outcome)]).inc();
        self.commit_seconds.observe(group.took.as_secs_f64());
        // A group has a thousand writes at most.
        self.commit_writes.observe(f64::from(u32::try_from(group.writes).unwrap_or(u32::MAX)));
    }

    /// This node is at a turn, as long as what is returned lives.
    pub fn turn_began(self: &Arc<Self>) -> RunningTurn {
        self.turns_running.inc();
        RunningTurn(Arc::clone(self))
    }

    /// The first output of a turn is in the log.
    pub fn turn_first_output(&self, bot: &str, after: Duration) {
        self.turn_first_output_seconds
            .get_or_create(&[("bot", bot.to_owned())])
            .observe(after.as_secs_f64());
    }

    /// A folder of topics has changed.
    pub fn reloaded(&self, reload: Reload) {
        self.topic_reloads.get_or_create(&[("outcome", reload.name())]).inc();
    }

    /// Spans of traces were taken by whoever collects them.
    pub fn spans_delivered(&self, spans: u64) {
        self.trace_spans.get_or_create(&[("outcome", DELIVERED)]).inc_by(spans);
    }

    /// Spans of traces could not be delivered.
    pub fn spans_lost(&self, spans: u64) {
        self.trace_spans.get_or_create(&[("outcome", LOST)]).inc_by(spans);
    }

    /// How many were lost.
    #[cfg(test)]
    pub fn spans_lost_so_far(&self) -> u64 {
        self.trace_spans.get_or_create(&[("outcome", LOST)]).get()
    }

    /// A turn is over. It took `took` since the bot was asked, where it was.
    pub fn turn_ended(&self, bot: &str, outcome: TurnOutcome, took: Option<Duration>) {
        let bot = bot.to_owned();
        if let Some(took) = took {
            self.turn_seconds.get_or_create(&[("bot", bot.clone())]).observe(took.as_secs_f64());
        }
        self.turns.get_or_create(&Turned { bot, outcome: outcome.name() }).inc();
    }
}

/// An open socket; it counts as such until this is dropped.
#[derive(Debug)]
pub struct OpenSocket(Arc<Metrics>);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// A turn under way; it counts as such until this is dropped.
#[derive(Debug)]
pub struct RunningTurn(Arc<Metrics>);

impl Drop for RunningTurn {
    fn drop(&mut self) {
        self.0.turns_running.dec();
    }
}

/// What became of an append, as labels and traces have it.
pub fn append_outcome(appended: &Result<Appended, StoreError>) -> &'static str {
    match appended {
        Ok(Appended::Recorded) => "recorded",
        Ok(Appended::Conflict) => "conflict",
        Ok(Appended::Duplicate(_)) => "duplicate",
        Ok(Appended::Taken) => "taken",
        Err(_) => "unavailable",
    }
}

/// Has a labelled metric be there, at zero.
fn know<S, M, C>(family: &Family<S, M, C>, labels: &S)
where
    S: Clone + std::hash::Hash + Eq,
    C: MetricConstructor<M>,
{
    drop(family.get_or_create(labels));
}

/// A close code as a label has it. Clients may choose among thousands.
fn code_label(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1005 => "1005",
        1006 => "1006",
        1007 => "1007",
        1009 => "1009",
        1011 => "1011",
        1013 => "1013",
        4000 => "4000",
        4001 => "4001",
        4002 => "4002",
        _ => "other",
    }
}
