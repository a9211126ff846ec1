//! What a machine can check of the style: sizes of files and functions, paths in documents.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files that git knows, or would add.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let wanted = listed.lines().filter(|it| endings.iter().any(|ending| it.ends_with(ending)));
    let mut files = Vec::new();
    for name in wanted {
        if let Ok(text) = fs::read_to_string(root().join(name)) {
            files.push((name.to_owned(), text));
        }
    }
    assert!(!files.is_empty(), "git lists no files");
    files
}

#[test]
fn files_are_short() {
    for (name, text) in files(&[".rs", ".js", ".mjs"]) {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{name} has {lines} lines");
    }
}

/// What ends like a limit and is none: standards, what follows from another limit, a unit.
const NO_LIMITS: [&str; 4] = ["NAME_BYTES_MAX", "LABEL_BYTES_MAX", "CONTENT_BYTES_MAX", "DAY_MS"];

/// Invariant 8: limits have one place, and a row in `docs/limits.md`, which a test beside them checks.
#[test]
fn limits_are_named_in_their_place() {
    let units = ["MS", "SECONDS", "BYTES", "CHARS", "LETTERS", "WORDS", "LINES", "MESSAGES"];
    let is_limit = |name: &str| {
        let bare = name.trim_end_matches("_MAX");
        let is_bounded = bare.len() < name.len() || bare.ends_with("_MS");
        is_bounded && units.iter().any(|unit| bare.ends_with(&format!("_{unit}")))
    };
    let mut stray = Vec::new();
    for (name, text) in files(&[".rs"]) {
        let is_program = name.contains("/src/") && !name.contains("tests");
        if !is_program || name.ends_with("limits.rs") || name.starts_with("crates/segue-load") {
            continue;
        }
        for line in text.lines().filter(|it| !it.contains(": f64")) {
            let Some((_, rest)) = line.split_once("const ") else { continue };
            let constant = rest.split(':').next().unwrap_or_default();
            if is_limit(constant) && !NO_LIMITS.contains(&constant) {
                stray.push(format!("{name}: {constant}"));
            }
        }
    }
    assert!(stray.is_empty(), "limits outside of limits.rs: {stray:#?}");
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for (name, text) in files(&[".rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let is_function = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn "]
                .iter()
                .any(|it| code.starts_with(it));
            let has_body = lines[i..]
                .iter()
                .find(|it| it.ends_with('{') || it.ends_with(';') || it.ends_with('}'))
                .is_some_and(|it| it.ends_with('{'));
            if !is_function || !has_body {
                continue;
            }
            let indent = &line[..line.len() - code.len()];
            let end = format!("{indent}}}");
            let length = lines[i..].iter().take_while(|it| **it != end).count();
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{name}:{}: {length} lines", i + 1));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn documents_name_files_that_exist() {
    for (name, text) in files(&[".md"]) {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap().split('#').next().unwrap();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            assert!(folder.join(target).exists(), "{name} names {target}");
        }
    }
}

#[test]
fn nothing_names_a_place_of_one_machine() {
    let places = ["work", "root", "home"].map(|it| format!("/{it}/"));
    for (name, text) in files(&[".rs", ".md", ".toml", ".sh", ".js", ".mjs", ".json", "Makefile"]) {
        for place in &places {
            assert!(!text.contains(place.as_str()), "{name} names {place}");
        }
    }
}
