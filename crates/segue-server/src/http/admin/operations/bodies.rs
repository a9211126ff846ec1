//! Bodies that are not read into one type: the settings of a connector, by the keys that the
//! configuration knows.

use serde_json::{Map, Value, json};

use crate::{
    config::{Kind, connector_keys},
    limits::{CONFIG_ID_BYTES_MAX, Limits},
};

/// What a new connector is to be.
pub fn new_connector() -> Value {
    let mut fields = settings(|schema| schema);
    let id = json!({
        "type": "string", "pattern": r"^\.*[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        "maxLength": CONFIG_ID_BYTES_MAX,
        "description": "Its name, which nobody else has: letters, digits, `-`, `_` and `.`, not `.` \
            alone.",
    });
    fields.insert("id".to_owned(), id);
    json!({
        "type": "object",
        "description": "What a new connector is to be: its name, and the keys of `[[connectors]]` in \
            the configuration, its own limits too.",
        "properties": fields,
        "required": ["id", "bot"],
        "additionalProperties": false,
    })
}

/// What is to change about a connector.
pub fn connector_patch() -> Value {
    let or_null = |mut schema: Value| {
        schema["type"] = json!([schema["type"], "null"]);
        if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            values.push(Value::Null);
        }
        schema
    };
    json!({
        "type": "object",
        "description": "What is to change about a connector; `null` is for the default.",
        "properties": settings(or_null),
        "additionalProperties": false,
    })
}

fn settings(form: impl Fn(Value) -> Value) -> Map<String, Value> {
    let keys = connector_keys().into_iter();
    keys.map(|key| {
        let mut schema = match key.kind {
            Kind::Text => json!({"type": "string"}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Whole { .. } => json!({"type": "integer", "minimum": 0}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        };
        schema["description"] = match Limits::ALL.iter().find(|it| it.name == key.name) {
            Some(limit) => {
                schema["minimum"] = json!(limit.min);
                schema["maximum"] = json!(limit.max);
                limit.doc.trim().into()
            }
            None => about(key.name).into(),
        };
        if key.name == "handoff" {
            schema["enum"] = json!(["none", "server", "client"]);
        }
        (key.name.to_owned(), form(schema))
    })
    .collect()
}

/// What a setting that is no limit means; `docs/configuration.md` has more.
fn about(key: &str) -> &'static str {
    match key {
        "hosts" => "Where a page may use it from. A host includes its subdomains.",
        "apps" => "Applications that may use it, by their exact namespace.",
        "bot" => "The id of the bot that answers.",
        "handoff" => "Who takes over when the bot hands off; `none` if nothing is said.",
        "account" => "Whom it belongs to; free text.",
        "project" => "What it is for; free text.",
        "labels" => "Words to find it by.",
        "server_only" => "Whether every request of a browser is refused, and its token told once.",
        _ => panic!("the setting {key} of a connector says nothing about itself"),
    }
}
