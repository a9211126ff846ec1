//! The data folder: what it keeps over a restart, who may read it, and who else may use it.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    client,
    program::{Ended, Launch},
    raw::{Came, Raw},
};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

async fn stopped(program: crate::program::Program) -> Ended {
    program.terminate();
    let ended = program.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{:#?}", ended.log);
    ended
}

/// The files of the folder and their permissions, the folder's own as `.`.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let named = files.map(|it| (it.file_name().unwrap().to_str().unwrap().to_owned(), mode(&it)));
    named.chain([(".".to_owned(), mode(folder))]).collect()
}

/// Covers 8.11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_tokens_survive_a_restart_and_nobody_else_can_read_them() {
    let folder = TempDir::new().unwrap();
    let launch = Launch::serve(folder.path(), &LISTEN);
    let program = launch.start().await;
    let data = folder.path().join("data");
    let demo_token = fs::read_to_string(data.join("demo-token")).unwrap();
    let host = "localhost";
    let headers = format!("X-Token: {demo_token}\r\nX-Host: {host}\r\n");
    let path = "/api/v1/access-token";
    let (status, body) = client::post(program.address(), path, &headers, &json!({})).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    let id = client::session(program.address(), token, &json!({})).await.unwrap();
    for (name, mode) in modes(&data) {
        let want = if name == "." { 0o700 } else { 0o600 };
        assert_eq!(mode, want, "{name} has the mode {mode:o}");
    }
    stopped(program).await;
    let kept = modes(&data);

    let program = launch.start().await;
    assert_eq!(fs::read_to_string(data.join("demo-token")).unwrap(), demo_token);
    let socket_path = client::socket_path(&id, token, None);
    let mut socket = Raw::open(program.address(), &socket_path).await;
    assert!(matches!(socket.next().await, Came::Frame(_)));
    let (status, _) = client::post(program.address(), path, &headers, &json!({})).await.unwrap();
    assert_eq!(status, 200, "the page of yesterday still works");
    stopped(program).await;
    assert_eq!(modes(&data), kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_in_the_same_folder_is_told_that_it_is_in_use() {
    let folder = TempDir::new().unwrap();
    let launch = Launch::serve(folder.path(), &LISTEN);
    let program = launch.start().await;
    let second = launch.try_start().await.err().expect("the folder is taken");
    assert_eq!(second.status.code(), Some(5));
    let said = second.log.join("\n");
    assert!(said.contains("data is in use by another process"), "{said}");
    // The first one is none the worse for it.
    let id = client::post(program.address(), "/api/v1/sessions", "", &json!({})).await.unwrap();
    assert_eq!(id.0, 400);
    stopped(program).await;
    // And the folder is free as soon as it has ended.
    stopped(launch.start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().unwrap();
    // For root, too: a file is where the folder should be.
    fs::write(folder.path().join("data"), "not a folder").unwrap();
    let ended = Launch::serve(folder.path(), &LISTEN).try_start().await.err().expect("no folder");
    assert_eq!(ended.status.code(), Some(5));
    let said = ended.log.join("\n");
    assert!(said.contains("cannot") && said.contains("data"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let launch = Launch::serve(folder.path(), &["--listen", &address]);
    let ended = launch.try_start().await.err().expect("no port");
    assert_eq!(ended.status.code(), Some(1));
    let said = ended.log.join("\n");
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
}
