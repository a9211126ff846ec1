//! The configuration: a file, the environment over it, and what both have to make sense of.
//!
//! Pure: the text and the variables are arguments. All problems are found in one go, so that
//! nobody has to start the server once per mistake. `config.default.toml` documents every key.

mod check;
mod nearest;
mod secret;
mod section;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;
use segue_core::ConnectorId;

pub use check::{is_id, what_makes_an_id};
pub use secret::Secret;
#[cfg(test)]
pub(crate) use section::Kind;
use section::Section;
#[cfg(test)]
pub(crate) use settings::OriginFields;
pub use settings::{Origin, Setting};
#[cfg(test)]
pub(crate) use source::connector_keys;
use source::{Given, Place, Source, Value};
pub use source::{OPTIONS, VARIABLES_OF_THE_PROGRAM};

use crate::address::TrustedProxies;
use crate::http::hosts::Hosts;
use crate::limits::{BotLimits, Limits, ServerLimits};
use crate::secrets::{FOR_CONFIGURATION, SecretsKey, is_sealed};

/// The documentation of the configuration, which parses to the defaults.
pub const DEFAULT_TOML: &str = include_str!("config.default.toml");

/// Connector and bot of a server that was started without a file.
const DEMO_TOML: &str = include_str!("config.demo.toml");

/// The variables of the process, as its `main` found them.
pub type Environment = BTreeMap<String, String>;

/// Everything that is configured, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the server is.
    pub server: Server,
    /// Who the server is to those who connect; `None` where it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Where the logs of the sessions are.
    pub store: StoreUrl,
    /// What connects the nodes.
    pub broker: BrokerUrl,
    /// Where the key is that secrets are kept under.
    pub secrets_key: SecretsKeySource,
    /// Where metrics are asked for; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// What becomes of traces; `None`: there are none.
    pub tracing: Option<Tracing>,
    /// The limits of all connectors; a connector's own are in `Connector::limits`.
    pub limits: Limits,
    /// The limits that only the server as a whole has.
    pub server_limits: ServerLimits,
    /// In the order of the file. Ids and tokens are unique.
    pub connectors: Vec<Connector>,
    /// In the order of the file. Ids are unique.
    pub bots: Vec<Bot>,
    /// What works but is hardly meant: one sentence each, to be logged at the start.
    pub warnings: Vec<String>,
    /// Every value with where it comes from; secrets are masked.
    pub settings: Vec<Setting>,
}

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address that is bound.
    pub listen: SocketAddr,
    /// The address that people and applications use, without a slash at its end.
    pub public_url: String,
    /// The proxies that are believed when they say whose request it is.
    pub trusted_proxies: TrustedProxies,
}

/// A certificate and its key, in PEM; relative paths are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those between it and the authority behind it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where the logs of the sessions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this process; gone at its end.
    Memory,
    /// In this SQLite database; relative paths are relative to the working directory.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// The data folder, which also keeps the keys of the access tokens. `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::Sqlite(path) => match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => Some(folder),
                _ => Some(Path::new(".")),
            },
        }
    }
}

/// What connects the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerUrl {
    /// Nothing: there is one node.
    Local,
}

/// What becomes of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// Where they are posted to, as OTLP; http or https, without credentials and without a query.
    pub otlp_url: Url,
    /// How many turns of a hundred are traced, 1 to 100.
    pub sample_percent: u32,
}

/// Where the key is that secrets are kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretsKeySource {
    /// In the data folder, and made at the first start.
    DataFolder,
    /// This is it: 32 bytes in base64url.
    Value(Secret),
    /// In this file.
    File(PathBuf),
    /// This command of the shell prints it, for instance by asking a key management service.
    Command(String),
}

/// An integration: one token, one bot, the hosts it may be used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// Its name, also in every access token.
    pub id: ConnectorId,
    /// What applications send as `X-Token`.
    pub token: Secret,
    /// New tokens and sessions are refused, running sessions go on.
    pub disabled: bool,
    /// Everything else, which one that is made at run time has as well.
    pub settings: ConnectorSettings,
}

/// What is set of a connector beside its name and its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorSettings {
    /// Where it may be used from; may be empty, and then every hand-shake is refused.
    pub hosts: Hosts,
    /// The bot that answers: one of `Config::bots`.
    pub bot: BotId,
    /// Who takes over when the bot hands off.
    pub handoff: Handoff,
    /// Whom it belongs to; free text, empty where not given.
    pub account: String,
    /// What it belongs to; free text, empty where not given.
    pub project: String,
    /// Words to find it by; free text.
    pub labels: Vec<String>,
    /// No browser may use it: a request with an `Origin` is refused.
    pub server_only: bool,
    /// The limits of all connectors, with its own.
    pub limits: Limits,
}

impl ConnectorSettings {
    /// Nothing is set but the bot and the limits.
    pub fn new(bot: BotId, limits: Limits) -> Self {
        Self {
            hosts: Hosts::default(),
            bot,
            handoff: Handoff::None,
            account: String::new(),
            project: String::new(),
            labels: Vec::new(),
            server_only: false,
            limits,
        }
    }

    /// Checks what somebody wants to set: the keys of `[[connectors]]`, except `id`, `token` and
    /// `disabled`. What is absent has its default. `path` names it in the problems that are found.
    pub fn from_json(
        path: &str,
        given: &serde_json::Map<String, serde_json::Value>,
        limits: &Limits,
        bots: &BTreeSet<&str>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let table = source::table_of_json(path, given, &mut problems);
        let settings = check::connector_settings(&table, limits, bots, &mut problems);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(problems.into_error()),
        }
    }
}

/// Who takes over when the bot hands off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Handoff {
    /// Nobody: a handoff fails, and the bot goes on.
    #[default]
    None,
    /// The server: a queue and live agents.
    Server,
    /// The user's application.
    Client,
}

/// The name of a bot in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BotId(pub String);

impl fmt::Display for BotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What answers the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its name in the configuration.
    pub id: BotId,
    /// Its name as the user reads it.
    pub name: String,
    /// Its picture: an absolute URL, percent-encoded.
    pub avatar_url: Option<String>,
    /// What it says first. `None` where the bot is asked instead.
    pub greeting: Option<String>,
    /// How much it is given to do: what holds for all bots, with its own.
    pub limits: BotLimits,
    /// How it answers.
    pub kind: BotKind,
}

/// How a bot answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BotKind {
    /// From a folder of topics.
    Knowledge {
        /// The folder, relative to the working directory; `None` for the built-in topics.
        topics: Option<PathBuf>,
    },
    /// By asking somebody over HTTP.
    Http {
        /// Where it is asked; http or https, without credentials.
        url: Url,
        /// The key of the signatures.
        secret: Secret,
    },
}

impl Config {
    /// Reads a file and lays the environment over it. Without a file everything has its default,
    /// and there is neither a connector nor a bot: see `Config::demo`.
    ///
    /// Variables that do not begin with `SEGUE_` and the name of a section are ignored.
    pub fn load(text: Option<&str>, env: &Environment) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let mut source = Source::read(text.unwrap_or_default(), &mut problems);
        source.overlay(env, &mut problems);
        source.follow_option();
        let mut config = check::config(&source, problems)?;
        config.settings = settings::settings(&source, settings::Text::Given);
        Ok(config)
    }

    /// What a server uses that was started without a file: the defaults, the built-in bot, and a
    /// connector for this machine with the given token, all of which the environment may change.
    ///
    /// Refused where the server listens on other than a loopback address: whoever opens the page
    /// of such a server is given the token. A caller who keeps the token in the data folder learns
    /// that folder from a first call, with a token that it throws away.
    pub fn demo(token: &Secret, env: &Environment) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let mut source = Source::read(DEMO_TOML, &mut problems);
        let [connector] = &mut source.many_mut(Section::Connectors)[..] else {
            panic!("the built-in configuration has one connector");
        };
        let value = Value::Text(token.expose().to_owned());
        connector.values.insert("token", Given { value, place: Place::Program });
        source.overlay(env, &mut problems);
        source.follow_option();
        check::loopback_only(&source, &mut problems);
        let mut config = check::config(&source, problems)?;
        config.settings = settings::settings(&source, settings::Text::BuiltIn);
        Ok(config)
    }

    /// The bot of this id.
    pub fn bot(&self, id: &BotId) -> Option<&Bot> {
        self.bots.iter().find(|bot| bot.id == *id)
    }

    /// Opens every value that is sealed.
    pub fn open_sealed(&mut self, key: &SecretsKey) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        let mut open = |name: String, secret: &mut Secret| {
            if !is_sealed(secret.expose()) {
                return;
            }
            match key.open_sealed(FOR_CONFIGURATION, secret.expose()) {
                Ok(opened) => *secret = opened,
                Err(error) => problems.add(&Place::Program, format!("{name}: {error}")),
            }
        };
        for connector in &mut self.connectors {
            open(format!("connectors.{}.token", connector.id), &mut connector.token);
        }
        for bot in &mut self.bots {
            if let BotKind::Http { secret, .. } = &mut bot.kind {
                open(format!("bots.{}.secret", bot.id), secret);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.into_error()) }
    }
}

/// A configuration that cannot be used. Prints one problem a line, those of the file first and in
/// its order, and never the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// One line each; at least one.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// What was found wrong so far.
#[derive(Debug, Default)]
struct Problems(Vec<(Place, String)>);

impl Problems {
    fn add(&mut self, place: &Place, text: impl Into<String>) {
        self.0.push((place.clone(), text.into()));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn into_error(mut self) -> ConfigError {
        self.0.sort();
        self.0.dedup();
        let line = |(place, text): (Place, String)| match place {
            Place::Line(number) => format!("line {number}: {text}"),
            Place::Variable(name) => format!("{name}: {text}"),
            Place::Program => text,
        };
        ConfigError { problems: self.0.into_iter().map(line).collect() }
    }
}
