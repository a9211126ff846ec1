//! `segue key`: keys of the admin API, and the key that signs access tokens.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Done,
    reach::{Api, Intent, Reach, path_part},
    table::{Table, fields},
};
use crate::{api_keys::Scope, config::Environment};

/// Keys.
#[derive(Debug, Args)]
pub struct Key {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// All keys of the admin API that the key in use may see.
    #[command(after_help = "\
Examples:
  segue key list")]
    List,
    /// Make a key of the admin API, and print it: the only time that it is shown.
    #[command(after_help = "\
Examples:
  segue key create reports --scope sessions:read --connector shop --days 90
  segue key create deploy --scope connectors:read --scope connectors:write > deploy.key")]
    Create {
        /// What it is for.
        name: String,
        /// What it may do; may be repeated.
        #[arg(long = "scope", required = true, value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<&'static str>,
        /// Where it may do it; may be repeated. All connectors if not given.
        #[arg(long = "connector", value_name = "NAME")]
        connectors: Vec<String>,
        /// It expires after so many days. It does not expire if not given.
        #[arg(long, value_name = "NUMBER")]
        days: Option<u64>,
    },
    /// Make a key of the admin API invalid, for good.
    #[command(after_help = "\
Examples:
  segue key revoke 0123456789abcdef")]
    Revoke {
        /// The part between the underscores.
        id: String,
    },
    /// Make a new key that signs access tokens; those of the key before stay valid.
    #[command(after_help = "\
Examples:
  segue key rotate")]
    Rotate,
}

const COLUMNS: &[(&str, &str)] = &[
    ("KEY", "id"),
    ("NAME", "name"),
    ("STATE", "state"),
    ("SCOPES", "scopes"),
    ("CONNECTORS", "connectors"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];

const DAY_SECONDS: u64 = 86_400;

fn scope(text: &str) -> Result<&'static str, String> {
    text.parse::<Scope>().map(Scope::name)
}

impl Key {
    /// Does what was asked.
    pub(super) async fn run(self, env: &Environment, out: &mut dyn Write) -> Done {
        let intent = match self.ask {
            Ask::List => Intent::Look,
            _ => Intent::Change,
        };
        let api = self.reach.open(intent, env).await?;
        let done = run(&api, self.ask, self.reach.json, out).await;
        api.close().await;
        done
    }
}

async fn run(api: &Api, ask: Ask, json: bool, out: &mut dyn Write) -> Done {
    match ask {
        Ask::List => {
            let listed = api.get("/keys").await?;
            let rows = listed["keys"].as_array().cloned().unwrap_or_default();
            if json {
                rows.iter().try_for_each(|it| writeln!(out, "{it}"))?;
            } else {
                Table::new(COLUMNS).rows(&rows, out)?;
            }
        }
        Ask::Create { name, scopes, connectors, days } => {
            let mut body = json!({"name": name, "scopes": scopes});
            if !connectors.is_empty() {
                body["connectors"] = json!(connectors);
            }
            if let Some(days) = days {
                body["expires_in_seconds"] = json!(days.saturating_mul(DAY_SECONDS));
            }
            let made = api.post("/keys", body).await?;
            if json {
                writeln!(out, "{made}")?;
            } else {
                writeln!(out, "{}", made["key"].as_str().unwrap_or_default())?;
                eprintln!("This is the only time that it is shown.");
            }
        }
        Ask::Revoke { id } => {
            let path = format!("/keys/{}/revoke", path_part(&id));
            shown(&api.post(&path, json!({})).await?, json, out)?;
        }
        Ask::Rotate => shown(&api.post("/signing-keys/rotate", json!({})).await?, json, out)?,
    }
    Ok(())
}

fn shown(value: &Value, json: bool, out: &mut dyn Write) -> Done {
    if json {
        return Ok(writeln!(out, "{value}")?);
    }
    Ok(fields(value, out)?)
}
