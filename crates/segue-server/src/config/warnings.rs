//! What works but is hardly meant.

use super::Config;
use super::section::Section;
use super::source::{Place, Source};
use crate::limits::{CONNECTOR_TOKEN_BYTES_ADVISED, HEARTBEAT_INTERVAL_SECONDS};

/// One sentence each, in the order in which they are found.
pub fn warnings(config: &Config, source: &Source) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.connectors.is_empty() {
        warnings.push("there are no [[connectors]]: nobody can open a session".to_owned());
    }
    if config.tls.is_some() && config.server.public_url.starts_with("http:") {
        let text = "server.public_url begins with http: but the server speaks nothing but TLS";
        warnings.push(text.to_owned());
    }
    if config.server.trusted_proxies.trust_everybody() {
        warnings.push(
            "server.trusted_proxies trusts everybody: who connects chooses the address that limits \
             count"
                .to_owned(),
        );
    }
    for table in source.many(Section::Connectors) {
        // That of the demonstration is made by the program, and what is sealed is not seen here.
        let given = table.text("token").filter(|(_, place)| **place != Place::Program);
        if given.is_some_and(|(token, _)| {
            !crate::secrets::is_sealed(token) && token.len() < CONNECTOR_TOKEN_BYTES_ADVISED
        }) {
            warnings.push(format!(
                "{}.token has fewer than {CONNECTOR_TOKEN_BYTES_ADVISED} characters: it can be \
                 guessed",
                table.path
            ));
        }
    }
    for connector in config.connectors.iter().filter(|it| it.settings.hosts.is_empty()) {
        warnings.push(format!(
            "connectors.{} has neither hosts nor apps: nobody can use it",
            connector.id
        ));
    }
    let tables = std::iter::once((source.one(Section::Limits), &config.limits));
    let own = source
        .many(Section::Connectors)
        .iter()
        .zip(config.connectors.iter().map(|it| &it.settings.limits));
    for (table, limits) in tables.chain(own) {
        for name in ["connection_idle_seconds", "idle_seconds"] {
            if table.whole(name).is_some()
                && limits.get(name).is_some_and(|seconds| seconds <= HEARTBEAT_INTERVAL_SECONDS)
            {
                warnings.push(format!(
                    "{}.{name} is not above the {HEARTBEAT_INTERVAL_SECONDS} s between the \
                     heartbeats of a client: quiet ones will be thrown out",
                    table.path
                ));
            }
        }
    }
    warnings
}
