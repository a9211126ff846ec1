//! The commands against their own documentation.

use clap::{Command, CommandFactory};

use super::*;

const ADMIN: &str = include_str!("../../../../docs/admin.md");
const CONFIGURATION: &str = include_str!("../../../../docs/configuration.md");
const README: &str = include_str!("../../../../README.md");

/// Every command that does something, with its full name.
fn leaves(command: &Command, above: &str) -> Vec<(String, Command)> {
    let name = format!("{above}{}", command.get_name());
    let mut below: Vec<(String, Command)> = Vec::new();
    for it in command.get_subcommands().filter(|it| it.get_name() != "help") {
        below.extend(leaves(it, &format!("{name} ")));
    }
    if below.is_empty() { vec![(name, command.clone())] } else { below }
}

fn all() -> Vec<(String, Command)> {
    let mut command = Cli::command();
    command.build();
    leaves(&command, "")
}

/// A line of a shell without what is not the program's: remarks, pipes, other files.
fn words(line: &str) -> Vec<&str> {
    let end = ["  ", " > ", " < ", " | "].iter().filter_map(|it| line.find(it)).min();
    line[..end.unwrap_or(line.len())].split_whitespace().collect()
}

fn must_parse(line: &str) {
    if let Err(error) = Cli::try_parse_from(words(line)) {
        let is_shown = matches!(
            error.kind(),
            clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
        );
        assert!(is_shown, "{line}: {error}");
    }
}

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
    assert!(all().len() >= 24, "{}", all().len());
}

#[test]
fn every_command_has_examples_that_work() {
    for (name, command) in all() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = help
            .lines()
            .filter_map(|it| it.strip_prefix("  "))
            .filter(|it| it.starts_with("segue "))
            .collect();
        assert!(help.starts_with("Examples:") && !examples.is_empty(), "{name}: {help:?}");
        for example in examples {
            assert!(example.starts_with(&name), "{name}: {example}");
            must_parse(example);
        }
    }
}

#[test]
fn every_command_of_the_documents_exists() {
    let mut count = 0;
    for page in [ADMIN, CONFIGURATION, README] {
        for line in page.lines().filter(|it| it.starts_with("    segue ")) {
            must_parse(&line.trim().replace("ID", "01934b2e-7c00-4abc-8def-0123456789ab"));
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn every_command_stands_in_the_document() {
    for (name, _) in all() {
        assert!(ADMIN.contains(&name) || README.contains(&name), "{name} is documented nowhere");
    }
}

#[test]
fn completions_name_every_command() {
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
    {
        let mut out = Vec::new();
        generate::completions(shell, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for (name, _) in all() {
            for word in name.split(' ') {
                assert!(out.contains(word), "{shell}: {word}");
            }
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_examples() {
    let folder = tempfile::TempDir::new().unwrap();
    generate::manual(Some(folder.path()), &mut Vec::new()).unwrap();
    for (name, _) in all() {
        let path = folder.path().join(format!("{}.1", name.replace(' ', "-")));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert!(page.contains("Examples"), "{name}");
    }
    let mut page = Vec::new();
    generate::manual(None, &mut page).unwrap();
    assert!(String::from_utf8(page).unwrap().contains("Exit codes"));
}

#[test]
fn a_secret_of_the_environment_is_in_no_help() {
    for (name, mut command) in all() {
        let help = command.render_long_help().to_string();
        assert!(!help.contains("sgk_"), "{name}");
        for argument in command.get_arguments() {
            let is_secret = ["key", "token"].contains(&argument.get_id().as_str());
            if is_secret && argument.get_env().is_some() {
                assert!(argument.is_hide_env_values_set(), "{name} --{}", argument.get_id());
            }
        }
    }
}
