//! Traces of turns, as whoever collects them gets them (docs/traces.md).

use serde_json::json;

use crate::{
    killed::Mortal,
    support::{
        Answering, Asked, Bot, Collector, Logs, Running, Setup, attribute, attributes, events, hex,
        is_error,
    },
};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"";

const DELIVERED: &str = "segue_trace_spans_total{outcome=\"delivered\"}";
const LOST: &str = "segue_trace_spans_total{outcome=\"lost\"}";

async fn traced(bot: &Bot, collector: &Collector) -> Running {
    Setup::new(bot).also(METRICS).also(&collector.config()).start().await
}

/// The trace that a bot is asked to go on with, the span in it, and whether it is kept.
fn traceparent(asked: &Asked) -> (String, String, String) {
    let header = asked.header("traceparent").expect("a traceparent");
    match header.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, span, flags] if trace.len() == 32 && span.len() == 16 => {
            (trace.to_owned(), span.to_owned(), flags.to_owned())
        }
        _ => panic!("{header}"),
    }
}

#[tokio::test]
async fn a_turn_is_one_trace_from_the_frame_to_the_last_output() {
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::All).await;
    let server = traced(&bot, &collector).await;
    let session = server.streaming_session().await;
    let mut talk = session.open_joined().await;
    talk.say("Is the blue kettle back?", "k-1").await;
    let asked = bot.asked().await;
    let (trace_id, span_id, flags) = traceparent(&asked);
    assert_eq!(flags, "01");
    let mut stream = asked.stream().await;
    stream.text("It is. ").await;
    talk.until("POLY_AGENT_MESSAGE_CHUNK").await;
    stream.text("Since noon.").await;
    stream.end().await;
    let trace = collector.whole(&trace_id, 1).await;

    let tree = "turn\n\
                \u{20} receive\n\
                \u{20}   append user_message_posted\n\
                \u{20} attempt\n\
                \u{20}   append turn_started\n\
                \u{20}   POST\n\
                \u{20}   append bot_chunk_posted\n\
                \u{20}   append bot_chunk_posted turn_ended";
    // However many chunks are written by themselves.
    let drawn = trace.tree();
    let mut lines: Vec<_> = drawn.lines().collect();
    lines.dedup();
    assert_eq!(lines.join("\n"), tree);
    for span in &trace.0 {
        let id = attribute(span, "session.id");
        assert!(id == Some(session.id.clone()) || span.name == "POST", "{span:?}");
        assert!(!is_error(span), "{span:?}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    }
    let [turn, attempt, post] = ["turn", "attempt", "POST"].map(|it| trace.one(it));
    assert_eq!(turn.parent_span_id, [0; 0]);
    let whose = ["segue.connector=shop", "segue.outcome=finished", "segue.reason=message"];
    let of_turn = ["segue.attempts=1", whose[0], whose[1], whose[2], "segue.turn=2"];
    assert_eq!(attributes(turn), of_turn);
    let of_attempt = ["segue.attempt=1", "segue.bot=wick", whose[0], whose[1], whose[2]];
    assert_eq!(attributes(attempt), [&of_attempt[..], &["segue.turn=2"]].concat());
    assert_eq!(events(attempt), ["begun", "first output"]);
    assert_eq!(hex(&post.span_id), span_id);
    let bots_port = format!("server.port={}", bot.address().port());
    let of_post = ["http.request.method=POST", "http.response.status_code=200"];
    assert_eq!(attributes(post), [of_post[0], of_post[1], "server.address=127.0.0.1", &bots_port]);
    assert_eq!(events(post), ["first chunk"]);
    // The request lasts as long as its answer: the first chunk was in the log before its end.
    assert!(post.end_time_unix_nano > trace.named("append")[2].end_time_unix_nano);
    let received = trace.one("receive");
    assert_eq!(attributes(received), ["segue.connector=shop", "segue.turn=2"]);
    assert!(collector.resource().contains(&"service.name=segue".to_owned()));
    let delivered = server.metrics_once(|it| it.count(DELIVERED) >= trace.0.len() as u64).await;
    assert_eq!(delivered.count(LOST), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_turn_that_fails_is_marked_in_its_trace_and_the_log_names_it() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::All).await;
    let server = traced(&bot, &collector).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Hm", "k-1").await;
    let asked = bot.asked().await;
    let (trace_id, ..) = traceparent(&asked);
    // It is asked once more, in the same trace.
    asked.status(503, &[("Retry-After", "0")]).await;
    let again = bot.asked().await;
    assert_eq!(traceparent(&again).0, trace_id);
    again.status(500, &[]).await;
    let trace = collector.whole(&trace_id, 1).await;

    for name in ["turn", "attempt"] {
        let span = trace.one(name);
        assert!(is_error(span), "{span:?}");
        assert_eq!(attribute(span, "segue.outcome").as_deref(), Some("failed"), "{name}");
        assert_eq!(attribute(span, "error.type").as_deref(), Some("failed"), "{name}");
    }
    let posts = trace.named("POST");
    assert!(posts.iter().all(|it| is_error(it)), "{posts:#?}");
    let of_each = |key| posts.iter().map(|it| attribute(it, key)).collect::<Vec<_>>();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(of_each("error.type"), [some("503"), some("500")]);
    assert_eq!(of_each("http.request.resend_count"), [None, some("1")]);
    let failed = format!("turn 2 of session {} failed", session.id);
    let line = &logs.lines_with(&failed)[0];
    assert!(line.contains(&format!("trace_id={trace_id}")), "{line}");
    server.stop().await;
}

#[tokio::test]
async fn a_turn_that_the_user_stops_and_a_broken_answer_end_their_traces() {
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::All).await;
    let server = traced(&bot, &collector).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Hm", "k-1").await;
    let asked = bot.asked().await;
    let (trace_id, ..) = traceparent(&asked);
    let stopped = server.stop_request(&session).send().await;
    assert_eq!(stopped.status, 204, "{stopped:?}");
    asked.gone().await;
    let trace = collector.whole(&trace_id, 1).await;
    assert_eq!(attribute(trace.one("turn"), "segue.outcome").as_deref(), Some("stopped"));
    assert_eq!(attribute(trace.one("attempt"), "segue.outcome").as_deref(), Some("cut_short"));
    // Not by the worker, but a part of the turn.
    assert_eq!(trace.named("append").last().unwrap().parent_span_id, trace.one("turn").span_id);

    talk.say("Hm?", "k-2").await;
    let asked = bot.asked().await;
    let (trace_id, ..) = traceparent(&asked);
    asked.outputs(json!([{"type": "no such output"}])).await;
    let trace = collector.whole(&trace_id, 1).await;
    assert_eq!(attribute(trace.one("POST"), "error.type").as_deref(), Some("answer"));
    server.stop().await;
}

#[tokio::test]
async fn a_turn_that_outlives_its_server_goes_on_in_the_same_trace() {
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::All).await;
    let setup = || Setup::new(&bot).sqlite().also(&collector.config());
    let mortal = Mortal::start(setup()).await;
    let session = mortal.server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Are you there?", "k-1").await;
    let asked = bot.asked().await;
    let (trace_id, ..) = traceparent(&asked);
    let heir = setup();
    mortal.kill(&heir);
    let server = heir.start().await;
    let again = bot.asked().await;
    let (same, ..) = traceparent(&again);
    assert_eq!(same, trace_id);
    again.text("I am.").await;
    // The first attempt died with its server.
    let trace = collector.whole(&trace_id, 1).await;
    assert_eq!(attribute(trace.one("attempt"), "segue.attempt").as_deref(), Some("2"));
    assert_eq!(attribute(trace.one("turn"), "segue.attempts").as_deref(), Some("2"));
    let started = trace.named("append");
    let starts = started.iter().filter(|it| attributes(it).concat().contains("turn_started"));
    assert_eq!(starts.count(), 2, "{}", trace.tree());
    server.stop().await;
}

#[tokio::test]
async fn without_a_collector_conversations_go_on_and_the_loss_is_told() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    // Nobody listens on a port that was let go again.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("[tracing]\notlp_url = \"http://{address}/\"");
    let server = Setup::new(&bot).also(METRICS).also(&url).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Hm", "k-1").await;
    bot.asked().await.text("Yes.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    let lost = server.metrics_once(|it| it.count(LOST) > 0).await;
    assert_eq!(lost.count(DELIVERED), 0);
    let told = logs.lines_with(&format!("spans of traces were lost on the way to {address}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(" WARN ") && told[0].contains("onnect"), "{told:?}");
    server.stop().await;
}

#[tokio::test]
async fn spans_that_a_collector_rejects_are_lost_and_counted() {
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::Rejecting(1)).await;
    let server = traced(&bot, &collector).await;
    let session = server.session(json!({})).await;
    session.open_joined().await;
    server.metrics_once(|it| it.count(LOST) > 0 && it.count(DELIVERED) > 0).await;
    server.stop().await;

    let refusing = Collector::start(Answering::Status(400)).await;
    let server = traced(&bot, &refusing).await;
    let session = server.session(json!({})).await;
    session.open_joined().await;
    let lost = server.metrics_once(|it| it.count(LOST) > 0).await;
    assert_eq!(lost.count(DELIVERED), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_collector_that_hangs_delays_neither_a_conversation_nor_the_stop() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::Never).await;
    let server = traced(&bot, &collector).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    collector.asked().await;
    talk.say("Hm", "k-1").await;
    bot.asked().await.text("Yes.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    server.stop().await;
    let left = format!("spans of traces were not taken by {} in time", collector.address());
    assert_eq!(logs.lines_with(&left).len(), 1);
}

#[tokio::test]
async fn what_waits_is_delivered_before_the_server_has_stopped() {
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::All).await;
    let server = traced(&bot, &collector).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Hm", "k-1").await;
    let asked = bot.asked().await;
    let (trace_id, ..) = traceparent(&asked);
    let stopping = tokio::spawn(server.stop());
    talk.closed().await;
    // The turn may end, and nothing else is waited for but what it leaves to be delivered.
    asked.text("Yes.").await;
    stopping.await.unwrap();
    let trace = collector.trace(&trace_id);
    assert_eq!((trace.named("turn").len(), trace.named("attempt").len()), (1, 1));
}

#[tokio::test]
async fn without_the_setting_nothing_is_traced() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).also(METRICS).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Hm", "k-1").await;
    let asked = bot.asked().await;
    assert_eq!((asked.header("traceparent"), asked.header("tracestate")), (None, None));
    asked.text("Yes.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    let metrics = server.metrics().await;
    assert_eq!((metrics.count(DELIVERED), metrics.count(LOST)), (0, 0));
}
