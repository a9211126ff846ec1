//! A route over HTTP, as a specification describes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::wire::HttpError;

/// One method of one path.
pub(crate) struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    security: Vec<&'static str>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, Vec<Told>>,
}

/// What a refusal says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The status of the answer.
    pub status: u16,
    /// `error` and `message` in its body.
    pub text: &'static str,
    /// `code` in its body.
    pub code: &'static str,
}

impl From<HttpError> for Told {
    fn from(error: HttpError) -> Self {
        Self { status: error.status(), text: error.text(), code: error.code() }
    }
}

impl Operation {
    /// `route` is a method in capitals and a path: `POST /api/v1/sessions`.
    pub fn new(route: &'static str, id: &'static str, tag: &'static str) -> Self {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        Self {
            method,
            path,
            id,
            tag,
            summary: "",
            description: "",
            security: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// What it is for: in a few words, and in sentences.
    pub fn about(self, summary: &'static str, description: &'static str) -> Self {
        Self { summary, description, ..self }
    }

    /// Needs a security scheme of the document.
    pub fn needs(mut self, scheme: &'static str) -> Self {
        self.security.push(scheme);
        self
    }

    /// Takes a parameter; `place` is `header`, `path` or `query`.
    pub fn takes(mut self, place: &str, name: &str, schema: &Value, description: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": place, "required": true,
            "schema": schema, "description": description,
        }));
        self
    }

    /// Takes a parameter that may be left out.
    pub fn may_take(self, place: &str, name: &str, schema: &Value, description: &str) -> Self {
        let mut it = self.takes(place, name, schema, description);
        it.parameters.last_mut().expect("one was added")["required"] = json!(false);
        it
    }

    /// Takes a body of JSON. It may be left out.
    pub fn may_read(mut self, schema: &Value, example: &Value) -> Self {
        self.body = Some(json!({
            "required": false,
            "content": {"application/json": {"schema": schema, "example": example}},
        }));
        self
    }

    /// Answers with JSON.
    pub fn answers(self, status: u16, what: &str, schema: &Value, example: &Value) -> Self {
        let content = json!({"application/json": {"schema": schema, "example": example}});
        self.answers_with(status, what, Some(content))
    }

    /// Answers with a line of text, one of these.
    pub fn answers_line(self, status: u16, what: &str, lines: &[&str]) -> Self {
        let content = json!({"text/plain": {"schema": {"type": "string", "enum": lines}}});
        self.answers_with(status, what, Some(content))
    }

    /// Answers without a body.
    pub fn answers_bare(self, status: u16, what: &str) -> Self {
        self.answers_with(status, what, None)
    }

    fn answers_with(mut self, status: u16, what: &str, content: Option<Value>) -> Self {
        let mut answer = json!({"description": what, "headers": headers(status)});
        if let Some(content) = content {
            answer["content"] = content;
        }
        self.answers.insert(status, answer);
        self
    }

    /// Answers with one of these errors, in the body that all errors have.
    pub fn refuses<T: Into<Told>>(mut self, errors: impl IntoIterator<Item = T>) -> Self {
        for error in errors {
            let told: Told = error.into();
            self.refusals.entry(told.status).or_default().push(told);
        }
        self
    }

    /// The operation of an OpenAPI document. `error` is the schema of an error's body.
    pub fn to_value(&self, error: &Value) -> Value {
        let mut responses = Map::new();
        for (status, answer) in &self.answers {
            responses.insert(status.to_string(), answer.clone());
        }
        for (status, told) in &self.refusals {
            let before = responses.insert(status.to_string(), refusal(*status, told, error));
            assert!(before.is_none(), "{} {} answers {status} twice", self.method, self.path);
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "responses": responses,
        });
        let security: Vec<Value> = self.security.iter().map(|it| json!({*it: []})).collect();
        operation["security"] = json!(security);
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }
}

fn refusal(status: u16, told: &[Told], error: &Value) -> Value {
    let texts: Vec<&str> = told.iter().map(|it| it.text).collect();
    let codes: Vec<&str> = told.iter().map(|it| it.code).collect();
    let lines: Vec<String> = told.iter().map(|it| format!("`{}`", it.text)).collect();
    let mut examples = Map::new();
    for it in told {
        let value = json!({
            "error": it.text, "message": it.text, "code": it.code,
            "correlation_id": "support-case-1187",
        });
        examples.insert(it.code.to_owned(), json!({"value": value}));
    }
    let schema = json!({"allOf": [error, {"properties": {
        "error": {"enum": texts}, "message": {"enum": texts}, "code": {"enum": codes},
    }}]});
    json!({
        "description": lines.join(", "),
        "headers": headers(status),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    })
}

fn headers(status: u16) -> Value {
    let mut headers = json!({
        "X-PolyAI-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"},
    });
    if status == 429 {
        headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
    }
    headers
}
