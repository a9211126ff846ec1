//! `segue config`: the documented defaults, a check, and what is in force.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    DEFAULT_FILE, Done, Failed, load,
    reach::{Intent, Reach},
    secret,
    serve::with_files,
    table::{Table, cell},
};
use crate::config::{Config, DEFAULT_TOML, Environment};

#[derive(Debug, Subcommand)]
pub enum Ask {
    /// Print the documented defaults.
    #[command(after_help = "\
Examples:
  segue config default > segue.toml")]
    Default,
    /// Check a file and the environment.
    #[command(after_help = "\
Examples:
  segue config check
  segue config check /etc/segue/segue.toml --json")]
    Check {
        /// The configuration file; `./segue.toml` if it is there.
        #[arg(value_name = "FILE")]
        config: Option<PathBuf>,
        /// JSON: whether it is valid, and what is wrong or hardly meant.
        #[arg(long)]
        json: bool,
    },
    /// Print every value in force and where it comes from; secrets are masked. Of a server, with --url.
    #[command(after_help = "\
Examples:
  segue config show
  segue config show --config /etc/segue/segue.toml --json
  segue config show --url http://localhost:8080")]
    Show {
        #[command(flatten)]
        reach: Reach,
    },
}

const COLUMNS: &[(&str, &str)] = &[("NAME", "name"), ("VALUE", "value"), ("FROM", "place")];

impl Ask {
    /// Does what was asked.
    pub(super) async fn run(self, env: &Environment, out: &mut dyn Write) -> Done {
        match self {
            Ask::Default => write!(out, "{DEFAULT_TOML}")?,
            Ask::Check { config, json } => {
                let checked = load(config.as_deref(), env).and_then(with_files);
                check(checked.and_then(secret::checked), json, out)?;
            }
            Ask::Show { reach } => show(&reach, env, out).await?,
        }
        Ok(())
    }
}

fn check(checked: Result<Config, Failed>, json: bool, out: &mut dyn Write) -> Done {
    if json {
        let lines = |failed: &Failed| -> Vec<String> {
            format!("{:#}", failed.error()).lines().map(str::to_owned).collect()
        };
        let found = match &checked {
            Ok(config) => json!({"valid": true, "problems": [], "warnings": config.warnings}),
            Err(failed) => json!({"valid": false, "problems": lines(failed), "warnings": []}),
        };
        writeln!(out, "{found}")?;
        out.flush()?;
        return checked.map(drop);
    }
    let config = checked?;
    config.warnings.iter().for_each(|it| eprintln!("warning: {it}"));
    Ok(writeln!(out, "the configuration is valid")?)
}

async fn show(reach: &Reach, env: &Environment, out: &mut dyn Write) -> Done {
    let (mut settings, file) = match &reach.url {
        Some(_) => {
            let api = reach.open(Intent::Look, env).await?;
            let shown = api.get("/config").await?;
            (shown["settings"].as_array().cloned().unwrap_or_default(), "line ".to_owned())
        }
        None => {
            let config = load(reach.config.as_deref(), env)?;
            let file = reach.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
            let settings = config.settings.iter().map(|it| json!(it)).collect();
            (settings, format!("{}:", file.display()))
        }
    };
    for setting in &mut settings {
        if reach.json {
            writeln!(out, "{setting}")?;
        } else {
            setting["place"] = json!(place(setting, &file));
        }
    }
    if !reach.json {
        Table::new(COLUMNS).rows(&settings, out)?;
    }
    Ok(())
}

fn place(setting: &Value, file: &str) -> String {
    match setting["from"].as_str() {
        Some("file") => format!("{file}{}", cell(&setting["line"])),
        Some("environment") => cell(&setting["variable"]),
        Some("option") => cell(&setting["option"]),
        other => other.unwrap_or("default").to_owned(),
    }
}
