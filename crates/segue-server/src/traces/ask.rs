//! The request to a bot behind HTTP as a span, and the header by which the bot goes on with the
//! trace (W3C Trace Context). Never the address as a whole: its path and query may hold a secret.

use async_trait::async_trait;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use reqwest::{StatusCode, Url};
use segue_core::{
    Output,
    ports::{Answer, BotError},
};

use super::{ERROR_TYPE, Traces, number};

/// A request to a bot, from its first byte to the last one of the answer.
pub struct Ask(Option<Context>);

/// A request begins, within the attempt that is under way. `resend` counts those before it.
pub fn ask(url: &Url, resend: u64) -> Ask {
    let current = Context::current();
    let Some(Traces(Some(on))) = current.get::<Traces>() else { return Ask(None) };
    let mut attributes = vec![KeyValue::new("http.request.method", "POST")];
    if let Some(host) = url.host_str() {
        attributes.push(KeyValue::new("server.address", host.to_owned()));
    }
    if let Some(port) = url.port_or_known_default() {
        attributes.push(KeyValue::new("server.port", i64::from(port)));
    }
    if resend > 0 {
        attributes.push(number("http.request.resend_count", resend));
    }
    let builder =
        SpanBuilder::from_name("POST").with_kind(SpanKind::Client).with_attributes(attributes);
    let span = on.tracer.build_with_context(builder, &current);
    Ask(Some(current.with_span(span)))
}

impl Ask {
    /// The header `traceparent`, where there is a trace; also for one that is not kept, so that the
    /// bot keeps none of it either.
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        let span = context.span();
        let it = span.span_context();
        Some(format!("00-{}-{}-{:02x}", it.trace_id(), it.span_id(), it.trace_flags()))
    }

    /// The head of the answer is here.
    pub fn answered(&self, status: StatusCode) {
        let Some(context) = &self.0 else { return };
        let code = status.as_u16();
        context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(code)));
        if status.is_client_error() || status.is_server_error() {
            self.failed(&code.to_string());
        }
    }

    /// There is no usable answer, for a reason of this kind.
    pub fn failed(&self, kind: &str) {
        let Some(context) = &self.0 else { return };
        context.span().set_attribute(KeyValue::new(ERROR_TYPE, kind.to_owned()));
        context.span().set_status(Status::error(""));
    }

    /// The answer, whose end is that of the request.
    pub fn until_end_of(self, answer: Box<dyn Answer>) -> Box<dyn Answer> {
        match self.0 {
            None => answer,
            Some(_) => Box::new(Heard { answer, ask: Some(self), is_first: true }),
        }
    }
}

/// An answer that says of itself when its first output came and how it ended.
struct Heard {
    answer: Box<dyn Answer>,
    /// `None` when the answer is over.
    ask: Option<Ask>,
    is_first: bool,
}

#[async_trait]
impl Answer for Heard {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        let next = self.answer.next().await;
        match &next {
            Ok(Some(_)) if self.is_first => {
                self.is_first = false;
                if let Some(Ask(Some(context))) = &self.ask {
                    context.span().add_event("first chunk", vec![]);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => drop(self.ask.take()),
            Err(_) => {
                if let Some(ask) = self.ask.take() {
                    ask.failed("answer");
                }
            }
        }
        next
    }
}
