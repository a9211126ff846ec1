//! What is made of the commands themselves: completions for shells, manual pages.

use std::{io::Write, path::Path};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Done};

/// Prints what makes a shell complete these commands.
pub(super) fn completions(shell: Shell, out: &mut dyn Write) -> Done {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "segue", &mut text);
    Ok(out.write_all(&text)?)
}

/// Prints the manual page of the program, or writes those of all commands into a folder.
pub(super) fn manual(folder: Option<&Path>, out: &mut dyn Write) -> Done {
    match folder {
        None => Ok(clap_mangen::Man::new(Cli::command()).render(&mut &mut *out)?),
        Some(folder) => Ok(clap_mangen::generate_to(Cli::command(), folder)
            .with_context(|| format!("cannot write manual pages into {}", folder.display()))?),
    }
}
