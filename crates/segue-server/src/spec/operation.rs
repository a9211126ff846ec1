//! A route over HTTP, as a specification describes it.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::schemas::query_fields;
use crate::wire::HttpError;

/// One method of one path.
pub(crate) struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    /// Schemes, each with the roles that it has to have.
    security: Vec<(&'static str, Vec<&'static str>)>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, Vec<Told>>,
}

/// What a refusal says.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The status of the answer.
    pub status: u16,
    /// `error` and `message` in its body.
    pub text: Cow<'static, str>,
    /// Whether these are always its words.
    pub is_fixed: bool,
    /// `code` in its body.
    pub code: &'static str,
    /// Whether it says when to come again.
    pub has_retry_after: bool,
}

impl From<HttpError> for Told {
    fn from(error: HttpError) -> Self {
        Self {
            status: error.status(),
            text: error.text().into(),
            is_fixed: true,
            code: error.code(),
            has_retry_after: error.retry_after_seconds().is_some(),
        }
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
        self.security.push((scheme, Vec::new()));
        self
    }

    /// Needs a security scheme of the document, and a role in it.
    pub fn needs_role(mut self, scheme: &'static str, role: &'static str) -> Self {
        self.security.push((scheme, vec![role]));
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

    /// Takes the fields of a type in its query. All of them may be left out.
    pub fn may_take_query<T: JsonSchema>(mut self) -> Self {
        for (name, schema, description) in query_fields::<T>() {
            self = self.may_take("query", &name, &schema, &description);
        }
        self
    }

    /// Takes a body of JSON.
    pub fn reads(mut self, schema: &Value, example: &Value) -> Self {
        self.body = Some(json!({
            "required": true,
            "content": {"application/json": {"schema": schema, "example": example}},
        }));
        self
    }

    /// Takes a body of JSON. It may be left out.
    pub fn may_read(self, schema: &Value, example: &Value) -> Self {
        let mut it = self.reads(schema, example);
        it.body.as_mut().expect("one was set")["required"] = json!(false);
        it
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

    /// Answers with plain text of this form.
    pub fn answers_text(self, status: u16, what: &str, pattern: &str) -> Self {
        let content = json!({"text/plain": {"schema": {"type": "string", "pattern": pattern}}});
        self.answers_with(status, what, Some(content))
    }

    /// Gives an answer in another form, where that is asked for.
    pub fn or_as(mut self, status: u16, media_type: &str, schema: &Value) -> Self {
        let answer = self.answers.get_mut(&status).expect("it has a form already");
        answer["content"][media_type] = json!({"schema": schema});
        self
    }

    /// Answers without a body.
    pub fn answers_bare(self, status: u16, what: &str) -> Self {
        self.answers_with(status, what, None)
    }

    fn answers_with(mut self, status: u16, what: &str, content: Option<Value>) -> Self {
        let mut answer = json!({"description": what, "headers": headers(false)});
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
            let before = responses.insert(status.to_string(), refusal(told, error));
            assert!(before.is_none(), "{} {} answers {status} twice", self.method, self.path);
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "responses": responses,
        });
        let security: Vec<Value> =
            self.security.iter().map(|(scheme, roles)| json!({*scheme: roles})).collect();
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

fn refusal(told: &[Told], error: &Value) -> Value {
    let texts = distinct(told.iter().map(|it| it.text.as_ref()));
    let codes = distinct(told.iter().map(|it| it.code));
    let mut lines: Vec<String> = told.iter().filter(|it| it.is_fixed).map(line).collect();
    lines.extend(told.iter().filter(|it| !it.is_fixed).map(line));
    let mut examples = Map::new();
    for it in told {
        let value = json!({
            "error": it.text, "message": it.text, "code": it.code,
            "correlation_id": "support-case-1187",
        });
        examples.insert(it.code.to_owned(), json!({"value": value}));
    }
    let mut closer = json!({"code": {"enum": codes}});
    if told.iter().all(|it| it.is_fixed) {
        closer["error"] = json!({"enum": texts});
        closer["message"] = json!({"enum": texts});
    }
    let schema = json!({"allOf": [error, {"properties": closer}]});
    json!({
        "description": lines.join(", "),
        "headers": headers(told.iter().all(|it| it.has_retry_after)),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    })
}

/// Words that vary are only an example; the code says more.
fn line(told: &Told) -> String {
    let Told { text, code, .. } = told;
    if told.is_fixed { format!("`{text}`") } else { format!("`{code}` in words that vary") }
}

fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut all: Vec<&str> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

fn headers(has_retry_after: bool) -> Value {
    let mut headers = json!({
        "X-PolyAI-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"},
    });
    if has_retry_after {
        headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
    }
    headers
}
