//! Holds what goes over the wire against the published specifications, `docs/api/*.json`. What they
//! leave open for the future is closed here: a field that is not written down is a fault.
//!
//! Shared by the tests beside the code and those over sockets.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{Draft, Validator};
use serde_json::Value;

use schemas::{close, compiled, document, problems};

pub mod schemas;

static ASYNCAPI: LazyLock<Frames> = LazyLock::new(|| Frames::new(&document("asyncapi.json")));

/// Fails unless this is a frame that the server may send.
#[track_caller]
pub fn check_server_frame(text: &str) {
    let problems = ASYNCAPI.problems(Side::Server, text);
    assert!(problems.is_empty(), "not as published: {}\n{text:.2000}", problems.join("\n"));
}

/// Fails unless this is a frame that a client may send.
#[track_caller]
pub fn check_client_frame(text: &str) {
    let problems = client_frame_problems(text);
    assert!(problems.is_empty(), "not as published: {}\n{text:.2000}", problems.join("\n"));
}

/// Why this is no frame that a client may send; nothing where it is one.
pub fn client_frame_problems(text: &str) -> Vec<String> {
    ASYNCAPI.problems(Side::Client, text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// The frames of each type; some types have two kinds.
struct Frames {
    server: BTreeMap<String, Vec<Validator>>,
    client: BTreeMap<String, Vec<Validator>>,
}

impl Frames {
    fn new(document: &Value) -> Self {
        let open = document["components"].clone();
        let mut closed = open.clone();
        close(&mut closed);
        let mut frames = Self { server: BTreeMap::new(), client: BTreeMap::new() };
        for message in document["components"]["messages"].as_object().unwrap().values() {
            let kind = message["name"].as_str().unwrap().to_owned();
            // A client may send more than the server looks at.
            let (side, components) = if message["x-sent-by"] == "client" {
                (&mut frames.client, &open)
            } else {
                (&mut frames.server, &closed)
            };
            let validator = compiled(&message["payload"], components, Draft::Draft7);
            side.entry(kind).or_default().push(validator);
        }
        assert!(!frames.server.is_empty() && !frames.client.is_empty(), "no messages");
        frames
    }

    fn problems(&self, side: Side, text: &str) -> Vec<String> {
        let frame: Value = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => return vec![error.to_string()],
        };
        let kinds = if side == Side::Server { &self.server } else { &self.client };
        let Some(kinds) = frame["type"].as_str().and_then(|it| kinds.get(it)) else {
            return vec![format!("no such type: {}", frame["type"])];
        };
        let problems = kinds.iter().map(|it| problems(it, &frame));
        let fewest = problems.min_by_key(Vec::len).unwrap_or_default();
        if fewest.is_empty() || side == Side::Client {
            return fewest;
        }
        // In a batch, the event that is wrong says more than that none of the kinds fits.
        let events = frame["payload"]["events"].as_array();
        let inner = events.into_iter().flatten();
        let inner: Vec<String> =
            inner.flat_map(|it| self.problems(side, &it.to_string())).collect();
        if inner.is_empty() { fewest } else { inner }
    }
}
