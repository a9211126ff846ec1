//! Every event on the socket, as `docs/api/asyncapi.json` describes it: both directions, with the
//! payloads that are sent and frames that the encoder makes. Only tests run this.

use schemars::JsonSchema;
use segue_core::{Event, Level, Notice};
use serde_json::{Value, json};

use super::{
    Refusal, TypingState, kind, notice_code, notice_message, payload,
    tests::samples::{event_of, events, example, frame_of, signal_of},
};
use crate::{
    limits,
    spec::{
        message::{Example, Message, Way},
        schemas::Schemas,
    },
    wire::{Transient, batch},
};

/// What the user says.
#[derive(JsonSchema)]
#[schemars(rename = "ClientUserMessagePayload")]
#[expect(dead_code, reason = "only its schema is used; `client.rs` reads it without recursion")]
struct ClientUserMessage {
    /// Not blank, at most 131,072 bytes of UTF-8. It comes back code point for code point.
    #[schemars(length(min = 1, max = limits::MESSAGE_TEXT_BYTES_MAX), regex(pattern = NOT_BLANK))]
    text: String,
}

/// Whether the user is typing.
#[derive(JsonSchema)]
#[schemars(rename = "ClientUserTypingPayload")]
#[expect(dead_code, reason = "only its schema is used; `client.rs` reads it without recursion")]
struct ClientUserTyping {
    /// Whether the user has begun to type, or has stopped.
    state: TypingState,
}

/// Holds a character without the Unicode property `White_Space`.
const NOT_BLANK: &str = "[^\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

/// All of them.
pub(crate) fn all(schemas: &mut Schemas) -> Vec<Message> {
    let mut all = from_client(schemas);
    all.extend(of_the_session(schemas));
    all.extend(of_the_agent(schemas));
    all.extend(of_a_handoff(schemas));
    all.extend(of_the_server(schemas));
    let batch = batch_of(&all);
    all.push(batch);
    all
}

/// What a client may put beside its payload.
pub(crate) fn metadata_from_client() -> Value {
    let key = |what: &str| {
        json!({
            "type": "string", "minLength": 1, "maxLength": limits::KEY_BYTES_MAX,
            "description": what,
        })
    };
    json!({
        "type": ["object", "null"],
        "description": "Comes back with the echo, or with the refusal.",
        "properties": {"custom": {
            "type": ["object", "null"],
            "description": "At most 4,096 bytes of JSON. Comes back as it was sent, at every depth.",
            "properties": {
                "local_id": key("Names a message within its session, in at most 200 bytes: a message \
                    that is sent again with the same name is recorded once, and its first echo comes \
                    again."),
                "client_event_id": key("The same, where there is no `local_id`."),
            },
        }},
    })
}

/// What comes back of it.
pub(crate) fn metadata_of_echo() -> Value {
    json!({
        "type": "object",
        "description": "There only where the client sent `metadata.custom`.",
        "properties": {"custom": {"type": "object", "description": "As the client sent it."}},
        "required": ["custom"],
    })
}

fn from_client(schemas: &mut Schemas) -> Vec<Message> {
    let anything = || {
        json!({
            "type": ["object", "null"],
            "description": "Says nothing: it may be left out, and what is in it is ignored.",
        })
    };
    let bare = Way::FromClient { has_payload: false };
    let full = Way::FromClient { has_payload: true };
    vec![
        message("clientRequestPolyAgentJoin", kind::REQUEST_POLY_AGENT_JOIN, bare, anything())
            .about(
                "Asks for the agent.",
                "The first one brings the agent, who greets. After that it is only echoed, except \
                 where a greeting has failed: then it is run again.",
            )
            .with(example("Asks for the agent", CLIENT_JOIN)),
        message(
            "clientUserMessage",
            kind::USER_MESSAGE,
            full,
            schemas.read::<ClientUserMessage>(),
        )
        .about(
            "Says something.",
            "Echoed as soon as it is durable; the agent's answer follows. Sent again with the same \
             `local_id`, or where there is none the same `client_event_id`, it is not a second \
             message.",
        )
        .with(example("A message with a key", CLIENT_MESSAGE)),
        message("clientUserTyping", kind::USER_TYPING, full, schemas.read::<ClientUserTyping>())
            .about("Tells that the user is typing.", "Not echoed.")
            .with(example("The user has begun to type", CLIENT_TYPING)),
        message("clientUserEndSession", kind::USER_END_SESSION, bare, anything())
            .about(
                "Ends the conversation.",
                "Answered with its echo and, right behind it, the end of the session.",
            )
            .with(example("Ends the conversation", CLIENT_END)),
        message("clientHeartbeat", kind::HEARTBEAT, bare, anything())
            .about(
                "Keeps connection and session alive.",
                "A connection that sends no text frame for long is closed with 4002. Send one about \
                 every `heartbeat_interval_seconds`.",
            )
            .with(example("The shortest heartbeat", CLIENT_HEARTBEAT)),
    ]
}

const CLIENT_JOIN: &str = r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN","payload":{}}"#;
const CLIENT_MESSAGE: &str = r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"Is the blue kettle back?"},"metadata":{"custom":{"local_id":"k-41"}}}"#;
const CLIENT_TYPING: &str =
    r#"{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"TYPING_STATE_STARTED"}}"#;
const CLIENT_END: &str = r#"{"type":"EVENT_TYPE_USER_END_SESSION","payload":{}}"#;
const CLIENT_HEARTBEAT: &str = r#"{"type":"EVENT_TYPE_HEARTBEAT"}"#;

fn of_the_session(schemas: &mut Schemas) -> Vec<Message> {
    let empty = schemas.written::<payload::Empty>();
    vec![
        message(
            "sessionStart",
            kind::SESSION_START,
            Way::Log,
            schemas.written::<payload::SessionStart>(),
        )
        .about("The session exists.", "Always sequence 1, and at the head of the first batch on every socket.")
        .with(event_of("A session that streams", events::session_start())),
        message(
            "userMessage",
            kind::USER_MESSAGE,
            Way::Log,
            schemas.written::<payload::UserMessage<'_>>(),
        )
        .about("What the user said is in the log.", "The echo of a message, to every connection.")
        .with(event_of("The echo of a message", events::user_message())),
        message(
            "requestPolyAgentJoin",
            kind::REQUEST_POLY_AGENT_JOIN,
            Way::LogOrSignal,
            empty.clone(),
        )
        .about(
            "The agent was asked for.",
            "In the log where it brings the agent or runs a failed greeting again. Otherwise it goes \
             back to its sender alone, with the sequence null.",
        )
        .with(event_of("The JOIN that brings the agent", events::join_requested()))
        .with(signal_of("One that starts nothing", &Transient::JoinEcho { custom: None })),
        message("userEndSession", kind::USER_END_SESSION, Way::Log, empty.clone())
            .about("The user ends the conversation.", "`SESSION_END` has the next sequence.")
            .with(event_of("The user ends it", events::end_requested())),
        message("heartbeat", kind::HEARTBEAT, Way::Signal, empty)
            .about("A heartbeat comes back.", "To its sender alone.")
            .with(signal_of("A heartbeat comes back", &Transient::Heartbeat { custom: None })),
        message("sessionEnd", kind::SESSION_END, Way::Log, schemas.written::<payload::SessionEnd>())
            .about(
                "The conversation is over.",
                "Always the last event of the log. The socket is closed with 1000 two seconds later.",
            )
            .with(event_of("The user ended it", events::session_ended())),
    ]
}

fn of_the_agent(schemas: &mut Schemas) -> Vec<Message> {
    vec![
        message(
            "polyAgentJoined",
            kind::POLY_AGENT_JOINED,
            Way::Log,
            schemas.written::<payload::BotJoined<'_>>(),
        )
        .about("The agent is there.", "Comes again where a handoff has failed and the agent is back.")
        .with(event_of("The agent is there", events::bot_joined())),
        message(
            "polyAgentThinking",
            kind::POLY_AGENT_THINKING,
            Way::Signal,
            schemas.written::<payload::Empty>(),
        )
        .about("The agent is at work.", "Comes again every 8 seconds for as long as it is.")
        .with(signal_of("The agent is at work", &Transient::Thinking)),
        message(
            "polyAgentMessage",
            kind::POLY_AGENT_MESSAGE,
            Way::Log,
            schemas.written::<payload::BotMessage<'_>>(),
        )
        .about(
            "The agent says something, whole.",
            "In sessions without streaming; in the others only where there is nothing to stream, or \
             with call actions.",
        )
        .with(event_of("With everything in it", events::bot_message())),
        message(
            "polyAgentMessageChunk",
            kind::POLY_AGENT_MESSAGE_CHUNK,
            Way::Log,
            schemas.written::<payload::BotChunk<'_>>(),
        )
        .about(
            "The agent says a part of something.",
            "In sessions that stream. Every message that has a first chunk gets a last one, whatever \
             happens.",
        )
        .with(event_of("A first chunk", events::first_chunk()))
        .with(event_of("The last one", events::last_chunk())),
        message(
            "languageChanged",
            kind::LANGUAGE_CHANGED,
            Way::Log,
            schemas.written::<payload::LanguageChanged<'_>>(),
        )
        .about("The conversation goes on in another language.", "The agent has changed it.")
        .with(event_of("German, as in Austria", events::language_changed())),
        message(
            "polyAgentLeft",
            kind::POLY_AGENT_LEFT,
            Way::Log,
            schemas.written::<payload::MaybeReason<'_>>(),
        )
        .about("The agent no longer has the floor.", "It says nothing more, unless it joins again.")
        .with(event_of("For a handoff", events::bot_left())),
    ]
}

fn of_a_handoff(schemas: &mut Schemas) -> Vec<Message> {
    vec![
        message(
            "polyAgentTriggeredHandoff",
            kind::POLY_AGENT_TRIGGERED_HANDOFF,
            Way::Log,
            schemas.written::<payload::Empty>(),
        )
        .about("The agent gives the user to somebody else.", "What becomes of it follows at once.")
        .with(event_of("A handoff begins", Event::HandoffTriggered)),
        message(
            "clientHandoffRequired",
            kind::CLIENT_HANDOFF_REQUIRED,
            Way::Log,
            schemas.written::<payload::ClientHandoffRequired<'_>>(),
        )
        .about(
            "The application has to take the user over.",
            "Where the connector's handoff is `client`.",
        )
        .with(event_of("To the warranty desk", events::client_handoff())),
        message(
            "handoffFailed",
            kind::HANDOFF_FAILED,
            Way::Log,
            schemas.written::<payload::MaybeReason<'_>>(),
        )
        .about("Nobody took the user over.", "A notice and `POLY_AGENT_JOINED` follow.")
        .with(event_of("Nobody could", events::handoff_failed())),
    ]
}

fn of_the_server(schemas: &mut Schemas) -> Vec<Message> {
    let payload = schemas.written::<payload::SystemMessage<'_>>();
    let notices = NOTICES.map(|it| (notice_code(it), notice_message(it).to_owned()));
    let refusals = REFUSALS.map(|it| (it.code(), it.message().into_owned()));
    vec![
        message("notice", kind::SYSTEM_MESSAGE, Way::Log, payload.clone())
            .about("The server tells what became of a turn.", &table("Codes so far:", &notices))
            .with(event_of("An answer broke off", events::notice())),
        message("refusal", kind::SYSTEM_MESSAGE, Way::Signal, payload)
            .about(
                "What a client sent was not taken.",
                &table(
                    "To its sender alone, with the `metadata.custom` that it came with, where that \
                     could be read. The socket stays open, and the log knows nothing of it. Codes so \
                     far:",
                    &refusals,
                ),
            )
            .with(signal_of("Too large", &refused(Refusal::TooLarge)))
            .with(signal_of("Too fast", &refused(Refusal::RateLimited { retry_after_ms: 200 }))),
    ]
}

const NOTICES: [Notice; 5] = [
    Notice::HighLoad,
    Notice::UnableToStart,
    Notice::TroubleResponding,
    Notice::EncounteredError,
    Notice::HandoffNotInitiated,
];

const REFUSALS: [Refusal; 7] = [
    Refusal::Malformed,
    Refusal::NotAllowed("EVENT_TYPE_X"),
    Refusal::TooLarge,
    Refusal::NotAsked { level: Level::Error },
    Refusal::Ended,
    Refusal::Unavailable { retry_after_ms: 1 },
    Refusal::RateLimited { retry_after_ms: 1 },
];

fn refused(refusal: Refusal) -> Transient {
    let custom = Some(segue_core::Json(r#"{"local_id":"k-42"}"#.into()));
    Transient::Refused { refusal, custom }
}

fn table(before: &str, codes: &[(&str, String)]) -> String {
    let lines = codes.iter().map(|(code, words)| format!("- `{code}`: {words}"));
    format!("{before}\n\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// A batch holds events of the log, and nothing else.
fn batch_of(messages: &[Message]) -> Message {
    let logged = messages.iter().filter(|it| it.is_in_log());
    let events: Vec<Value> = logged
        .map(|it| json!({"$ref": format!("#/components/schemas/{}", it.schema_name())}))
        .collect();
    let payload = json!({
        "type": "object",
        "description": "A part of the log.",
        "properties": {"events": {
            "type": "array",
            "description": "In order of their sequence, each in its full envelope, as it was sent \
                live.",
            "items": {"oneOf": events},
            "minItems": 1,
            "maxItems": limits::BATCH_EVENTS_MAX,
        }},
        "required": ["events"],
    });
    let first = frame_of(events::session_start());
    let example = Example {
        summary: "The first frame on a new session",
        frame: batch(super::tests::ID, super::tests::AT, &[first]),
    };
    message("eventBatch", kind::EVENT_BATCH, Way::Signal, payload)
        .about(
            "The log after the cursor, or a part of it.",
            "The first frame on every socket is one, and begins with `SESSION_START`. A log that is \
             long comes in several.",
        )
        .with(example)
}

/// The types of everything that is sent, in either direction, so far: those that clients may send, and
/// those that they may not and that the server has a payload for.
pub(crate) fn documented_kinds() -> Vec<&'static str> {
    let reserved = |it: &&str| {
        ["LIVE_AGENT", "HANDOFF_ACCEPTED", "HANDOFF_QUEUE", "HANDOFF_TIMEOUT", "CSAT", "_READ_"]
            .into_iter()
            .chain(["_RECEIVED_", "IDLE_WARNING", "WEBRTC"])
            .any(|part| it.contains(part))
    };
    kind::NOT_ALLOWED.into_iter().filter(|it| !reserved(it)).chain(kind::ALLOWED).collect()
}

fn message(name: &'static str, kind: &'static str, way: Way, payload: Value) -> Message {
    let (summary, description) = ("", String::new());
    Message { name, kind, summary, description, way, payload, examples: Vec::new() }
}

impl Message {
    fn about(self, summary: &'static str, description: &str) -> Self {
        Self { summary, description: description.to_owned(), ..self }
    }

    fn with(mut self, example: Example) -> Self {
        self.examples.push(example);
        self
    }
}
