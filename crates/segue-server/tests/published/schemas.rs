//! The documents, and their schemas.

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// A published document, as it is committed.
pub fn document(name: &str) -> Value {
    let path = format!("{}/../../docs/api/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What holds values against a schema and the components that it names.
pub fn compiled(schema: &Value, components: &Value, draft: Draft) -> Validator {
    let root = json!({"allOf": [schema], "components": components});
    jsonschema::options()
        .with_draft(draft)
        .should_validate_formats(true)
        .build(&root)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with a value.
pub fn problems(validator: &Validator, value: &Value) -> Vec<String> {
    let told = |it: jsonschema::ValidationError<'_>| format!("{}: {it:.300}", it.instance_path());
    validator.iter_errors(value).map(told).collect()
}

/// Objects have the fields that are written down, and no more.
pub fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if is_object_with_fields(fields) {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn is_object_with_fields(schema: &Map<String, Value>) -> bool {
    schema.get("type").is_some_and(|it| it == "object") && schema.contains_key("properties")
}
