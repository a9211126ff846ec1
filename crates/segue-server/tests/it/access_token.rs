//! `POST /api/v1/access-token`: who gets a token, from where, and what it is.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Answer, Bot, Running, SHOP_HOST, SHOP_TOKEN, Setup};

/// A server with a connector for each of these lists of hosts and apps; their tokens are
/// `token-0`, `token-1` and so on.
async fn server_with(registered: &[(&[&str], &[&str])]) -> Running {
    let mut setup = Setup::new(&Bot::start().await);
    for (number, (hosts, apps)) in registered.iter().enumerate() {
        setup = setup.also(&format!(
            "[[connectors]]\nid = \"c{number}\"\ntoken = \"token-{number}\"\nbot = \"wick\"\n\
             hosts = {}\napps = {}\nhandshakes_per_second = 0\n",
            json!(hosts),
            json!(apps)
        ));
    }
    setup.start().await
}

async fn ask(server: &Running, token: &str, host: &str) -> Answer {
    server.token_request().header("X-Token", token).header("X-Host", host).send().await
}

/// Which of these hosts are let in. The others have to be refused with the right words.
async fn admitted<'h>(server: &Running, token: &str, hosts: &[&'h str]) -> Vec<&'h str> {
    let mut admitted = Vec::new();
    for host in hosts {
        let answer = ask(server, token, host).await;
        if answer.status == 200 {
            admitted.push(*host);
        } else {
            let text = "Failed to validate connector";
            answer.expect_refusal(401, text, "failed_to_validate_connector");
        }
    }
    admitted
}

/// Covers 1.9.
#[tokio::test]
async fn a_token_and_a_host_that_fits_are_enough() {
    let server = Setup::new(&Bot::start().await).start().await;
    for body in ["{}", "", r#"{"anything": [1, {"at": "all"}]}"#] {
        for kind in ["application/json", "application/json; charset=utf-8"] {
            let request = server.token_request().header("Content-Type", kind).body(body);
            let answer = request.send().await;
            assert_eq!(answer.status, 200, "{kind} {body}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let mut said = answer.json();
            let token = said["access_token"].take();
            assert!(token.as_str().is_some_and(|it| !it.is_empty()));
            let expected =
                json!({"access_token": null, "expires_in": 86400, "token_type": "Bearer"});
            assert_eq!(said, expected);
        }
    }
}

/// Covers 1.10.
#[tokio::test]
async fn an_access_token_is_a_jwt_that_clients_can_read() {
    let server = Setup::new(&Bot::start().await).start().await;
    let part = |text: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let mut names = Vec::new();
    for token in [server.access_token().await, server.access_token().await] {
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("not three parts: {token}")
        };
        assert!(part(header)["kid"].as_str().is_some_and(|it| !it.is_empty()));
        assert!(!URL_SAFE_NO_PAD.decode(signature).unwrap().is_empty());
        let payload = part(payload);
        for name in ["iss", "aud", "jti"] {
            assert!(payload[name].as_str().is_some_and(|it| !it.is_empty()), "{name}: {payload}");
        }
        assert_eq!(payload["connector"], "shop");
        let (iat, exp) = (payload["iat"].as_u64().unwrap(), payload["exp"].as_u64().unwrap());
        assert_eq!(exp - iat, 86_400);
        names.push(payload["jti"].clone());
    }
    assert_ne!(names[0], names[1]);
}

/// Covers 1.11.
#[tokio::test]
async fn both_headers_are_needed() {
    let server = Setup::new(&Bot::start().await).start().await;
    for name in ["X-Token", "X-Host"] {
        for request in
            [server.token_request().without(name), server.token_request().header(name, "")]
        {
            let answer = request.send().await;
            let text = "Missing authentication headers";
            answer.expect_refusal(401, text, "missing_authentication_headers");
        }
    }
    let neither = server.token_request().without("X-Token").without("X-Host").send().await;
    neither.expect_refusal(401, "Missing authentication headers", "missing_authentication_headers");
}

/// Covers 1.12.
#[tokio::test]
async fn a_token_of_nobody_and_that_of_a_disabled_connector_do_not_exist() {
    let off = "[[connectors]]\nid = \"off\"\ntoken = \"token-of-off\"\nhosts = [\"tallow.example\"]\n\
               bot = \"wick\"\ndisabled = true\n";
    let server = Setup::new(&Bot::start().await).also(off).start().await;
    let cut = &SHOP_TOKEN[..SHOP_TOKEN.len() - 1];
    let longer = format!("{SHOP_TOKEN}1");
    let upper = SHOP_TOKEN.to_uppercase();
    for token in ["token-of-off", "unknown", cut, &longer, &upper] {
        let answer = ask(&server, token, SHOP_HOST).await;
        let text = "Connector token does not exist";
        answer.expect_refusal(401, text, "connector_token_does_not_exist");
    }
}

/// Covers 1.13.
#[tokio::test]
async fn a_connector_without_hosts_and_apps_says_so() {
    let server = server_with(&[(&[], &[]), (&[], &["com.example.tallow"])]).await;
    let answer = ask(&server, "token-0", SHOP_HOST).await;
    answer.expect_refusal(401, "Connector missing host domain", "connector_missing_host_domain");
    // One that has only an app is not without any.
    assert_eq!(ask(&server, "token-1", "com.example.tallow").await.status, 200);
}

/// Covers 1.14.
#[tokio::test]
async fn each_of_many_hosts_is_as_good_as_the_first() {
    let server = server_with(&[
        (&["tallow.example", "mill.example", "10.0.0.7"], &["com.example.tallow", "com.example.m"]),
        (&["else.example"], &[]),
    ])
    .await;
    let hosts =
        ["tallow.example", "mill.example", "10.0.0.7", "com.example.tallow", "com.example.m"];
    assert_eq!(admitted(&server, "token-0", &hosts).await, hosts);
    // Not those of another connector, and not nobody's.
    let others = ["else.example", "tallow.test", "com.example.other", "10.0.0.8", "localhost"];
    assert_eq!(admitted(&server, "token-0", &others).await, [""; 0]);
}

/// Covers 1.15.
#[tokio::test]
async fn hosts_are_compared_as_lower_case_names() {
    let written = [
        "tallow.example",
        "TALLOW.Example",
        "https://tallow.example",
        "http://tallow.example/",
        "https://Tallow.Example./",
        "tallow.example.",
        "tallow.example/",
        "tallow.example/a/b?c#d",
        "HTTPS://tallow.example/shop/",
    ];
    let lists: Vec<[&str; 1]> = written.iter().map(|it| [*it]).collect();
    let registered: Vec<(&[&str], &[&str])> = lists.iter().map(|it| (&it[..], &[][..])).collect();
    let server = server_with(&registered).await;
    for number in 0..registered.len() {
        let token = format!("token-{number}");
        assert_eq!(admitted(&server, &token, &written).await, written, "{}", written[number]);
    }
    let server =
        server_with(&[(&["bücher.example"], &[]), (&["xn--bcher-kva.example"], &[])]).await;
    let written = [
        "bücher.example",
        "BÜCHER.example",
        "https://xn--bcher-kva.example/",
        "shop.bücher.example",
    ];
    for token in ["token-0", "token-1"] {
        assert_eq!(admitted(&server, token, &written).await, written);
    }
}

/// Covers 1.16.
#[tokio::test]
async fn a_host_admits_what_is_below_it_and_nothing_else() {
    let server = server_with(&[(&["tallow.example"], &[])]).await;
    let below = ["https://shop.tallow.example/", "a.b.c.tallow.example", "tallow.example"];
    assert_eq!(admitted(&server, "token-0", &below).await, below);
    let others = [
        "nottallow.example",
        "example",
        "tallow.example.else.test",
        "https://else.test/tallow.example",
        "https://tallow.example@else.test/",
        "https://else.test#.tallow.example",
        "https://else.test\\.tallow.example",
        ".tallow.example",
    ];
    assert_eq!(admitted(&server, "token-0", &others).await, [""; 0]);
}

/// Covers 1.17.
#[tokio::test]
async fn a_port_counts_where_it_is_registered() {
    let server = server_with(&[(&["tallow.example:8443"], &[]), (&["tallow.example"], &[])]).await;
    let asked = [
        "tallow.example:8443",
        "https://shop.tallow.example:8443/",
        "tallow.example",
        "https://tallow.example",
        "tallow.example:443",
        "http://tallow.example:8444",
    ];
    assert_eq!(admitted(&server, "token-0", &asked).await, asked[..2]);
    assert_eq!(admitted(&server, "token-1", &asked).await, asked);
}

/// Covers 1.18.
#[tokio::test]
async fn an_app_is_compared_as_it_stands() {
    let server = server_with(&[(&[], &["com.example.tallow"])]).await;
    let asked = [
        "com.example.tallow",
        "com.example.tallow.debug",
        "com.example",
        "COM.example.tallow",
        "com.example.Tallow",
        "shop.com.example.tallow",
        "https://com.example.tallow",
        "com.example.tallow.",
        "com.example.tallow/",
    ];
    assert_eq!(admitted(&server, "token-0", &asked).await, asked[..1]);
}

/// Covers 1.19.
#[tokio::test]
async fn an_address_that_asks_too_often_has_to_wait() {
    // Permits come back while this runs, so how many are let through depends on the machine. One a
    // second, so that it cannot go on for ever.
    let slow = "handshakes_per_second = 1\nsessions_per_token = 0";
    let server = Setup::new(&Bot::start().await).limits(slow).start().await;
    let mut answers = Vec::new();
    while answers.last().is_none_or(|it: &Answer| it.status == 200) {
        assert!(answers.len() < 10_000, "nothing is ever refused");
        answers.push(server.token_request().send().await);
    }
    let refused = answers.pop().unwrap();
    refused.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    assert!(answers.len() >= 50, "only {} were let through", answers.len());

    let server = Setup::new(&Bot::start().await).limits(slow).start().await;
    let token = server.access_token().await;
    let mut let_through = 1;
    let refused = loop {
        assert!(let_through < 10_000, "nothing is ever refused");
        let answer = server.session_request(&token, &json!({})).send().await;
        if answer.status != 200 {
            break answer;
        }
        let_through += 1;
    };
    refused.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    assert!(let_through >= 50, "only {let_through} were let through");
}

#[tokio::test]
async fn a_host_has_2048_bytes_at_most() {
    let server = Setup::new(&Bot::start().await).start().await;
    let host = |bytes: usize| {
        let host = "https://tallow.example/";
        format!("{host}{}", "x".repeat(bytes - host.len()))
    };
    let ask = |bytes: usize| server.token_request().header("X-Host", host(bytes)).send();
    assert_eq!(ask(2_048).await.status, 200);
    let text = "Failed to validate connector";
    ask(2_049).await.expect_refusal(401, text, "failed_to_validate_connector");
}
