//! A bot's answer on its way, in one of two forms. Whatever is wrong with it is found here, and
//! then nothing more is read: the connection closes with the response.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Response, StatusCode, header::CONTENT_TYPE};
use segue_core::{
    Output,
    ports::{Answer, BotError},
};

use super::sse::DataLines;
use super::{HttpBotLimits, broken, is_overload, output};

/// Looks at the head of a response, and begins to read what its content type promises.
pub(super) fn begin(
    response: Response,
    limits: HttpBotLimits,
) -> Result<Box<dyn Answer>, BotError> {
    let status = response.status();
    if is_overload(status) {
        return Err(BotError::Overloaded(format!("status {}", status.as_u16())));
    }
    if status != StatusCode::OK {
        return Err(BotError::Failed(format!("status {}", status.as_u16())));
    }
    match media_type(&response).as_deref() {
        Some("text/event-stream") => Ok(Box::new(Streamed {
            source: Source::Open(response),
            chunk: Bytes::new(),
            lines: DataLines::new(limits.line_bytes_max),
            outputs: 0,
        })),
        Some("application/json") => {
            let body_bytes_max = limits.body_bytes_max;
            Ok(Box::new(Whole::Arriving { response, body: Vec::new(), body_bytes_max }))
        }
        _ => Err(BotError::Failed("the answer is neither an event stream nor JSON".to_owned())),
    }
}

/// The media type in lower case, without its parameters.
fn media_type(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?;
    Some(essence.trim().to_ascii_lowercase())
}

/// An event stream. Its outputs are given as they come.
struct Streamed {
    source: Source,
    /// Came in, and is not read yet.
    chunk: Bytes,
    lines: DataLines,
    /// How many were given so far.
    outputs: usize,
}

enum Source {
    Open(Response),
    Ended,
    /// Asked again, it says the same.
    Failed(BotError),
}

#[async_trait]
impl Answer for Streamed {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        loop {
            let response = match &mut self.source {
                Source::Open(response) => response,
                Source::Ended => return Ok(None),
                Source::Failed(error) => return Err(error.clone()),
            };
            let line = match self.lines.next(&mut self.chunk) {
                Ok(line) => line,
                Err(error) => return Err(self.fail(BotError::Failed(error.to_string()))),
            };
            if let Some(line) = line {
                return self.give(&line).map(Some);
            }
            // The only place that waits. Everything is in `self`: dropped here, nothing is lost.
            match response.chunk().await {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => {
                    self.source = Source::Ended;
                    if let Some(line) = self.lines.finish() {
                        return self.give(&line).map(Some);
                    }
                }
                Err(error) => return Err(self.fail(broken(error))),
            }
        }
    }
}

impl Streamed {
    fn give(&mut self, line: &[u8]) -> Result<Output, BotError> {
        self.outputs += 1;
        output::read(line).map_err(|malformed| {
            let number = self.outputs;
            self.fail(BotError::Failed(format!("output {number} {malformed}")))
        })
    }

    fn fail(&mut self, error: BotError) -> BotError {
        self.source = Source::Failed(error.clone());
        error
    }
}

/// One JSON object. It is read to its end and checked before any of its outputs is given.
enum Whole {
    Arriving { response: Response, body: Vec<u8>, body_bytes_max: usize },
    Read(VecDeque<Output>),
    Failed(BotError),
}

#[async_trait]
impl Answer for Whole {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        loop {
            let (response, body, body_bytes_max) = match self {
                Whole::Arriving { response, body, body_bytes_max } => {
                    (response, body, *body_bytes_max)
                }
                Whole::Read(outputs) => return Ok(outputs.pop_front()),
                Whole::Failed(error) => return Err(error.clone()),
            };
            // The only place that waits. Everything is in `self`: dropped here, nothing is lost.
            *self = match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > body_bytes_max => {
                    Whole::Failed(BotError::Failed(format!("over {body_bytes_max} bytes of JSON")))
                }
                Ok(Some(chunk)) => {
                    body.extend_from_slice(&chunk);
                    continue;
                }
                Ok(None) => match output::read_all(body) {
                    Ok(outputs) => Whole::Read(outputs.into()),
                    Err(malformed) => Whole::Failed(BotError::Failed(malformed.to_string())),
                },
                Err(error) => Whole::Failed(broken(error)),
            };
        }
    }
}
