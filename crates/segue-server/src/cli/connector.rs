//! `segue connector`.

use std::io::Write;

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Done, Failed,
    reach::{Api, Intent, Reach, path_part},
    table::{Table, fields},
};
use crate::config::Environment;

/// Connectors.
#[derive(Debug, Args)]
pub struct Connector {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Make one, and print its token.
    #[command(after_help = "\
Examples:
  segue connector create shop --bot ada --host shop.example.com
  segue connector create app --bot ada --app com.example.app --limit idle_seconds=900")]
    Create {
        /// Its name.
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change what is set of one.
    #[command(after_help = "\
Examples:
  segue connector set shop --host shop.example.com --host example.org
  segue connector set shop --default handoff --default idle_seconds")]
    Set {
        /// Which.
        id: String,
        #[command(flatten)]
        settings: Settings,
        /// Take a setting back to its default; may be repeated.
        #[arg(long = "default", value_name = "NAME")]
        defaults: Vec<String>,
    },
    /// All of them.
    #[command(after_help = "\
Examples:
  segue connector list
  segue connector list --json")]
    List,
    /// One of them, with its token where that may be shown.
    #[command(after_help = "\
Examples:
  segue connector show shop")]
    Show {
        /// Which.
        id: String,
    },
    /// Make a new token and print it; the one before it is good for a while.
    #[command(after_help = "\
Examples:
  segue connector rotate shop
  segue connector rotate shop --overlap-seconds 604800")]
    Rotate {
        /// Which.
        id: String,
        /// How much longer the token before is good; a day if not given.
        #[arg(long, value_name = "SECONDS")]
        overlap_seconds: Option<u64>,
    },
    /// Refuse new conversations; running ones go on.
    #[command(after_help = "\
Examples:
  segue connector disable shop")]
    Disable {
        /// Which.
        id: String,
    },
    /// Let new conversations in again.
    #[command(after_help = "\
Examples:
  segue connector enable shop")]
    Enable {
        /// Which.
        id: String,
    },
    /// End its conversations and refuse new ones, for good.
    #[command(after_help = "\
Examples:
  segue connector revoke shop")]
    Revoke {
        /// Which.
        id: String,
    },
}

/// What is set of a connector.
#[derive(Debug, Args)]
struct Settings {
    /// The bot of the configuration that answers.
    #[arg(long, value_name = "NAME")]
    bot: Option<String>,
    /// Where a page may use it from, with all below it; may be repeated.
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// The namespace of an application that may use it; may be repeated.
    #[arg(long = "app", value_name = "NAMESPACE")]
    apps: Vec<String>,
    /// Who takes over from the bot: none, server or client.
    #[arg(long, value_name = "WHO")]
    handoff: Option<String>,
    /// Whom it belongs to.
    #[arg(long)]
    account: Option<String>,
    /// What it belongs to.
    #[arg(long)]
    project: Option<String>,
    /// A word to find it by; may be repeated.
    #[arg(long = "label", value_name = "WORD")]
    labels: Vec<String>,
    /// No browser may use it; its token is a secret and is not shown again.
    #[arg(long)]
    server_only: bool,
    /// A limit of its own, such as idle_seconds=900; may be repeated.
    #[arg(long = "limit", value_name = "NAME=NUMBER")]
    limits: Vec<String>,
}

const COLUMNS: &[(&str, &str)] = &[
    ("CONNECTOR", "id"),
    ("STATE", "state"),
    ("SOURCE", "source"),
    ("BOT", "bot"),
    ("HOSTS", "hosts"),
    ("APPS", "apps"),
    ("LABELS", "labels"),
];

impl Settings {
    fn body(&self) -> Result<Map<String, Value>, Failed> {
        let mut body = Map::new();
        let texts = [
            ("bot", &self.bot),
            ("handoff", &self.handoff),
            ("account", &self.account),
            ("project", &self.project),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body.insert(name.to_owned(), json!(text));
            }
        }
        for (name, list) in [("hosts", &self.hosts), ("apps", &self.apps), ("labels", &self.labels)]
        {
            if !list.is_empty() {
                body.insert(name.to_owned(), json!(list));
            }
        }
        if self.server_only {
            body.insert("server_only".to_owned(), json!(true));
        }
        for limit in &self.limits {
            let pair = limit
                .split_once('=')
                .and_then(|(name, value)| Some((name.to_owned(), value.parse::<u64>().ok()?)));
            let (name, value) =
                pair.ok_or_else(|| Failed::usage(format!("--limit {limit}: not NAME=NUMBER")))?;
            body.insert(name, json!(value));
        }
        Ok(body)
    }
}

impl Connector {
    /// Does what was asked.
    pub(super) async fn run(self, env: &Environment, out: &mut dyn Write) -> Done {
        let intent = match self.ask {
            Ask::List | Ask::Show { .. } => Intent::Look,
            _ => Intent::Change,
        };
        let api = self.reach.open(intent, env).await?;
        let done = run(&api, self.ask, self.reach.json, out).await;
        api.close().await;
        done
    }
}

async fn run(api: &Api, ask: Ask, json: bool, out: &mut dyn Write) -> Done {
    let path = |id: &str, what: &str| format!("/connectors/{}{what}", path_part(id));
    match ask {
        Ask::Create { id, settings } => {
            let mut body = settings.body()?;
            body.insert("id".to_owned(), json!(id));
            told(&api.post("/connectors", Value::Object(body)).await?, json, out)
        }
        Ask::Set { id, settings, defaults } => {
            let mut body = settings.body()?;
            body.extend(defaults.into_iter().map(|it| (it, Value::Null)));
            let body = Some(Value::Object(body));
            shown(&api.call(Method::PATCH, &path(&id, ""), body).await?, json, out)?;
            if settings.server_only {
                eprintln!(
                    "Its token is not shown any more, and whoever has seen it can still use it: make \
                     a new one with `segue connector rotate {id}`."
                );
            }
            Ok(())
        }
        Ask::List => {
            let listed = api.get("/connectors").await?;
            let rows = listed["connectors"].as_array().cloned().unwrap_or_default();
            if json {
                rows.iter().try_for_each(|it| writeln!(out, "{it}"))?;
            } else {
                Table::new(COLUMNS).rows(&rows, out)?;
            }
            Ok(())
        }
        Ask::Show { id } => shown(&api.get(&path(&id, "")).await?, json, out),
        Ask::Rotate { id, overlap_seconds } => {
            let body = json!({"overlap_seconds": overlap_seconds});
            told(&api.post(&path(&id, "/rotate"), body).await?, json, out)
        }
        Ask::Disable { id } => {
            shown(&api.post(&path(&id, "/disable"), json!({})).await?, json, out)
        }
        Ask::Enable { id } => shown(&api.post(&path(&id, "/enable"), json!({})).await?, json, out),
        Ask::Revoke { id } => shown(&api.post(&path(&id, "/revoke"), json!({})).await?, json, out),
    }
}

fn shown(connector: &Value, json: bool, out: &mut dyn Write) -> Done {
    if json {
        return Ok(writeln!(out, "{connector}")?);
    }
    Ok(fields(connector, out)?)
}

/// The token alone, so that it can be taken by a script.
fn told(connector: &Value, json: bool, out: &mut dyn Write) -> Done {
    if json {
        return Ok(writeln!(out, "{connector}")?);
    }
    writeln!(out, "{}", connector["token"].as_str().unwrap_or_default())?;
    if let Some(seconds) = connector["overlap_seconds"].as_u64() {
        eprintln!("This is the new token; the one before it is good for {seconds} seconds more.");
    }
    if connector["server_only"] == json!(true) {
        eprintln!("This is the only time that it is shown.");
    }
    Ok(())
}
