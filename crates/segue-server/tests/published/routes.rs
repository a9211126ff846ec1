//! Holds answers over HTTP against the published routes.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{Draft, Validator};
use serde_json::Value;

use crate::published::schemas::{close, compiled, document, problems};

static OPENAPI: LazyLock<Routes> = LazyLock::new(|| Routes::new(&document("openapi.json")));

/// A request, and what came back.
pub struct Exchange<'a> {
    /// In capitals.
    pub method: &'a str,
    /// With its query.
    pub target: &'a str,
    /// What was sent.
    pub sent: &'a [u8],
    /// The status of the answer.
    pub status: u16,
    /// Those of the answer, their names in lower case.
    pub headers: &'a [(String, String)],
    /// That of the answer.
    pub body: &'a [u8],
}

/// Fails unless this is an answer that the server may give.
#[track_caller]
pub fn check_exchange(exchange: &Exchange<'_>) {
    let problems = OPENAPI.problems(exchange);
    let Exchange { method, target, status, body, .. } = exchange;
    let body = String::from_utf8_lossy(body);
    assert!(
        problems.is_empty(),
        "{method} {target:.100} {status} is not as published: {}\n{body:.2000}",
        problems.join("\n")
    );
}

/// What each method of each path takes and answers.
struct Routes(Vec<Route>);

struct Route {
    method: String,
    path: Vec<String>,
    request: Option<Validator>,
    answers: BTreeMap<u16, Answer>,
}

struct Answer {
    headers: Vec<String>,
    /// By media type.
    content: BTreeMap<String, Validator>,
}

impl Routes {
    fn new(document: &Value) -> Self {
        let open = &document["components"];
        let mut closed = open.clone();
        close(&mut closed);
        let mut routes = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                routes.push(Route::new(method, path, operation, open, &closed));
            }
        }
        assert!(!routes.is_empty(), "no paths");
        Self(routes)
    }

    fn problems(&self, it: &Exchange<'_>) -> Vec<String> {
        // What answers GET answers HEAD, without the body.
        if it.method == "HEAD" {
            return vec![];
        }
        let path = it.target.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let at_path = || self.0.iter().filter(|it| it.has_path(&parts));
        // An upgrade is refused in the same words whatever the method.
        let method = if path == "/ws" { "get".to_owned() } else { it.method.to_ascii_lowercase() };
        if let Some(route) = at_path().find(|it| it.method == method) {
            return route.problems(it);
        }
        let is_known = at_path().next().is_some();
        match (it.method, it.status) {
            // A preflight says all in its headers.
            ("OPTIONS", 204) => vec![],
            (_, 405) if is_known => vec![],
            (_, 404) if !is_known => vec![],
            _ if PAGES.contains(&path) => vec![],
            _ => vec!["it is not published".to_owned()],
        }
    }
}

/// Pages, what they need, and what is on a listener of its own.
const PAGES: [&str; 13] = [
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

impl Route {
    fn new(method: &str, path: &str, operation: &Value, open: &Value, closed: &Value) -> Self {
        let answers = operation["responses"].as_object().unwrap();
        let schema = operation.pointer("/requestBody/content/application~1json/schema");
        Self {
            method: method.to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            request: schema.map(|it| compiled(it, open, Draft::Draft202012)),
            answers: answers
                .iter()
                .map(|(status, it)| (status.parse().unwrap(), Answer::new(it, closed)))
                .collect(),
        }
    }

    fn has_path(&self, parts: &[&str]) -> bool {
        let fits = |(own, part): (&String, &&str)| own == part || own.starts_with('{');
        self.path.len() == parts.len() && self.path.iter().zip(parts).all(fits)
    }

    fn problems(&self, it: &Exchange<'_>) -> Vec<String> {
        let Some(answer) = self.answers.get(&it.status) else {
            return vec!["no such status".to_owned()];
        };
        let mut found = answer.problems(it);
        // What was accepted is what may be sent.
        if let (Some(request), true, false) =
            (&self.request, it.status < 300, it.sent.trim_ascii().is_empty())
        {
            match serde_json::from_slice(it.sent) {
                Ok(sent) => found.extend(problems(request, &sent)),
                Err(error) => found.push(error.to_string()),
            }
        }
        found
    }
}

impl Answer {
    fn new(answer: &Value, components: &Value) -> Self {
        let headers = answer["headers"].as_object().into_iter().flatten();
        let content = answer["content"].as_object().into_iter().flatten();
        Self {
            headers: headers.map(|(name, _)| name.to_ascii_lowercase()).collect(),
            content: content
                .map(|(kind, it)| {
                    let mut schema = it["schema"].clone();
                    close(&mut schema);
                    (kind.clone(), compiled(&schema, components, Draft::Draft202012))
                })
                .collect(),
        }
    }

    fn problems(&self, it: &Exchange<'_>) -> Vec<String> {
        let header = |name: &str| it.headers.iter().find(|(it, _)| it == name).map(|it| &it.1);
        let missing = self.headers.iter().filter(|it| header(it).is_none());
        let mut found: Vec<String> = missing.map(|it| format!("no header {it}")).collect();
        if self.content.is_empty() {
            if !it.body.is_empty() {
                found.push("a body".to_owned());
            }
            return found;
        }
        let kind = header("content-type").map_or("", |it| it.split(';').next().unwrap_or(""));
        let Some(validator) = self.content.get(kind) else {
            found.push(format!("no such media type: {kind}"));
            return found;
        };
        let body = if kind == "application/json" {
            serde_json::from_slice(it.body).unwrap_or(Value::Null)
        } else {
            Value::from(String::from_utf8_lossy(it.body))
        };
        found.extend(problems(validator, &body));
        found
    }
}
