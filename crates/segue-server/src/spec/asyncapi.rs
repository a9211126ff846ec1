//! The socket, as AsyncAPI 3.

use serde_json::{Map, Value, json};

use super::{license, message::Message, schemas::Schemas};
use crate::wire::messages::{all, metadata_from_client, metadata_of_echo};

const CHANNEL: &str = "conversation";

/// The document.
pub(crate) fn document() -> Value {
    let mut schemas = Schemas::draft07();
    let messages = all(&mut schemas);
    let (from_client, of_echo) = (metadata_from_client(), metadata_of_echo());
    let from_client = schemas.add("ClientMetadata", from_client);
    let of_echo = schemas.add("EchoMetadata", of_echo);
    let mut by_name = Map::new();
    let mut in_channel = Map::new();
    for message in &messages {
        let metadata = match message.name {
            _ if message.is_from_client() => Some(&from_client),
            "userMessage" | "requestPolyAgentJoin" | "userEndSession" | "heartbeat" | "refusal" => {
                Some(&of_echo)
            }
            _ => None,
        };
        message.add_schema(&mut schemas, metadata);
        by_name.insert(message.name.to_owned(), message.to_value());
        in_channel.insert(message.name.to_owned(), reference("components/messages", message.name));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": info(),
        "defaultContentType": "application/json",
        "servers": {"own": {
            "host": "localhost:8080",
            "protocol": "ws",
            "description": "Your own server, `wss` where it is reached over TLS.",
        }},
        "channels": {CHANNEL: channel(&in_channel)},
        "operations": operations(&messages),
        "components": {"messages": by_name, "schemas": schemas.components()},
    })
}

fn info() -> Value {
    let mut license = license();
    license.as_object_mut().expect("it is an object").remove("identifier");
    json!({
        "title": "Segue: the socket",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "What a client and the server say to each other once the socket is open. How \
            it gets there is in the OpenAPI document beside this one; what both promise is in \
            `docs/protocol.md`, rule by rule.\n\nFields, event types and codes are added at times. A \
            client ignores what it does not know.",
        "license": license,
    })
}

fn channel(messages: &Map<String, Value>) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "address": "/ws",
        "title": "A conversation",
        "description": "One session. Any number of sockets may be open on it, one after the other or \
            at the same time; each is sent every event of the log once and in order, whichever node \
            it is on.",
        "messages": messages,
        "bindings": {"ws": {
            "method": "GET",
            "query": {
                "type": "object",
                "required": ["session_id"],
                "properties": {
                    "session_id": text("The session, as `POST /api/v1/sessions` gave it."),
                    "access_token": text("The token that created it, unless it travels as a \
                        sub-protocol: `Sec-WebSocket-Protocol: segue.v1, bearer.<token>`."),
                    "cursor": text("The sequence up to which the client has everything: `7` or \
                        `seq:7`."),
                },
            },
            "bindingVersion": "0.1.0",
        }},
    })
}

fn operations(messages: &[Message]) -> Value {
    let answers = |echo: Option<&'static str>| -> Vec<&'static str> {
        echo.into_iter().chain(["refusal"]).collect()
    };
    let named = |wanted: fn(&Message) -> bool| -> Vec<&'static str> {
        messages.iter().filter(|it| wanted(it)).map(|it| it.name).collect()
    };
    let log = named(Message::is_in_log);
    let signals = named(|it| !it.is_in_log() && !it.is_from_client() && it.name != "eventBatch");
    json!({
        "askForAgent": receive("Ask for the agent", "clientRequestPolyAgentJoin",
            &answers(Some("requestPolyAgentJoin"))),
        "say": receive("Say something", "clientUserMessage", &answers(Some("userMessage"))),
        "type": receive("Tell that the user is typing", "clientUserTyping", &answers(None)),
        "end": receive("End the conversation", "clientUserEndSession",
            &answers(Some("userEndSession"))),
        "keepAlive": receive("Keep connection and session alive", "clientHeartbeat",
            &answers(Some("heartbeat"))),
        "catchUp": send("The log after the cursor, in batches. The first frame on every socket is \
            one, and begins with the session's start.", &["eventBatch"]),
        "tell": send("An event of the log, to every connection of the session.", &log),
        "signal": send("Something that belongs to the moment.", &signals),
    })
}

fn receive(summary: &str, message: &str, answers: &[&str]) -> Value {
    json!({
        "action": "receive",
        "summary": summary,
        "channel": reference("channels", CHANNEL),
        "messages": [in_channel(message)],
        "reply": {
            "channel": reference("channels", CHANNEL),
            "messages": answers.iter().map(|it| in_channel(it)).collect::<Vec<_>>(),
        },
    })
}

fn send(summary: &str, messages: &[&str]) -> Value {
    json!({
        "action": "send",
        "summary": summary,
        "channel": reference("channels", CHANNEL),
        "messages": messages.iter().map(|it| in_channel(it)).collect::<Vec<_>>(),
    })
}

fn in_channel(message: &str) -> Value {
    reference(&format!("channels/{CHANNEL}/messages"), message)
}

fn reference(place: &str, name: &str) -> Value {
    json!({"$ref": format!("#/{place}/{name}")})
}
