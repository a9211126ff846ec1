//! A process that is short of descriptors: new sessions are refused while there is room for the
//! sockets of those that live.

use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    client,
    configuration::{TOKEN, configure},
    program::Launch,
    raw::{Raw, events_of},
    shop::{LISTEN, UNHURRIED},
};

/// Descriptors of the process: 64 and an eighth are kept for files and bots, so there are 111
/// connections, and new sessions are refused when more than 99 of them are open.
const DESCRIPTORS: &str = "200";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_sessions_are_refused_while_there_is_room_for_those_that_live() {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), LISTEN, UNHURRIED);
    let mut launch = Launch::serve(folder.path(), &["--listen", "127.0.0.1:0"]);
    let shell = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
    launch.words.splice(0..0, ["sh".to_owned(), "-c".to_owned(), shell]);
    let program = launch.start().await;
    let address = program.address();
    let token = client::access_token(address, TOKEN).await.unwrap();
    let session = client::session(address, &token, &json!({})).await.unwrap();
    let new_session = async || {
        let headers = format!("Authorization: Bearer {token}\r\n");
        client::post(address, "/api/v1/sessions", &headers, &json!({})).await.unwrap()
    };
    let mut held = Vec::new();
    let refused = loop {
        let (status, body) = new_session().await;
        if status != 200 {
            break (status, body["code"].clone());
        }
        assert!(held.len() < 111, "everything is taken, and new sessions are welcome");
        held.push(TcpStream::connect(address).await.unwrap());
    };
    assert_eq!(refused, (429, json!("rate_limited")));
    // That of the request itself counts, and those before it may not be gone yet.
    assert!((90..=99).contains(&held.len()), "{}", held.len());
    let mut socket = Raw::open(address, &client::socket_path(&session, &token, None)).await;
    assert_eq!(events_of(socket.recv().await)[0]["type"], "EVENT_TYPE_SESSION_START");
    drop(held);
    let again = async { while new_session().await.0 != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), again).await.expect("room again");
    program.terminate();
    let ended = program.ended().await;
    let told = |what: &str| ended.log.iter().filter(|it| it.contains(what)).count();
    assert_eq!(told("overloaded, new sessions are refused"), 1, "{:#?}", ended.log);
    assert_eq!(told("no longer overloaded"), 1, "{:#?}", ended.log);
}
