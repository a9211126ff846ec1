//! `segue secret`: secrets that the configuration may show to everybody who reads it.

use std::{
    io::{self, IsTerminal as _, Read as _, Write},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;

use super::{Failed, load};
use crate::{
    config::{Config, Environment, Secret, SecretsKeySource},
    limits::SEALED_SECRET_BYTES_MAX,
    secrets::{FOR_CONFIGURATION, KEY_FILE, SecretsKey, is_sealed},
};

#[derive(Debug, Subcommand)]
pub enum Ask {
    /// Read a secret from standard input and print it sealed, for the configuration file.
    ///
    /// It is sealed under the key of `[secrets]`, which is made in the data folder where none is
    /// configured: use the configuration, and the user, of the server. Only a server with this key
    /// can open it.
    #[command(after_help = "\
Examples:
  segue secret seal < token.txt
  segue secret seal --config /etc/segue/segue.toml < token.txt")]
    Seal {
        /// The configuration file; `./segue.toml` if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

impl Ask {
    /// Does what was asked.
    pub(super) fn run(self, env: &Environment, out: &mut dyn Write) -> Result<(), Failed> {
        let Ask::Seal { config } = self;
        let config = load(config.as_deref(), env)?;
        let folder = config.store.folder();
        if folder.is_none() && config.secrets_key == SecretsKeySource::DataFolder {
            return Err(usage(
                "there is no data folder to keep the key in: set one of secrets.key, \
                 secrets.key_file and secrets.key_command",
            ));
        }
        let secret = read()?;
        let key = SecretsKey::open(&config.secrets_key, folder).map_err(anyhow::Error::from)?;
        Ok(writeln!(out, "{}", key.seal(FOR_CONFIGURATION, &secret)).context("cannot print it")?)
    }
}

/// The one line that comes in.
fn read() -> Result<Secret, Failed> {
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        eprintln!("Type the secret, which is shown, then Enter and Ctrl-D.");
    }
    let mut bytes = Vec::new();
    // One more than there may be, and the end of a line.
    let limit = u64::try_from(SEALED_SECRET_BYTES_MAX + 3).unwrap_or(u64::MAX);
    stdin.take(limit).read_to_end(&mut bytes).context("cannot read standard input")?;
    let text = String::from_utf8(bytes).map_err(|_| usage("the secret is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(usage("standard input is empty: the secret is read from there"));
    }
    if text.len() > SEALED_SECRET_BYTES_MAX {
        return Err(usage(&format!("a secret has at most {SEALED_SECRET_BYTES_MAX} bytes")));
    }
    if text.contains(char::is_control) {
        return Err(usage("the secret has more than one line, or characters that cannot be seen"));
    }
    if is_sealed(text) {
        return Err(usage("this is sealed already"));
    }
    Ok(Secret::new(text))
}

fn usage(text: &str) -> Failed {
    Failed::Usage(anyhow!("{text}"))
}

/// A configuration whose key can be had, and opens what is sealed in it. Nothing is made here that
/// only a start should make.
pub fn checked(config: Config) -> Result<Config, Failed> {
    let made_here = match (&config.secrets_key, config.store.folder()) {
        (SecretsKeySource::DataFolder, Some(folder)) => Some(folder.join(KEY_FILE)),
        _ => None,
    };
    let missing = made_here.filter(|it| !it.exists());
    let key = match missing {
        // Any key will do: nothing can have been sealed under the one that is still to be made.
        Some(_) => SecretsKey::open(&SecretsKeySource::DataFolder, None),
        None => SecretsKey::open(&config.secrets_key, config.store.folder()),
    };
    let key = key.map_err(|it| Failed::Usage(it.into()))?;
    config.clone().open_sealed(&key).map_err(|error| {
        let error = anyhow::Error::from(error);
        Failed::Usage(match &missing {
            Some(path) => error.context(format!("there is no key in {}", path.display())),
            None => error,
        })
    })?;
    Ok(config)
}
