//! The command line as a person or a script meets it: the real program, its words, its exit codes.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Output, Stdio},
};

use segue_store::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

mod admin;
mod codes;
mod tls;

#[expect(dead_code, reason = "the tests of TLS itself need more of it")]
#[path = "../real/tls.rs"]
mod real;

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

#[test]
fn a_certificate_that_is_not_there_is_a_fault_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    let text = "[tls]\ncertificate = \"nowhere.pem\"\nkey = \"key.pem\"\n";
    fs::write(folder.path().join("segue.toml"), text).unwrap();
    for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"][..]] {
        let output = segue(&folder).args(arguments).output().unwrap();
        let complaint = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("tls: cannot read nowhere.pem: No such file"), "{complaint}");
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

/// Everything that the program prints, up to a line with this in it.
fn lines_up_to(child: &mut Child, word: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().is_some_and(|it| it.contains(word)) {
            return lines;
        }
    }
    panic!("it ended without {word:?}: {lines:?}");
}

fn serve(folder: &TempDir, word: &str) -> (Child, Vec<String>) {
    let mut child = segue(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--ephemeral"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = lines_up_to(&mut child, word);
    (child, lines)
}

/// Whoever logs must not fail for it: threads of the store would.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let folder = TempDir::new().unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = segue(&folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("SEGUE_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    lines_up_to(&mut child, "listens on");
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What the README says is enough to begin with is enough.
#[test]
fn the_configuration_of_the_readme_leads_to_a_conversation() {
    let readme = include_str!("../../../../README.md");
    let text = readme.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("segue.toml"), text).unwrap();
    let checked = segue(&folder).args(["config", "check"]).output().unwrap();
    assert_eq!((checked.status.code(), complaint(&checked).as_str()), (Some(0), ""));
    let (mut server, lines) = serve(&folder, "listens on");
    let address = lines[0].split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let token = text.lines().find_map(|it| it.strip_prefix("token = ")).unwrap().trim_matches('"');
    let url = format!("http://localhost:{}", address.rsplit(':').next().unwrap());
    let mut chat = segue(&folder)
        .args(["chat", &url, "--token", token, "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    chat.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let chat = chat.wait_with_output().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let frames = String::from_utf8(chat.stdout).unwrap();
    assert_eq!(chat.status.code(), Some(0), "{frames}");
    assert!(frames.contains("Hello, how can I help?"), "{frames}");
}

/// The file that `config default` prints serves nobody as it is, and the program says what to do.
#[test]
fn a_server_that_nobody_can_use_says_what_is_missing() {
    let folder = TempDir::new().unwrap();
    let printed = segue(&folder).args(["config", "default"]).output().unwrap();
    fs::write(folder.path().join("segue.toml"), printed.stdout).unwrap();
    let (mut server, lines) = serve(&folder, "Nobody can open a session");
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(lines.last().unwrap().contains("[[connectors]]"), "{lines:?}");
}
