//! Frames of the server as a client reads them.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One event.
#[derive(Debug, Deserialize)]
pub struct Frame<'a> {
    pub id: &'a str,
    pub sequence: Option<u64>,
    pub timestamp: &'a str,
    #[serde(rename = "type")]
    pub kind: &'a str,
    #[serde(borrow)]
    pub payload: &'a RawValue,
    #[serde(borrow, default)]
    pub metadata: Option<&'a RawValue>,
    /// As it came.
    #[serde(skip)]
    pub text: &'a str,
}

#[derive(Debug, Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    custom: Custom,
}

/// What the simulated clients write beside a message.
#[derive(Debug, Deserialize)]
struct Custom {
    tag: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Coded {
    code: Option<String>,
}

pub fn parse(text: &str) -> Result<Frame<'_>, serde_json::Error> {
    let mut frame: Frame<'_> = serde_json::from_str(text)?;
    frame.text = text;
    Ok(frame)
}

impl<'a> Frame<'a> {
    /// Whether it has this type, given without its prefix.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.strip_prefix("EVENT_TYPE_") == Some(kind)
    }

    /// The events of a batch, or this one by itself.
    pub fn events(self) -> Vec<Frame<'a>> {
        if !self.is("EVENT_BATCH") {
            return vec![self];
        }
        let batch: Batch<'a> = serde_json::from_str(self.payload.get()).unwrap();
        batch.events.iter().map(|it| parse(it.get()).unwrap()).collect()
    }

    /// The tag that the sender wrote beside it.
    pub fn tag(&self) -> Option<String> {
        let metadata: Metadata = serde_json::from_str(self.metadata?.get()).ok()?;
        metadata.custom.tag
    }

    /// The code of a system message.
    pub fn code(&self) -> Option<String> {
        let coded: Coded = serde_json::from_str(self.payload.get()).ok()?;
        coded.code
    }
}
