//! The published documents are those of the types, say nothing about what is not there, and show
//! frames that are what they say.

use std::{collections::BTreeSet, fs, path::PathBuf};

use jsonschema::Draft;
use serde_json::{Value, json};

use super::{asyncapi, openapi};
use crate::{
    http::admin,
    limits,
    published::{
        self,
        schemas::{close, compiled, problems},
    },
    wire,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api")
}

fn check_file(name: &str, mut document: Value) {
    document.sort_all_objects();
    let text = format!("{document:#}\n");
    let path = folder().join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let hint = "UPDATE=1 cargo test -p segue-server --lib spec";
    assert!(text == committed, "docs/api/{name} is stale: {hint}");
}

#[test]
fn openapi_is_that_of_the_types() {
    check_file("openapi.json", openapi::document());
}

#[test]
fn asyncapi_is_that_of_the_types() {
    check_file("asyncapi.json", asyncapi::document());
}

/// Visits every value, with where it stands.
fn visit(value: &Value, at: &str, see: &mut impl FnMut(&str, &Value)) {
    see(at, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, it)| visit(it, &format!("{at}/{name}"), see));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, it)| visit(it, &format!("{at}/{i}"), see));
        }
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    for document in [openapi::document(), asyncapi::document()] {
        let mut named = BTreeSet::new();
        visit(&document, "", &mut |at, value| {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return };
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{at} names {reference}");
            named.insert(reference.to_owned());
        });
        for place in ["schemas", "messages", "headers"] {
            let Some(components) = document["components"][place].as_object() else { continue };
            for name in components.keys() {
                let reference = format!("#/components/{place}/{name}");
                assert!(named.contains(&reference), "nothing names {reference}");
            }
        }
    }
}

#[test]
fn every_field_says_what_it_means() {
    for document in [openapi::document(), asyncapi::document()] {
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name} says nothing about itself");
            visit(schema, name, &mut |at, value| {
                let Some(fields) = value.get("properties").and_then(Value::as_object) else {
                    return;
                };
                for (field, it) in fields {
                    let is_said = it["description"].is_string()
                        || it.get("$ref").is_some()
                        || it.get("const").is_some();
                    assert!(is_said, "{at}: {field} says nothing about itself");
                }
            });
        }
    }
}

#[test]
fn the_examples_are_what_they_say() {
    let document = asyncapi::document();
    let mut kinds = BTreeSet::new();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            let frame = &example["payload"];
            assert_eq!(frame["type"], message["name"], "{name}");
            kinds.insert(frame["type"].as_str().unwrap().to_owned());
            let text = frame.to_string();
            if message["x-sent-by"] == "client" {
                published::check_client_frame(&text);
                assert!(wire::decode(&text).is_ok(), "{name}: {text}");
            } else {
                published::check_server_frame(&text);
            }
        }
    }
    // What is granted to nobody, and what the desk will need, is not there yet.
    for kind in wire::messages::documented_kinds() {
        assert!(kinds.contains(kind), "{kind} is sent and not published");
    }
}

/// Paths of pages and of what they need, and one on a listener of its own.
const NOT_PUBLISHED: [&str; 13] = [
    "/metrics",
    "/",
    "/page.css",
    "/page.js",
    "/icon.svg",
    "/client.js",
    "/demo.json",
    "/api",
    "/api/reference.css",
    "/api/reference.js",
    "/api/reference-parts.js",
    "/api/openapi.json",
    "/api/asyncapi.json",
];

/// A route is `.route("PATH", …)` somewhere in the sources; `merge` and not `nest`, so that the path
/// is whole.
#[test]
fn every_route_is_published() {
    let document = openapi::document();
    let mut routes = BTreeSet::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && name != "tests.rs" {
                let text = fs::read_to_string(&path).unwrap();
                let found = text.split(".route(").skip(1).filter_map(|it| {
                    it.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned)
                });
                routes.extend(found);
            }
        }
    }
    routes.extend(admin::routes().iter().map(|it| it.path.to_owned()));
    let published: BTreeSet<String> =
        document["paths"].as_object().unwrap().keys().cloned().collect();
    let routes: BTreeSet<String> =
        routes.into_iter().filter(|it| !NOT_PUBLISHED.contains(&it.as_str())).collect();
    assert_eq!(routes, published, "on the left the routes, on the right what is published");
}

/// Every method, with the scope that the table of routes asks for, and no other.
#[test]
fn every_route_of_the_admin_api_is_published_with_its_scope() {
    let document = openapi::document();
    let mut published = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if path.starts_with(admin::PREFIX) {
                published.insert((method.clone(), path.clone(), operation["security"].to_string()));
            }
        }
    }
    let known: BTreeSet<(String, String, String)> = admin::routes()
        .iter()
        .map(|it| {
            let security = json!([{ openapi::ADMIN_KEY: [it.scope.name()] }]);
            let method = it.method.as_str().to_ascii_lowercase();
            (method, it.path.to_owned(), security.to_string())
        })
        .collect();
    assert_eq!(known, published, "on the left the routes, on the right what is published");
}

#[test]
fn the_examples_over_http_are_what_they_say() {
    let document = openapi::document();
    let mut components = document["components"].clone();
    close(&mut components);
    let mut seen = 0;
    visit(&document["paths"], "", &mut |at, value| {
        let Some(schema) = value.get("schema") else { return };
        let examples =
            value["examples"].as_object().into_iter().flatten().map(|(_, it)| &it["value"]);
        for example in value.get("example").into_iter().chain(examples) {
            let mut schema = schema.clone();
            close(&mut schema);
            let found = problems(&compiled(&schema, &components, Draft::Draft202012), example);
            assert!(found.is_empty(), "{at}: {}\n{example:#}", found.join("\n"));
            seen += 1;
        }
    });
    assert!(seen > admin::routes().len(), "{seen} examples only");
}

#[test]
fn the_limits_in_the_documents_are_those_of_the_server() {
    let document = asyncapi::document();
    let schemas = &document["components"]["schemas"];
    let text = &schemas["ClientUserMessagePayload"]["properties"]["text"];
    assert_eq!(text["maxLength"], limits::MESSAGE_TEXT_BYTES_MAX);
    let events = &schemas["EventBatch"]["properties"]["payload"]["properties"]["events"];
    assert_eq!(events["maxItems"], limits::BATCH_EVENTS_MAX);
    let names = &schemas["ClientMetadata"]["properties"]["custom"]["properties"]["local_id"];
    assert_eq!(names["maxLength"], limits::KEY_BYTES_MAX);
}
