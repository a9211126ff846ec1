//! `segue backup` and `segue restore`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Failed, load, reach::must_be_there};
use crate::{
    backup::{self, Occupied},
    config::{Environment, SecretsKeySource, StoreUrl},
    server,
};

/// Copy the conversations and the keys into a new folder, also while a server runs.
///
/// The copy is the state of one moment: everything that was acknowledged before is in it. The
/// configuration file, topics and certificates are not. Whoever has the copy can read every
/// conversation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segue backup /var/backups/segue/monday
  segue backup --config /etc/segue/segue.toml /var/backups/segue/monday --json")]
pub struct Backup {
    /// The folder to make; one that is there must be empty.
    #[arg(value_name = "DIR")]
    target: PathBuf,
    /// The configuration file; `./segue.toml` if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the manifest of the backup.
    #[arg(long)]
    json: bool,
}

/// Put a backup into the data folder, while no server runs.
///
/// The backup is checked completely first: one that is damaged changes nothing. The next start of a
/// server goes on where the backup was made; what was said since then is not there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segue restore /var/backups/segue/monday
  segue restore --config /etc/segue/segue.toml --force /var/backups/segue/monday")]
pub struct Restore {
    /// The folder that `segue backup` made.
    #[arg(value_name = "DIR")]
    backup: PathBuf,
    /// The configuration file; `./segue.toml` if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where there are conversations already, move them into a folder within the data folder.
    #[arg(long)]
    force: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Does what was asked.
    pub(super) fn run(self, env: &Environment, out: &mut dyn Write) -> Result<(), Failed> {
        let config = load(self.config.as_deref(), env)?;
        let database = database(&config.store)?;
        must_be_there(database)?;
        let manifest = backup::make(database, &self.target, &*server::sources().now)?;
        let kept_elsewhere = match config.secrets_key {
            SecretsKeySource::DataFolder => None,
            SecretsKeySource::Value(_) => Some("secrets.key".to_owned()),
            SecretsKeySource::File(path) => Some(path.display().to_string()),
            SecretsKeySource::Command(_) => Some("secrets.key_command".to_owned()),
        };
        if let Some(origin) = kept_elsewhere {
            eprintln!("note: the key of the secrets ({origin}) is not in the backup: keep it, too");
        }
        let said = if self.json {
            writeln!(out, "{}", json!(manifest))
        } else {
            writeln!(
                out,
                "Backed up {} files with {} bytes to {}.",
                manifest.files.len(),
                manifest.bytes(),
                self.target.display()
            )
        };
        Ok(said.context("cannot say so")?)
    }
}

impl Restore {
    /// Does what was asked.
    pub(super) fn run(self, env: &Environment, out: &mut dyn Write) -> Result<(), Failed> {
        let config = load(self.config.as_deref(), env)?;
        let database = database(&config.store)?;
        let occupied = if self.force { Occupied::MoveAside } else { Occupied::Refuse };
        let now = (server::sources().now)();
        let restored = backup::restore(&self.backup, database, occupied, now)?;
        let folder = config.store.folder().unwrap_or(Path::new("."));
        let said = if self.json {
            writeln!(
                out,
                "{}",
                json!({"manifest": restored.manifest, "folder": folder, "aside": restored.aside})
            )
        } else {
            let aside = restored.aside.map(|it| format!(" What was there is in {}.", it.display()));
            writeln!(
                out,
                "Restored the backup of {} into the folder {}.{}",
                restored.manifest.began_at,
                folder.display(),
                aside.unwrap_or_default()
            )
        };
        Ok(said.context("cannot say so")?)
    }
}

fn database(store: &StoreUrl) -> Result<&Path, Failed> {
    match store {
        StoreUrl::Sqlite(path) => Ok(path),
        StoreUrl::Memory => Err(Failed::Usage(anyhow::anyhow!(
            "the configuration keeps conversations in memory: there is nothing to back up or restore"
        ))),
    }
}
