//! `[tracing]`: off without an address.

use super::*;

#[test]
fn traces_are_off_unless_they_have_an_address() {
    assert_eq!(load("").tracing, None);
    assert_eq!(load("[tracing]\notlp_url = \"\"\nsample_percent = 5").tracing, None);
    let url = |text: &str| load(&format!("[tracing]\notlp_url = \"{text}\"")).tracing.unwrap();
    let added = url("http://127.0.0.1:4318");
    assert_eq!(added.otlp_url.as_str(), "http://127.0.0.1:4318/v1/traces");
    assert_eq!(added.sample_percent, 100);
    assert_eq!(url("https://t.example/otlp").otlp_url.as_str(), "https://t.example/otlp");
    let variables =
        env(&[("SEGUE_TRACING_OTLP_URL", "http://t:1/x"), ("SEGUE_TRACING_SAMPLE_PERCENT", "5")]);
    let of_variables = Config::load(None, &variables).unwrap().tracing.unwrap();
    assert_eq!((of_variables.otlp_url.as_str(), of_variables.sample_percent), ("http://t:1/x", 5));
}

#[test]
fn an_address_for_traces_has_to_be_one_and_holds_no_secret() {
    let no_url = "line 2: tracing.otlp_url: expected a URL that begins with http:// or https://";
    for url in ["127.0.0.1:4318", "collector:4318", "grpc://collector:4317"] {
        refused(&format!("[tracing]\notlp_url = \"{url}\""), &[no_url]);
    }
    let password = "line 2: tracing.otlp_url: must not hold a user name or a password";
    refused("[tracing]\notlp_url = \"http://a:b@collector\"", &[password]);
    let query = "line 2: tracing.otlp_url: may have a path, but no query and no fragment";
    refused("[tracing]\notlp_url = \"http://collector/?key=1\"", &[query]);
    for percent in [0, 101] {
        let complaint = format!(
            "line 2: tracing.sample_percent: {percent} makes no sense, 1 to 100; an empty otlp_url \
             turns traces off"
        );
        refused(&format!("[tracing]\nsample_percent = {percent}"), &[&complaint]);
    }
}
