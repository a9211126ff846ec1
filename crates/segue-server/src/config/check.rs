//! What the values mean, and which of them make no sense.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;
use segue_core::ConnectorId;

use super::section::Section;
use super::source::{Place, Source, Table, hint};
use super::warnings::warnings;
use super::{
    Bot, BotId, BotKind, BrokerUrl, Config, ConfigError, Connector, ConnectorSettings, Handoff,
    Problems, Secret, SecretsKeySource, Server, StoreUrl, TlsFiles, Tracing,
};
use crate::address::TrustedProxies;
use crate::http::hosts::{Host, Hosts};
use crate::limits::{
    AVATAR_URL_BYTES_MAX, BOT_NAME_BYTES_MAX, BotLimits, BotLimitsOverrides, CONFIG_ID_BYTES_MAX,
    CONNECTOR_TOKEN_BYTES_MAX, GREETING_BYTES_MAX, Limit, Limits, LimitsOverrides, ServerLimits,
    ServerLimitsOverrides, TRUSTED_PROXIES_MAX,
};

const LISTEN: &str = "127.0.0.1:8080";
const PUBLIC_URL: &str = "http://localhost:8080";
const STORE_URL: &str = "sqlite:data/segue.db";
const BROKER_URL: &str = "local:";

/// The rates that a burst belongs to.
const BURSTS: [(&str, &str); 4] = [
    ("messages_per_second", "messages_burst"),
    ("handshakes_per_second", "handshakes_burst"),
    ("connector_handshakes_per_second", "connector_handshakes_burst"),
    ("sockets_per_second", "sockets_burst"),
];

/// The whole configuration, or everything that is wrong with it, earlier problems included.
pub fn config(source: &Source, mut problems: Problems) -> Result<Config, ConfigError> {
    let found = &mut problems;
    let server = server(source.one(Section::Server), found);
    let tls = tls(source.one(Section::Tls), found);
    let store = store(source.one(Section::Store), found);
    let broker = broker(source.one(Section::Broker), found);
    let secrets_key = secrets_key(source.one(Section::Secrets), found);
    let metrics = metrics(source.one(Section::Metrics), server.as_ref(), found);
    let tracing = tracing(source.one(Section::Tracing), found);
    let limits = limits(source.one(Section::Limits), &Limits::default(), found);
    let server_limits = server_limits(source.one(Section::Limits), found);
    unique(source.many(Section::Bots), "id", found);
    unique(source.many(Section::Connectors), "id", found);
    unique(source.many(Section::Connectors), "token", found);
    let bot_limits = bot_limits(source.one(Section::Limits), &BotLimits::default(), found);
    let bots: Vec<_> =
        source.many(Section::Bots).iter().map(|table| bot(table, &bot_limits, found)).collect();
    let names: BTreeSet<&str> = source
        .many(Section::Bots)
        .iter()
        .filter_map(|table| table.text("id"))
        .map(|(id, _)| id)
        .collect();
    let connectors: Vec<_> = source
        .many(Section::Connectors)
        .iter()
        .map(|table| connector(table, &limits, &names, found))
        .collect();
    if !problems.is_empty() {
        return Err(problems.into_error());
    }
    let sound = "a value is absent only together with a problem";
    let mut config = Config {
        server: server.expect(sound),
        tls,
        store: store.expect(sound),
        broker: broker.expect(sound),
        secrets_key: secrets_key.expect(sound),
        metrics,
        tracing,
        limits,
        server_limits,
        connectors: connectors.into_iter().map(|connector| connector.expect(sound)).collect(),
        bots: bots.into_iter().map(|bot| bot.expect(sound)).collect(),
        warnings: Vec::new(),
        settings: Vec::new(),
    };
    config.warnings = warnings(&config, source);
    Ok(config)
}

/// The demonstration gives its token to whoever opens the page.
pub fn loopback_only(source: &Source, problems: &mut Problems) {
    let (listen, place) =
        source.one(Section::Server).text("listen").unwrap_or((LISTEN, &Place::Program));
    if listen.parse().is_ok_and(|address: std::net::SocketAddr| !address.ip().is_loopback()) {
        problems.add(
            place,
            format!(
                "server.listen: {listen} can be reached from other machines, and the \
                 demonstration is for this one only; write a configuration file with a connector"
            ),
        );
    }
}

/// Letters, digits, `-`, `_` and `.`: an id is part of names of variables and of access tokens. Not
/// dots alone: it is also part of paths, and there `.` and `..` mean something else.
pub fn is_id(text: &str) -> bool {
    (1..=CONFIG_ID_BYTES_MAX).contains(&text.len())
        && !text.bytes().all(|b| b == b'.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn server(table: &Table, problems: &mut Problems) -> Option<Server> {
    let (listen, place) = text_or(table, "listen", LISTEN);
    let address = listen.parse().ok();
    if address.is_none() {
        let text = format!("{listen:?} is not an address with a port, such as {LISTEN}");
        problems.add(place, format!("server.listen: {text}"));
    }
    let (public_url, place) = text_or(table, "public_url", PUBLIC_URL);
    let url = http_url(public_url);
    match &url {
        Err(text) => problems.add(place, format!("server.public_url: {text}")),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            problems.add(place, "server.public_url: may have a path, but no query and no fragment");
        }
        Ok(_) => {}
    }
    let trusted_proxies = trusted_proxies(table, problems);
    let public_url = url.ok()?.as_str().trim_end_matches('/').to_owned();
    Some(Server { listen: address?, public_url, trusted_proxies })
}

fn trusted_proxies(table: &Table, problems: &mut Problems) -> TrustedProxies {
    let (texts, place) = table.texts("trusted_proxies").unwrap_or((&[], &Place::Program));
    let mut proxies = TrustedProxies::default();
    for text in texts {
        if !proxies.add(text) {
            let text = format!("{text:?} is no address and no network, such as 10.0.0.0/8");
            problems.add(place, format!("server.trusted_proxies: {text}"));
        }
    }
    if texts.len() > TRUSTED_PROXIES_MAX {
        let text = format!("{} are too many, at most {TRUSTED_PROXIES_MAX}", texts.len());
        problems.add(place, format!("server.trusted_proxies: {text}"));
    }
    proxies
}

/// Both files or neither: with one alone, the server would speak what nobody expects of it.
fn tls(table: &Table, problems: &mut Problems) -> Option<TlsFiles> {
    match (optional(table, "certificate"), optional(table, "key")) {
        (None, None) => None,
        (Some((certificate, _)), Some((key, _))) => {
            Some(TlsFiles { certificate: PathBuf::from(certificate), key: PathBuf::from(key) })
        }
        (Some((_, place)), None) => {
            problems.add(place, "tls.key: missing, where there is a certificate");
            None
        }
        (None, Some((_, place))) => {
            problems.add(place, "tls.certificate: missing, where there is a key");
            None
        }
    }
}

fn store(table: &Table, problems: &mut Problems) -> Option<StoreUrl> {
    let (url, place) = text_or(table, "url", STORE_URL);
    if url == "memory:" {
        return Some(StoreUrl::Memory);
    }
    let path = url.strip_prefix("sqlite:").map(Path::new);
    // "sqlite://x" would be the absolute path "/x", and "sqlite::memory:" no file at all: nobody
    // means either.
    let is_odd = ["sqlite://", "sqlite::"].iter().any(|it| url.starts_with(it));
    let path = path.filter(|path| path.file_name().is_some() && !url.ends_with('/') && !is_odd);
    if path.is_none() {
        let shown = without_password(url);
        problems.add(place, format!("store.url: {shown} is not memory: or sqlite:PATH"));
    }
    path.map(|path| StoreUrl::Sqlite(path.to_owned()))
}

fn broker(table: &Table, problems: &mut Problems) -> Option<BrokerUrl> {
    let (url, place) = text_or(table, "url", BROKER_URL);
    if url == BROKER_URL {
        return Some(BrokerUrl::Local);
    }
    problems.add(place, format!("broker.url: {} is not {BROKER_URL}", without_password(url)));
    None
}

/// A value to repeat in a problem, unless it may hold a password.
fn without_password(url: &str) -> String {
    if url.contains('@') { "the value".to_owned() } else { format!("{url:?}") }
}

fn secrets_key(table: &Table, problems: &mut Problems) -> Option<SecretsKeySource> {
    let value = optional(table, "key").map(|(key, _)| Secret::new(key));
    let file = optional(table, "key_file").map(|(path, _)| PathBuf::from(path));
    let command = optional(table, "key_command").map(|(command, _)| command.to_owned());
    match (value, file, command) {
        (None, None, None) => Some(SecretsKeySource::DataFolder),
        (Some(key), None, None) => Some(SecretsKeySource::Value(key)),
        (None, Some(path), None) => Some(SecretsKeySource::File(path)),
        (None, None, Some(command)) => Some(SecretsKeySource::Command(command)),
        _ => {
            let text = "only one of key, key_file and key_command can be given";
            problems.add(&table.place, format!("secrets: {text}"));
            None
        }
    }
}

fn metrics(table: &Table, server: Option<&Server>, problems: &mut Problems) -> Option<SocketAddr> {
    let (listen, place) = optional(table, "listen")?;
    let address = listen.parse().ok();
    if address.is_none() {
        let text = format!("{listen:?} is not an address with a port, such as 127.0.0.1:9464");
        problems.add(place, format!("metrics.listen: {text}"));
    }
    if let (Some(own), Some(other)) = (address, server.map(|it| it.listen))
        && meet(own, other)
    {
        let text = format!("{listen:?} is taken by server.listen, {other}; give it another port");
        problems.add(place, format!("metrics.listen: {text}"));
    }
    address
}

/// Whether nobody can listen on both. Port 0 is another one each time.
fn meet(a: SocketAddr, b: SocketAddr) -> bool {
    let is_any = |it: SocketAddr| it.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || is_any(a) || is_any(b))
}

fn tracing(table: &Table, problems: &mut Problems) -> Option<Tracing> {
    let (percent, place) = table.whole("sample_percent").unwrap_or((100, &Place::Program));
    let sample_percent = u32::try_from(percent).ok().filter(|it| (1..=100).contains(it));
    if sample_percent.is_none() {
        let text =
            format!("{percent} makes no sense, 1 to 100; an empty otlp_url turns traces off");
        problems.add(place, format!("tracing.sample_percent: {text}"));
    }
    let (url, place) = optional(table, "otlp_url")?;
    let mut otlp_url = match http_url(url) {
        // A query may hold a key, and the address is shown in places.
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            problems.add(place, "tracing.otlp_url: may have a path, but no query and no fragment");
            return None;
        }
        Ok(url) => url,
        Err(text) => {
            problems.add(place, format!("tracing.otlp_url: {text}"));
            return None;
        }
    };
    if otlp_url.path() == "/" {
        otlp_url.set_path("/v1/traces");
    }
    Some(Tracing { otlp_url, sample_percent: sample_percent? })
}

/// What a table sets of these limits.
fn given(table: &Table, all: &[Limit], problems: &mut Problems) -> Vec<(&'static str, u64)> {
    let mut given = Vec::new();
    for limit in all {
        let Some((value, place)) = table.whole(limit.name) else {
            continue;
        };
        let name = format!("{}.{}", table.path, limit.name);
        if value < limit.min {
            problems.add(place, format!("{name}: {value} makes no sense, at least {}", limit.min));
        } else if value > limit.max {
            problems.add(place, format!("{name}: {value} is too much, at most {}", limit.max));
        } else {
            given.push((limit.name, value));
        }
    }
    given
}

fn server_limits(table: &Table, problems: &mut Problems) -> ServerLimits {
    let mut overrides = ServerLimitsOverrides::default();
    for (name, value) in given(table, ServerLimits::ALL, problems) {
        overrides.set(name, value);
    }
    ServerLimits::default().with(&overrides)
}

fn bot_limits(table: &Table, defaults: &BotLimits, problems: &mut Problems) -> BotLimits {
    let mut overrides = BotLimitsOverrides::default();
    for (name, value) in given(table, BotLimits::ALL, problems) {
        overrides.set(name, value);
    }
    defaults.with(&overrides)
}

/// The limits that a table sets, over the given ones.
fn limits(table: &Table, defaults: &Limits, problems: &mut Problems) -> Limits {
    let mut overrides = LimitsOverrides::default();
    for (name, value) in given(table, Limits::ALL, problems) {
        overrides.set(name, value);
    }
    let limits = defaults.with(&overrides);
    for (rate, burst) in BURSTS {
        // Said once, where one of the two was given.
        let given = table.whole(burst).or_else(|| table.whole(rate));
        if let Some((_, place)) = given
            && limits.get(rate) != Some(0)
            && limits.get(burst) == Some(0)
        {
            let text = format!("0 would refuse everything; to turn the rate off, set {rate} to 0");
            problems.add(place, format!("{}.{burst}: {text}", table.path));
        }
    }
    limits
}

fn connector(
    table: &Table,
    defaults: &Limits,
    bots: &BTreeSet<&str>,
    problems: &mut Problems,
) -> Option<Connector> {
    let id = id(table, problems);
    let token = required(table, "token", problems);
    if let Some((text, place)) = token
        && !crate::secrets::is_sealed(text)
        && !(text.len() <= CONNECTOR_TOKEN_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic()))
    {
        let text = "has to fit into a header: printable ASCII without spaces";
        problems.add(
            place,
            format!("{}.token: {text}, at most {CONNECTOR_TOKEN_BYTES_MAX} bytes", table.path),
        );
    }
    let settings = connector_settings(table, defaults, bots, problems);
    Some(Connector {
        id: ConnectorId(id?.to_owned()),
        token: Secret::new(token?.0),
        disabled: table.flag("disabled").unwrap_or(false),
        settings: settings?,
    })
}

/// What is set of a connector beside its name and its token.
pub fn connector_settings(
    table: &Table,
    defaults: &Limits,
    bots: &BTreeSet<&str>,
    problems: &mut Problems,
) -> Option<ConnectorSettings> {
    let mut hosts = Vec::new();
    hosts.extend(registered(table, "hosts", Host::domain, problems));
    hosts.extend(registered(table, "apps", Host::app, problems));
    let bot = required(table, "bot", problems);
    if let Some((bot, place)) = bot
        && !bots.contains(bot)
    {
        let known: Vec<&str> = bots.iter().copied().collect();
        let hint = match known[..] {
            [] => "there are no [[bots]]".to_owned(),
            _ => hint(bot, &known),
        };
        problems.add(place, format!("{}.bot: no bot has the id {bot:?}; {hint}", table.path));
    }
    let handoff = handoff(table, problems);
    let limits = limits(table, defaults, problems);
    Some(ConnectorSettings {
        hosts: Hosts::new(hosts),
        bot: BotId(bot?.0.to_owned()),
        handoff: handoff?,
        account: text_or(table, "account", "").0.to_owned(),
        project: text_or(table, "project", "").0.to_owned(),
        labels: table.texts("labels").map_or_else(Vec::new, |(labels, _)| labels.to_vec()),
        server_only: table.flag("server_only").unwrap_or(false),
        limits,
    })
}

fn registered<E: std::fmt::Display>(
    table: &Table,
    key: &str,
    parse: fn(&str) -> Result<Host, E>,
    problems: &mut Problems,
) -> Vec<Host> {
    let (texts, place) = table.texts(key).unwrap_or((&[], &Place::Program));
    let mut hosts = Vec::new();
    for text in texts {
        match parse(text) {
            Ok(host) => hosts.push(host),
            Err(error) => problems.add(place, format!("{}.{key}: {text:?} {error}", table.path)),
        }
    }
    hosts
}

fn handoff(table: &Table, problems: &mut Problems) -> Option<Handoff> {
    let (text, place) = text_or(table, "handoff", "none");
    match text {
        "none" => Some(Handoff::None),
        "server" => Some(Handoff::Server),
        "client" => Some(Handoff::Client),
        _ => {
            let text = format!("{text:?} is not one of \"none\", \"server\", \"client\"");
            problems.add(place, format!("{}.handoff: {text}", table.path));
            None
        }
    }
}

fn bot(table: &Table, defaults: &BotLimits, problems: &mut Problems) -> Option<Bot> {
    let id = id(table, problems);
    let name = required(table, "name", problems);
    let kind = bot_kind(table, problems);
    let avatar_url = optional(table, "avatar_url");
    let avatar = avatar_url.map(|(url, _)| http_url(url)).transpose();
    // Both stand in every message of the bot, whose frame has a size.
    for (key, given, bytes_max) in
        [("name", name, BOT_NAME_BYTES_MAX), ("avatar_url", avatar_url, AVATAR_URL_BYTES_MAX)]
    {
        if let Some((text, place)) = given
            && text.len() > bytes_max
        {
            problems
                .add(place, format!("{}.{key}: has to have {bytes_max} bytes at most", table.path));
        }
    }
    if let (Err(text), Some((_, place))) = (&avatar, avatar_url) {
        problems.add(place, format!("{}.avatar_url: {text}", table.path));
    }
    let greeting = optional(table, "greeting");
    if let Some((text, place)) = greeting
        && (text.trim().is_empty() || text.len() > GREETING_BYTES_MAX)
    {
        let text = format!("has to be empty or to say something, in {GREETING_BYTES_MAX} bytes");
        problems.add(place, format!("{}.greeting: {text}", table.path));
    }
    let limits = bot_limits(table, defaults, problems);
    Some(Bot {
        id: BotId(id?.to_owned()),
        name: name?.0.to_owned(),
        avatar_url: avatar.ok()?.map(String::from),
        greeting: greeting.map(|(text, _)| text.to_owned()),
        limits,
        kind: kind?,
    })
}

fn bot_kind(table: &Table, problems: &mut Problems) -> Option<BotKind> {
    let (kind, place) = required(table, "kind", problems)?;
    match kind {
        "knowledge" => {
            foreign(table, &["url", "secret"], kind, problems);
            let topics = optional(table, "topics").map(|(folder, _)| PathBuf::from(folder));
            Some(BotKind::Knowledge { topics })
        }
        "http" => {
            foreign(table, &["topics"], kind, problems);
            let url = required(table, "url", problems);
            let parsed = url.map(|(text, place)| (http_url(text), place));
            if let Some((Err(text), place)) = &parsed {
                problems.add(place, format!("{}.url: {text}", table.path));
            }
            let secret = required(table, "secret", problems);
            Some(BotKind::Http { url: parsed?.0.ok()?, secret: Secret::new(secret?.0) })
        }
        _ => {
            let text = format!("{kind:?} is not one of \"knowledge\", \"http\"");
            problems.add(place, format!("{}.kind: {text}", table.path));
            None
        }
    }
}

/// Keys that another kind of bot has: given by mistake, they would do nothing.
fn foreign(table: &Table, keys: &[&str], kind: &str, problems: &mut Problems) {
    for key in keys {
        if let Some((_, place)) = optional(table, key) {
            problems.add(place, format!("{}.{key}: a bot of kind {kind:?} has none", table.path));
        }
    }
}

fn id<'t>(table: &'t Table, problems: &mut Problems) -> Option<&'t str> {
    let (id, place) = required(table, "id", problems)?;
    if is_id(id) {
        return Some(id);
    }
    problems.add(place, format!("{}.id: {id:?}: {}", table.path, what_makes_an_id()));
    None
}

/// What has to be so of an id, for whoever gave another one.
pub fn what_makes_an_id() -> String {
    format!(
        "an id has 1 to {CONFIG_ID_BYTES_MAX} letters, digits, '-', '_' and '.', and not dots alone"
    )
}

/// Reports every table whose value another one has before it. Never prints the value.
fn unique(tables: &[Table], key: &str, problems: &mut Problems) {
    for (index, table) in tables.iter().enumerate() {
        let Some((text, place)) = optional(table, key) else {
            continue;
        };
        let earlier = tables[..index]
            .iter()
            .position(|other| other.text(key).is_some_and(|(other, _)| other == text));
        if let Some(earlier) = earlier {
            let text = format!("the same as that of number {} already", earlier + 1);
            problems.add(place, format!("{}.{key}: {text}", table.path));
        }
    }
}

/// The text of a key that has to be there and to say something. A missing one is reported at its
/// table, one of the wrong type was reported where it was read.
fn required<'t>(
    table: &'t Table,
    key: &str,
    problems: &mut Problems,
) -> Option<(&'t str, &'t Place)> {
    let given = table.text(key);
    match given {
        Some(("", place)) => {
            problems.add(place, format!("{}.{key}: must not be empty", table.path));
            None
        }
        None if !table.values.contains_key(key) => {
            problems.add(&table.place, format!("{}.{key}: missing", table.path));
            None
        }
        _ => given,
    }
}

/// The text of a key for which empty and absent are the same.
fn optional<'t>(table: &'t Table, key: &str) -> Option<(&'t str, &'t Place)> {
    table.text(key).filter(|(text, _)| !text.is_empty())
}

fn text_or<'t>(table: &'t Table, key: &str, default: &'t str) -> (&'t str, &'t Place) {
    table.text(key).unwrap_or((default, &Place::Program))
}

/// An address on the web. Never repeats what was given: it may hold a password.
fn http_url(text: &str) -> Result<Url, &'static str> {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err("expected a URL that begins with http:// or https://")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold a user name or a password")
        }
        Ok(url) => Ok(url),
        Err(_) => Err("expected a URL that begins with http:// or https://"),
    }
}
