//! The command line as a person or a script meets it: the real program, its words, its exit codes.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use segue_store::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

fn segue(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segue"));
    command.current_dir(folder.path()).stdin(Stdio::null());
    command
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const MISSING_TOPICS: &str = r#"
[[connectors]]
id = "shop"
token = "a-token"
hosts = ["localhost"]
bot = "ada"

[[bots]]
id = "ada"
kind = "knowledge"
name = "Ada"
topics = "nowhere"
"#;

/// What `check` calls valid, `serve` starts with; both say where the fault is.
#[test]
fn topics_that_are_not_there_are_a_fault_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("segue.toml"), MISSING_TOPICS).unwrap();
    for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"][..]] {
        let output = segue(&folder).args(arguments).output().unwrap();
        let complaint = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("bots.ada.topics"), "{complaint}");
        assert_eq!(complaint.matches("No such file").count(), 1, "{complaint}");
    }
}

/// As with `segue session list | head -1`.
#[tokio::test]
async fn a_list_that_nobody_reads_on_is_no_failure() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(SqliteOptions::new(folder.path().join("data/segue.db"))).unwrap();
    store.close().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = segue(&folder)
        .args(["session", "list"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!((output.status.code(), complaint(&output).as_str()), (Some(0), ""));
}
