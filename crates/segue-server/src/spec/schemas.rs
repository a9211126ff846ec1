//! Schemas of types, gathered as components of a document.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

/// Types by the way they go: what the server writes has no field that is left out at times among the
/// required ones, and what it reads may lack whatever has a default.
pub(crate) struct Schemas {
    written: SchemaGenerator,
    read: SchemaGenerator,
    /// Made by hand.
    more: Map<String, Value>,
}

impl Schemas {
    /// For AsyncAPI, whose schemas are of draft 7.
    pub fn draft07() -> Self {
        Self::new(SchemaSettings::draft07)
    }

    /// For OpenAPI 3.1.
    pub fn draft2020_12() -> Self {
        Self::new(SchemaSettings::draft2020_12)
    }

    fn new(settings: fn() -> SchemaSettings) -> Self {
        let in_place = || settings().with(|it| it.definitions_path = "/components/schemas".into());
        Self {
            written: in_place().for_serialize().into_generator(),
            read: in_place().for_deserialize().into_generator(),
            more: Map::new(),
        }
    }

    /// The schema of something that the server sends.
    pub fn written<T: JsonSchema + ?Sized>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// The schema of something that the server reads.
    pub fn read<T: JsonSchema + ?Sized>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    /// Adds a schema under a name that nothing else has: a reference to it.
    pub fn add(&mut self, name: &str, schema: Value) -> Value {
        let before = self.more.insert(name.to_owned(), schema);
        assert!(before.is_none(), "two schemas are called {name}");
        serde_json::json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// All of them, by name.
    pub fn components(mut self) -> Map<String, Value> {
        let mut all = self.more;
        for (name, mut schema) in
            [&mut self.written, &mut self.read].into_iter().flat_map(|it| it.take_definitions(true))
        {
            smooth(&mut schema);
            let before = all.insert(name.clone(), schema);
            assert!(before.is_none(), "two schemas are called {name}");
        }
        all.sort_keys();
        all
    }
}

/// The fields of a type that is read from a query: name, schema and description of each.
pub(crate) fn query_fields<T: JsonSchema>() -> Vec<(String, Value, String)> {
    let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
    let mut schema =
        settings.for_deserialize().into_generator().into_root_schema_for::<T>().to_value();
    smooth(&mut schema);
    let fields = schema["properties"].as_object().expect("a type with fields");
    let told = |(name, it): (&String, &Value)| {
        let mut it = it.clone();
        let fields = it.as_object_mut().expect("a schema with fields");
        // What is left out is not there; nobody writes `null` in an address.
        for list in ["type", "enum"] {
            let Some(Value::Array(values)) = fields.get_mut(list) else { continue };
            values.retain(|it| !it.is_null() && it != "null");
            if let (Some(only), "type") = (values.first().cloned(), list) {
                fields.insert(list.to_owned(), only);
            }
        }
        let Some(Value::String(description)) = fields.remove("description") else {
            panic!("{name} says nothing about itself");
        };
        (name.clone(), it, description)
    };
    fields.iter().map(told).collect()
}

/// What derives from the source and says nothing to a reader: lines that end where the comment's do,
/// how wide a number is in memory, and one schema for each name of an enumeration.
fn smooth(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = unwrapped(text);
            }
            let format = fields.get("format").and_then(Value::as_str);
            if format.is_some_and(|it| it.starts_with("uint")) {
                fields.remove("format");
            }
            if let Some(names) = fields.get("oneOf").and_then(names) {
                fields.remove("oneOf");
                fields.insert("type".to_owned(), "string".into());
                fields.insert("enum".to_owned(), names);
            }
            fields.values_mut().for_each(smooth);
        }
        Value::Array(items) => items.iter_mut().for_each(smooth),
        _ => {}
    }
}

/// Paragraphs on one line each.
fn unwrapped(text: &str) -> String {
    let paragraphs: Vec<String> = text.split("\n\n").map(|it| it.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

/// The names, where these are schemas of one name each.
fn names(schemas: &Value) -> Option<Value> {
    let name = |it: &Value| it.get("const").filter(|it| it.is_string()).cloned();
    schemas.as_array()?.iter().map(name).collect()
}
