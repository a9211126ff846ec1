//! What is seen from outside: `/metrics`, and the page that says what is in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    bare::Bare,
    support::{Admin, Bot, Logs, Running, Session, Setup, Switch, within},
};

/// Everything that one answer has: each line's name with its labels, and its value.
pub struct Scraped {
    pub text: String,
    samples: BTreeMap<String, f64>,
}

impl Scraped {
    /// Reads an answer.
    pub fn read(text: String) -> Self {
        let lines = text.lines().filter(|it| !it.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        });
        let samples = samples.collect();
        Self { text, samples }
    }

    /// The value of a line, named with its labels in the order in which they are written.
    #[track_caller]
    pub fn value(&self, name: &str) -> f64 {
        let value = self.samples.get(name);
        *value.unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    /// The value of a line that counts something.
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        self.value(name).to_string().parse().unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.samples.contains_key(name)
    }

    /// The names that lines begin with, with the kind of each: `segue_frames_sent_total`, counter.
    pub fn names(&self) -> BTreeSet<(String, String)> {
        let types = self.text.lines().filter_map(|it| it.strip_prefix("# TYPE "));
        let name = |line: &str| {
            let (name, kind) = line.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{suffix}"), kind.to_owned())
        };
        types.map(name).collect()
    }
}

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"";

/// A conversation with everything in it that is counted: a turn that goes well, one that fails, one
/// that is overloaded, refusals, a repeated message.
async fn conversation(server: &Running, session: &Session, bot: &Bot) {
    let mut talk = session.open_joined().await;
    talk.say("One", "k-1").await;
    bot.asked().await.text("First.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    talk.say("Two", "k-2").await;
    bot.asked().await.status(500, &[]).await;
    talk.until("SYSTEM_MESSAGE").await;
    talk.say("Three", "k-3").await;
    bot.asked().await.status(503, &[]).await;
    talk.until("SYSTEM_MESSAGE").await;
    talk.say("One", "k-1").await;
    talk.until("USER_MESSAGE").await;
    talk.send_text("no event").await;
    talk.until("SYSTEM_MESSAGE").await;
    assert_eq!(server.metrics().await.count("segue_session_cache_sessions"), 1);
    assert_eq!(talk.close(4001).await, 4001);
}

#[tokio::test]
async fn what_happened_is_counted() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(METRICS);
    let server = setup.start().await;
    let before = server.metrics().await;
    assert_eq!(before.count("segue_turns_total{bot=\"wick\",outcome=\"failed\"}"), 0);
    assert_eq!(before.count("segue_http_refusals_total{code=\"not_found\"}"), 0);
    let session = server.session(json!({})).await;
    conversation(&server, &session, &bot).await;
    assert_eq!(server.request("GET", "/nowhere").send().await.status, 404);
    assert!(session.socket_request("x").header("Origin", "https://x.y").upgrade().await.is_err());
    // The turn that was overloaded, and the close of the socket, are counted behind what is seen.
    let is_over = |it: &Scraped| {
        it.count("segue_connections") == 0
            && it.count("segue_turns_total{bot=\"wick\",outcome=\"overloaded\"}") == 1
    };
    let after = server.metrics_once(is_over).await;

    for (name, value) in [
        ("segue_connections_opened_total", 1),
        ("segue_socket_closes_total{by=\"client\",code=\"4001\"}", 1),
        ("segue_frames_received_total{type=\"message\"}", 4),
        ("segue_frames_received_total{type=\"join\"}", 1),
        ("segue_frames_received_total{type=\"unreadable\"}", 1),
        ("segue_socket_refusals_total{code=\"invalid_format\"}", 1),
        ("segue_http_requests_total{route=\"/api/v1/access-token\",status=\"200\"}", 1),
        ("segue_http_requests_total{route=\"/api/v1/sessions\",status=\"200\"}", 1),
        ("segue_http_requests_total{route=\"/ws\",status=\"101\"}", 1),
        ("segue_http_requests_total{route=\"/ws\",status=\"401\"}", 1),
        ("segue_http_requests_total{route=\"none\",status=\"404\"}", 1),
        ("segue_http_request_seconds_count{route=\"/ws\"}", 2),
        ("segue_http_refusals_total{code=\"not_found\"}", 1),
        ("segue_http_refusals_total{code=\"authentication_failed\"}", 1),
        // The configured greeting is a turn, too.
        ("segue_turns_total{bot=\"wick\",outcome=\"finished\"}", 2),
        ("segue_turns_total{bot=\"wick\",outcome=\"failed\"}", 1),
        ("segue_turn_seconds_count{bot=\"wick\"}", 3),
        ("segue_turn_first_output_seconds_count{bot=\"wick\"}", 1),
        ("segue_turns_running", 0),
        ("segue_store_sessions{state=\"live\"}", 1),
        ("segue_jobs_due{kind=\"turns\"}", 0),
        ("segue_job_lag_seconds{kind=\"turns\"}", 0),
        // SessionStarted, the JOIN and the bot's arrival; then four turns of TurnStarted, TurnEnded
        // and what was said; three messages of the user.
        ("segue_entries_appended_total", 18),
        ("segue_store_commits_total{outcome=\"failed\"}", 0),
    ] {
        assert_eq!(after.count(name), value, "{name} in\n{}", after.text);
    }
    let durable = after.count("segue_store_commits_total{outcome=\"durable\"}");
    assert_eq!(after.count("segue_store_commit_seconds_count"), durable);
    assert!(durable >= after.count("segue_appends_total{outcome=\"recorded\"}"));
    assert!(after.count("segue_store_file_bytes{file=\"database\"}") > 0);
    assert!(after.count("segue_store_file_bytes{file=\"write_ahead_log\"}") > 0);
    assert!(after.count("segue_events_sent_total") >= 10);
    assert!(after.count("process_resident_memory_bytes") > 1_000_000);
    assert!(after.count("process_open_fds") > 10);
    assert!(after.text.ends_with("# EOF\n"), "{}", after.text);
    server.stop().await;
}

/// Whoever tries keys, or asks for what a key may not do, is seen on the dashboard.
#[tokio::test]
async fn refusals_of_the_admin_api_are_counted_by_code() {
    let bot = Bot::start().await;
    let limits = "admin_failures_per_second = 1\nadmin_failures_burst = 2";
    let setup = Setup::new(&bot).sqlite().also(METRICS).limits(limits);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let count = |it: &Scraped, code: &str| {
        it.count(&format!("segue_http_refusals_total{{code=\"{code}\"}}"))
    };
    let before = server.metrics().await;
    // They are there before they happen.
    for code in ["expired_key", "too_many_tokens", "unavailable", "unreadable_head"] {
        assert_eq!(count(&before, code), 0, "{code}");
    }
    let limited = admin.limited(&["sessions:read"], &["shop"]).await;
    let off = "/admin/v1/connectors/shop/disable";
    for (by, method, path, code) in [
        (&admin, "POST", off, "declared_in_configuration"),
        (&admin, "GET", "/admin/v1/sessions?limit=0", "invalid_request"),
        (&limited, "POST", off, "missing_scope"),
    ] {
        assert_eq!(by.refused(method, path, json!({})).await.1, code);
    }
    let no_key = server.request("GET", "/admin/v1/keys");
    assert_eq!(no_key.send().await.json()["code"], "missing_key");
    let nobody = admin.with_key("sgk_nonsense");
    let mut invalid = 0;
    let tried = async {
        while nobody.refused("GET", "/admin/v1/keys", json!({})).await.1 == "invalid_key" {
            invalid += 1;
        }
    };
    within("a limit of failures", tried).await;
    let after = server.metrics().await;
    for code in ["declared_in_configuration", "invalid_request", "missing_scope", "missing_key"] {
        assert_eq!(count(&after, code), 1, "{code}");
    }
    assert_eq!((count(&after, "invalid_key"), count(&after, "rate_limited")), (invalid, 1));
    assert!(invalid > 0);
    server.stop().await;
}

/// Covers 1.52.
#[tokio::test]
async fn requests_whose_head_cannot_be_read_are_counted_and_logged() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let server = Setup::new(&bot).also(METRICS).start().await;
    let counted = |it: &Scraped| it.count("segue_http_refusals_total{code=\"unreadable_head\"}");
    let large = format!("GET /healthz HTTP/1.1\r\nX-Padding: {}\r\n\r\n", "x".repeat(16_384));
    for (number, (head, status)) in
        [("no request\r\n\r\n", 400), (&large, 431)].into_iter().enumerate()
    {
        let mut bare = Bare::connect(server.address()).await;
        bare.send(head.as_bytes()).await;
        let answer = bare.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("correlation-id"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "a body: {answer}");
        server.metrics_once(|it| counted(it) == number as u64 + 1).await;
    }
    assert!(!logs.lines_with("refused a request of 127.0.0.1: ").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn sessions_are_counted_by_who_may_speak() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).also(METRICS).start().await;
    let unasked = server.session(json!({})).await;
    let idle = server.session(json!({})).await;
    let at_work = server.session(json!({})).await;
    let _unasked = unasked.open().await;
    let _idle = idle.open_joined().await;
    let mut at_work = at_work.open_joined().await;
    at_work.say("Hm", "k-1").await;
    let asked = bot.asked().await;
    let scraped = server.metrics_once(|it| it.count("segue_connections") == 3).await;
    for floor in ["unasked", "bot_idle", "bot_running"] {
        assert_eq!(scraped.count(&format!("segue_sessions{{floor=\"{floor}\"}}")), 1, "{floor}");
    }
    assert_eq!(scraped.count("segue_sessions{floor=\"ended\"}"), 0);
    assert_eq!(scraped.count("segue_turns_running"), 1);
    asked.text("Yes.").await;
    at_work.until("POLY_AGENT_MESSAGE").await;
}

#[tokio::test]
async fn figures_of_a_store_that_is_away_are_absent() {
    let switch = Switch::default();
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).also(METRICS);
    let server = setup.start_with(switch.tweaks()).await;
    assert!(server.metrics().await.has("segue_jobs_due{kind=\"turns\"}"));
    switch.off();
    let scraped = server.metrics().await;
    assert!(!scraped.has("segue_jobs_due{kind=\"turns\"}"), "{}", scraped.text);
    assert!(!scraped.has("segue_store_sessions{state=\"live\"}"), "{}", scraped.text);
    switch.on();
    assert!(server.metrics().await.has("segue_store_sessions{state=\"live\"}"));
}

#[tokio::test]
async fn there_are_no_metrics_unless_they_are_asked_for() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    assert_eq!(server.metrics_address(), None);
    assert_eq!(server.request("GET", "/metrics").send().await.status, 404);
}

/// What the page says of each metric: its name and its kind.
fn documented() -> BTreeSet<(String, String)> {
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter_map(|it| it.strip_prefix("| `"));
    let row = |line: &str| {
        let (name, rest) = line.split_once("` | ").unwrap();
        (name.to_owned(), rest.split(" | ").next().unwrap().to_owned())
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn every_metric_is_documented_and_none_is_invented() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(METRICS);
    let server = setup.start().await;
    server.session(json!({})).await;
    let scraped = server.metrics().await;
    assert_eq!(scraped.names(), documented());
    let labels = |line: &str| -> Vec<String> {
        let Some((_, labels)) = line.split_once('{') else { return vec![] };
        let names = labels.split(',').filter_map(|it| it.split_once("=\"").map(|it| it.0));
        names.filter(|it| *it != "le").map(str::to_owned).collect()
    };
    // The labels, too.
    let page = include_str!("../../../../docs/metrics.md");
    for line in scraped.text.lines().filter(|it| !it.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let name = ["_bucket", "_count", "_sum"].iter().find_map(|it| name.strip_suffix(it));
        let name = name.unwrap_or(line.split(['{', ' ']).next().unwrap());
        let row = page.lines().find(|it| it.starts_with(&format!("| `{name}` |"))).unwrap();
        let cell = row.split('|').nth(3).unwrap();
        let expected: Vec<String> = labels(line).iter().map(|it| format!("`{it}`")).collect();
        assert_eq!(cell.trim(), expected.join(", "), "{line}");
    }
}

#[tokio::test]
async fn many_scrapes_at_once_disturb_no_conversation() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(METRICS);
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let asking = futures_util::future::join_all((0..20).map(|_| server.metrics()));
    let saying = async {
        talk.say("One", "k-1").await;
        bot.asked().await.text("First.").await;
        talk.until("POLY_AGENT_MESSAGE").await
    };
    let (scraped, said) =
        within("scrapes and a turn", futures_util::future::join(asking, saying)).await;
    assert_eq!(scraped.len(), 20);
    assert_eq!(said.last().map(|it| &it["payload"]["text"]), Some(&Value::from("First.")));
}

/// The metrics that an expression names, whatever series of a histogram it means.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let ours = words.filter(|it| it.starts_with("segue_") || it.starts_with("process_"));
    let name = |it: &str| {
        let series = ["_bucket", "_count", "_sum"].iter().find_map(|end| it.strip_suffix(end));
        series.unwrap_or(it).to_owned()
    };
    ours.map(name).collect()
}

fn deployed(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    std::fs::read_to_string(root.join(path)).unwrap()
}

#[tokio::test]
async fn dashboard_and_alerts_name_metrics_that_exist() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(METRICS);
    let server = setup.start().await;
    server.session(json!({})).await;
    let there: BTreeSet<String> =
        server.metrics().await.names().into_iter().map(|(name, _)| name).collect();

    let dashboard: Value = serde_json::from_str(&deployed("grafana/segue.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|it| it["targets"].as_array()).flatten();
    let mut shown = BTreeSet::new();
    for target in targets {
        let names = named(target["expr"].as_str().unwrap());
        assert!(!names.is_empty(), "{target}");
        shown.extend(names);
    }
    // The dashboard has them all.
    assert_eq!(shown, there);

    let alerts = deployed("prometheus/alerts.yml");
    let rules = alerts.split("- alert: ").skip(1);
    assert!(alerts.matches("- alert: ").count() > 5);
    for rule in rules {
        // From `expr` to whatever key comes behind it.
        let expression = rule.split("expr:").nth(1).unwrap().split("for:").next().unwrap();
        let names = named(expression);
        assert!(!names.is_empty() || expression.contains("up{job=\"segue\"}"), "{rule}");
        assert_eq!(names.difference(&there).next(), None, "{rule}");
    }
}

/// Where Prometheus is installed, it reads the rules and an answer itself.
#[tokio::test]
async fn prometheus_accepts_the_rules_and_an_answer() {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };
    if Command::new("promtool").arg("--version").output().is_err() {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let rules = root.join("prometheus/alerts.yml");
    let checked = Command::new("promtool").args(["check", "rules"]).arg(rules).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(METRICS);
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    conversation(&server, &session, &bot).await;
    let text = server.metrics().await.text;
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = check.spawn().unwrap();
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checking.wait_with_output().unwrap();
    // It reads the older format and lints names as that has them; what it cannot read is an error.
    let complaints = String::from_utf8_lossy(&checked.stderr);
    assert!(!complaints.contains("error while"), "{complaints}\n{text}");
}
