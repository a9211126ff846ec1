//! `segue session`: conversations.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use segue_core::SessionId;
use serde_json::{Value, json};

use super::{
    Done, Failed,
    reach::{Api, Intent, Reach},
    table::{Table, cell, fields},
};
use crate::{config::Environment, limits};

/// Conversations.
#[derive(Debug, Args)]
pub struct Session {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// All of them, the newest first.
    #[command(after_help = "\
Examples:
  segue session list
  segue session list --state live --connector shop
  segue session list --user ann --from 2026-05-01 --json")]
    List(List),
    /// One of them, with its whole log; internal entries are marked.
    #[command(after_help = "\
Examples:
  segue session show 01934b2e-7c00-4abc-8def-0123456789ab
  segue session show 01934b2e-7c00-4abc-8def-0123456789ab --json")]
    Show {
        /// Which.
        id: SessionId,
    },
    /// One of them in one piece, to be kept or read elsewhere.
    #[command(after_help = "\
Examples:
  segue session export 01934b2e-7c00-4abc-8def-0123456789ab > conversation.json
  segue session export 01934b2e-7c00-4abc-8def-0123456789ab --format markdown --out talk.md")]
    Export {
        /// Which.
        id: SessionId,
        /// For programs or for people.
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        /// Write it into this file instead.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// End conversations; their sockets are closed, and clients do not come back to them.
    #[command(after_help = "\
Examples:
  segue session revoke 01934b2e-7c00-4abc-8def-0123456789ab")]
    Revoke {
        /// Which.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<SessionId>,
    },
    /// Delete conversations with everything that was kept of them, and print the proofs.
    #[command(after_help = "\
Examples:
  segue session delete 01934b2e-7c00-4abc-8def-0123456789ab --yes
  segue session delete --user ann --yes --json")]
    Delete {
        /// Which.
        #[arg(value_name = "ID", required_unless_present = "user", conflicts_with = "user")]
        ids: Vec<SessionId>,
        /// All of this user.
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// It cannot be undone, and this says that you know.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Only those of this connector; may be repeated.
    #[arg(long, value_name = "NAME")]
    connector: Vec<String>,
    /// Only those that go on, or have ended.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Created then or later; UTC.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Created before; UTC.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only those of this user.
    #[arg(long, value_name = "USER_ID")]
    user: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Live,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Markdown,
}

const COLUMNS: &[(&str, &str)] = &[
    ("SESSION", "session_id"),
    ("CONNECTOR", "connector"),
    ("STATE", "state"),
    ("CREATED", "created_at"),
    ("LAST EVENT", "last_event_at"),
    ("USER", "user_id"),
    ("EVENTS", "sequence"),
];

const DELETED: &[(&str, &str)] = &[
    ("SESSION", "session_id"),
    ("CONNECTOR", "connector"),
    ("DELETED", "deleted_at"),
    ("ENTRIES", "entries"),
    // A digest is longer than a cell, so that nobody takes a part of it for all.
    ("BY", "deleted_by"),
];

impl Session {
    /// Does what was asked.
    pub(super) async fn run(self, env: &Environment, out: &mut dyn Write) -> Done {
        let intent = match self.ask {
            Ask::List(_) | Ask::Show { .. } | Ask::Export { .. } => Intent::Look,
            Ask::Revoke { .. } | Ask::Delete { .. } => Intent::Change,
        };
        if let Ask::Delete { yes: false, .. } = self.ask {
            return Err(Failed::usage(
                "what is deleted is gone for good: say --yes if you mean it",
            ));
        }
        let api = self.reach.open(intent, env).await?;
        let json = self.reach.json;
        let done = match self.ask {
            Ask::List(asked) => list(&api, &asked, json, out).await,
            Ask::Show { id } => show(&api, id, json, out).await,
            Ask::Export { id, format, out: file } => {
                export(&api, id, format, file.as_deref(), out).await
            }
            Ask::Revoke { ids } => revoke(&api, &ids, json, out).await,
            Ask::Delete { ids, user: None, .. } => delete(&api, &ids, json, out).await,
            Ask::Delete { user: Some(user), .. } => delete_of_user(&api, &user, json, out).await,
        };
        api.close().await;
        done
    }
}

async fn list(api: &Api, asked: &List, json: bool, out: &mut dyn Write) -> Done {
    let mut table = Table::new(COLUMNS);
    let mut left = asked.limit.unwrap_or(usize::MAX);
    let mut cursor = None;
    loop {
        let page =
            api.get(&list_path(asked, left.min(limits::LIST_PAGE), cursor.as_deref())).await?;
        let sessions = page["sessions"].as_array().cloned().unwrap_or_default();
        left = left.saturating_sub(sessions.len());
        print(&sessions, json, &mut table, out)?;
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || left == 0 {
            return Ok(());
        }
    }
}

fn list_path(asked: &List, limit: usize, cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    if !asked.connector.is_empty() {
        query.append_pair("connector", &asked.connector.join(","));
    }
    let state = asked.state.map(|it| match it {
        State::Live => "live",
        State::Ended => "ended",
    });
    for (name, value) in [
        ("state", state),
        ("created_from", asked.from.as_deref()),
        ("created_before", asked.before.as_deref()),
        ("user_id", asked.user.as_deref()),
        ("cursor", cursor),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("/sessions?{}", query.finish())
}

async fn show(api: &Api, id: SessionId, json: bool, out: &mut dyn Write) -> Done {
    let session = api.get(&format!("/sessions/{id}")).await?;
    if !json {
        fields(&session, out)?;
        writeln!(out)?;
    }
    let mut after = json!(0);
    while !after.is_null() {
        let limit = limits::PAGE_ENTRIES_MAX;
        let page = api.get(&format!("/sessions/{id}/entries?limit={limit}&after={after}")).await?;
        for entry in page["entries"].as_array().into_iter().flatten() {
            if json { writeln!(out, "{entry}")? } else { entry_line(entry, out)? }
        }
        after = page["next_after"].clone();
    }
    Ok(())
}

fn entry_line(entry: &Value, out: &mut dyn Write) -> Done {
    let sequence = match &entry["sequence"] {
        Value::Null => "internal".to_owned(),
        sequence => sequence.to_string(),
    };
    let (position, at) = (cell(&entry["position"]), cell(&entry["timestamp"]));
    Ok(writeln!(out, "{position:>6}  {sequence:>8}  {at}  {}", entry["event"])?)
}

async fn export(
    api: &Api,
    id: SessionId,
    format: Format,
    file: Option<&Path>,
    out: &mut dyn Write,
) -> Done {
    let format = match format {
        Format::Json => "json",
        Format::Markdown => "markdown",
    };
    let path = format!("/sessions/{id}/export?format={format}");
    let text = api.text(Method::GET, &path, None).await?;
    match file {
        Some(file) => Ok(std::fs::write(file, text)
            .with_context(|| format!("cannot write {}", file.display()))?),
        None => Ok(writeln!(out, "{}", text.trim_end())?),
    }
}

async fn revoke(api: &Api, ids: &[SessionId], json: bool, out: &mut dyn Write) -> Done {
    let mut table = Table::new(COLUMNS);
    each(ids, async |id| {
        let session = api.post(&format!("/sessions/{id}/revoke"), json!({})).await?;
        print(&[session], json, &mut table, out)
    })
    .await
}

async fn delete(api: &Api, ids: &[SessionId], json: bool, out: &mut dyn Write) -> Done {
    let mut table = Table::new(DELETED);
    each(ids, async |id| {
        let proof = api.call(Method::DELETE, &format!("/sessions/{id}"), None).await?;
        print(&[proof], json, &mut table, out)
    })
    .await
}

/// Does something to all of them, also behind one that is not there; then that is told, and the exit
/// code is that of the first failure. Whatever else goes wrong would go wrong with the others, too.
async fn each(ids: &[SessionId], mut change: impl AsyncFnMut(&SessionId) -> Done) -> Done {
    let mut missing = Ok(());
    for id in ids {
        match change(id).await {
            Err(Failed::NotFound(error)) if missing.is_ok() => {
                missing = Err(Failed::NotFound(error.context(id.to_string())));
            }
            Err(Failed::NotFound(error)) => eprintln!("segue: {id}: {error:#}"),
            other => other?,
        }
    }
    missing
}

async fn delete_of_user(api: &Api, user: &str, json: bool, out: &mut dyn Write) -> Done {
    let mut table = Table::new(DELETED);
    let mut query = form_urlencoded::Serializer::new(String::new());
    let path = format!("/sessions?{}", query.append_pair("user_id", user).finish());
    loop {
        let deleted = api.call(Method::DELETE, &path, None).await?;
        let proofs = deleted["deletions"].as_array().cloned().unwrap_or_default();
        print(&proofs, json, &mut table, out)?;
        if deleted["more"] != json!(true) {
            return Ok(());
        }
    }
}

fn print(rows: &[Value], json: bool, table: &mut Table, out: &mut dyn Write) -> Done {
    if json {
        rows.iter().try_for_each(|it| writeln!(out, "{it}"))?;
    } else {
        table.rows(rows, out)?;
    }
    Ok(())
}
