//! Other commands of the program, run to their end.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// Runs `segue` with these words in this folder.
pub async fn segue(folder: &Path, words: &[&str]) -> Output {
    segue_with(folder, words, "").await
}

/// Runs it with this as its standard input.
pub async fn segue_with(folder: &Path, words: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segue"));
    command.args(words).current_dir(folder).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // It may have said no without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// What it printed, after it has done what was asked.
pub fn said(output: &Output) -> String {
    assert_eq!((output.status.code(), complaint(output)), (Some(0), String::new()));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The JSON that it printed.
pub fn json_of(output: &Output) -> Value {
    serde_json::from_str(&said(output)).unwrap()
}

/// What it wrote to its standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What it said when it refused with this exit code.
pub fn refusal(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    complaint(output)
}
