//! An event on the socket, as a specification describes it.

use serde_json::{Map, Value, json};

use super::schemas::Schemas;

/// The largest sequence (protocol, section 3).
const SEQUENCE_MAX: u32 = i32::MAX.unsigned_abs();

/// One kind of event, in one direction.
pub(crate) struct Message {
    /// Names it within the document.
    pub name: &'static str,
    /// The `type` of its envelope.
    pub kind: &'static str,
    /// In a few words.
    pub summary: &'static str,
    /// In sentences.
    pub description: String,
    /// Who sends it, and what becomes of it.
    pub way: Way,
    /// The schema of its payload.
    pub payload: Value,
    /// Frames as they go over the wire.
    pub examples: Vec<Example>,
}

/// Who sends an event, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A client sends it; its payload may be left out where nothing has to be in it.
    FromClient { has_payload: bool },
    /// The server, for good: it has a sequence, and replays have it.
    Log,
    /// The server, for the moment: its sequence is null.
    Signal,
    /// The server, as the one or the other.
    LogOrSignal,
}

/// A frame to look at.
pub(crate) struct Example {
    /// What it shows.
    pub summary: &'static str,
    /// JSON.
    pub frame: String,
}

impl Message {
    /// Whether it is in the log, always or at times.
    pub fn is_in_log(&self) -> bool {
        matches!(self.way, Way::Log | Way::LogOrSignal)
    }

    /// Whether clients send it.
    pub fn is_from_client(&self) -> bool {
        matches!(self.way, Way::FromClient { .. })
    }

    /// The name of the schema of the whole frame.
    pub fn schema_name(&self) -> String {
        let (first, rest) = self.name.split_at(1);
        first.to_ascii_uppercase() + rest
    }

    /// Adds the schema of the whole frame.
    pub fn add_schema(&self, schemas: &mut Schemas, metadata: Option<&Value>) {
        let mut properties = Map::new();
        let mut required = vec!["type"];
        if !self.is_from_client() {
            required = vec!["id", "sequence", "timestamp", "type", "payload"];
            properties.insert("id".to_owned(), id());
            properties.insert("sequence".to_owned(), self.sequence());
            properties.insert("timestamp".to_owned(), timestamp());
        }
        if self.way == (Way::FromClient { has_payload: true }) {
            required.push("payload");
        }
        let kind = json!({"type": "string", "const": self.kind});
        properties.insert("type".to_owned(), kind);
        properties.insert("payload".to_owned(), self.payload.clone());
        if let Some(metadata) = metadata {
            properties.insert("metadata".to_owned(), metadata.clone());
        }
        let schema = json!({
            "type": "object",
            "description": self.summary,
            "properties": properties,
            "required": required,
        });
        schemas.add(&self.schema_name(), schema);
    }

    /// The message of an AsyncAPI document.
    pub fn to_value(&self) -> Value {
        let is_in_log = match self.way {
            Way::FromClient { .. } => Value::Null,
            Way::Log => json!(true),
            Way::Signal => json!(false),
            Way::LogOrSignal => json!("at times"),
        };
        let examples: Vec<Value> = self.examples.iter().map(Example::to_value).collect();
        let mut message = json!({
            "name": self.kind,
            "title": self.kind.trim_start_matches("EVENT_TYPE_"),
            "summary": self.summary,
            "description": self.description,
            "contentType": "application/json",
            "payload": {"$ref": format!("#/components/schemas/{}", self.schema_name())},
            "examples": examples,
            "x-sent-by": if self.is_from_client() { "client" } else { "server" },
        });
        if !is_in_log.is_null() {
            message["x-in-log"] = is_in_log;
        }
        message
    }

    fn sequence(&self) -> Value {
        let (kind, description) = match self.way {
            Way::Signal | Way::FromClient { .. } => {
                return json!({
                    "type": "null",
                    "description": "It belongs to the moment and is never replayed.",
                });
            }
            Way::Log => (
                json!("integer"),
                "Its place in the log of the session: 1, 2, 3 … without gaps. The newest one that a \
                 client has is its cursor.",
            ),
            Way::LogOrSignal => (
                json!(["integer", "null"]),
                "Its place in the log of the session, or null where it belongs to the moment and is \
                 never replayed.",
            ),
        };
        json!({
            "type": kind, "minimum": 1, "maximum": SEQUENCE_MAX, "description": description,
        })
    }
}

impl Example {
    fn to_value(&self) -> Value {
        let frame: Value = serde_json::from_str(&self.frame).expect("an example is JSON");
        json!({"summary": self.summary, "payload": frame})
    }
}

fn id() -> Value {
    json!({
        "type": "string",
        "format": "uuid",
        "description": "A UUID of version 7, unique for ever. A replay repeats it.",
    })
}

fn timestamp() -> Value {
    json!({
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        "description": "UTC, always with three decimals. Within a session it never decreases.",
    })
}
