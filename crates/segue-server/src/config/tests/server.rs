//! What is set once for the whole server.

use super::*;
use crate::limits::{BotLimits, ServerLimits};

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let config = load("[server]\ntrusted_proxies = [\"10.0.0.1\", \"fd00::/8\"]");
    let trusts = |text: &str| config.server.trusted_proxies.trusts(text.parse().unwrap());
    assert!(trusts("10.0.0.1") && trusts("fd12::1") && !trusts("10.0.0.2"));
    let by_variable = with(&[("SEGUE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1")]);
    assert!(by_variable.server.trusted_proxies.trusts("10.3.2.1".parse().unwrap()));
    assert!(by_variable.server.trusted_proxies.trusts("::1".parse().unwrap()));
    assert_eq!(load("").server.trusted_proxies, crate::address::TrustedProxies::default());
    refused(
        "[server]\ntrusted_proxies = [\"10.0.0.1\", \"proxy.example\"]",
        &[
            "line 2: server.trusted_proxies: \"proxy.example\" is no address and no network, such as \
           10.0.0.0/8",
        ],
    );
    let many = vec!["\"::1\""; 101].join(", ");
    refused(
        &format!("[server]\ntrusted_proxies = [{many}]"),
        &["line 2: server.trusted_proxies: 101 are too many, at most 100"],
    );
}

#[test]
fn a_bot_may_repeat_the_limits_of_all_bots() {
    let text = SOUND
        .replace("idle_seconds = 700", "idle_seconds = 700\nturns_at_once = 7")
        .replace("name = \"Mine\"", "name = \"Mine\"\nturns_at_once = 8\nturns_waiting = 0");
    let config = load(&text);
    let limits: Vec<BotLimits> = config.bots.iter().map(|it| it.limits).collect();
    let [ada, mine] = [(7, 1_000), (8, 0)]
        .map(|(turns_at_once, turns_waiting)| BotLimits { turns_at_once, turns_waiting });
    assert_eq!(limits, [ada, mine]);
    let variables = [("SEGUE_LIMITS_TURNS_WAITING", "9"), ("SEGUE_BOTS_MINE_TURNS_AT_ONCE", "10")];
    let by_variable = Config::load(Some(&text), &env(&variables)).unwrap();
    let limits: Vec<_> = by_variable
        .bots
        .iter()
        .map(|it| (it.limits.turns_at_once, it.limits.turns_waiting))
        .collect();
    assert_eq!(limits, [(7, 9), (10, 0)]);
    refused(
        "[limits]\nturns_at_once = 0",
        &["line 2: limits.turns_at_once: 0 makes no sense, at least 1"],
    );
}

#[test]
fn limits_of_the_server_stand_with_the_others_and_in_no_connector() {
    let config = load("[limits]\nconnections_per_address = 7");
    assert_eq!(config.server_limits.connections_per_address, 7);
    assert_eq!(with(&[]).server_limits, ServerLimits::default());
    let by_variable = with(&[("SEGUE_LIMITS_CONNECTIONS_PER_ADDRESS", "8")]);
    assert_eq!(by_variable.server_limits.connections_per_address, 8);
    for limit in ServerLimits::ALL {
        let text = format!("[limits]\n{} = {}", limit.name, limit.max + 1);
        let problem = format!(
            "line 2: limits.{}: {} is too much, at most {}",
            limit.name,
            limit.max + 1,
            limit.max
        );
        refused(&text, &[&problem]);
        let own = connector_with(&format!("{} = {}", limit.name, limit.max));
        let error = Config::load(Some(&own), &Environment::new()).unwrap_err();
        assert!(error.to_string().contains("unknown key"), "{error}");
    }
}

#[test]
fn proxies_that_are_everybody_and_tokens_that_can_be_guessed_are_warned_of() {
    let everybody = "server.trusted_proxies trusts everybody: who connects chooses the address that \
                     limits count";
    for (proxies, is_warned) in
        [("0.0.0.0/0", true), ("10.0.0.0/8\", \"::/0", true), ("0.0.0.0/1", false)]
    {
        let warnings = load(&format!("[server]\ntrusted_proxies = [\"{proxies}\"]")).warnings;
        assert_eq!(warnings.iter().any(|it| it == everybody), is_warned, "{proxies}");
    }
    let with_token = |token: &str| {
        let text = format!(
            "[[connectors]]\nid = \"a\"\ntoken = \"{token}\"\nhosts = [\"a.example\"]\nbot = \"b\"\n\
             [[bots]]\nid = \"b\"\nkind = \"knowledge\"\nname = \"B\""
        );
        load(&text).warnings
    };
    let guessed = "connectors.a.token has fewer than 16 characters: it can be guessed";
    assert_eq!(with_token("0123456789abcde"), [guessed]);
    for token in ["0123456789abcdef", "sealed:v1:x"] {
        assert_eq!(with_token(token), [""; 0], "{token}");
    }
}

/// `.` and `..` mean something else in a path, and the admin API has ids in its paths.
#[test]
fn an_id_of_dots_alone_or_of_more_than_64_bytes_is_refused() {
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    for id in [".", "..", "...", &too_long] {
        let text = format!("[[bots]]\nid = \"{id}\"\nkind = \"knowledge\"\nname = \"B\"");
        let says = "an id has 1 to 64 letters, digits, '-', '_' and '.', and not dots alone";
        refused(&text, &[&format!("line 2: bots[0].id: {id:?}: {says}")]);
    }
    for id in [".a", "a.", "..-", "a..b", &longest] {
        let text = format!("[[bots]]\nid = \"{id}\"\nkind = \"knowledge\"\nname = \"B\"");
        assert_eq!(load(&text).bots[0].id.0, id);
    }
}

#[test]
fn metrics_do_not_listen_where_the_server_does() {
    let text = |server: &str, metrics: &str| {
        format!("[server]\nlisten = \"{server}\"\n[metrics]\nlisten = \"{metrics}\"")
    };
    for (server, metrics) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "[::]:8080"),
    ] {
        let says = format!("{metrics:?} is taken by server.listen, {server}; give it another port");
        refused(&text(server, metrics), &[&format!("line 4: metrics.listen: {says}")]);
    }
    for (server, metrics) in [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.1:8080", "127.0.0.1:9464"),
        ("127.0.0.1:8080", "127.0.0.2:8080"),
    ] {
        assert_eq!(load(&text(server, metrics)).metrics, metrics.parse().ok());
    }
}
