//! The envelope around every frame of the server (protocol, section 3).

use std::fmt::Write;

use segue_core::{EntryId, Json, Sequence, Timestamp};
use serde::Serialize;

use super::{kind, time};

/// What stands around a payload.
pub(super) struct Envelope<'a> {
    pub id: EntryId,
    /// `None` for what is transient.
    pub sequence: Option<Sequence>,
    pub at: Timestamp,
    /// One of `kind`.
    pub kind: &'static str,
    /// JSON by contract of the type; it was checked when it came in.
    pub custom: Option<&'a Json>,
}

impl Envelope<'_> {
    /// The frame. Spliced by hand: five times as fast as serialising it, and `custom` stays to the
    /// letter.
    pub fn around(&self, payload: &impl Serialize) -> String {
        let custom_bytes = self.custom.map_or(0, |it| it.0.len());
        let mut out = String::with_capacity(FRAME_BYTES + custom_bytes);
        self.write_head(&mut out);
        let mut out = out.into_bytes();
        serde_json::to_writer(&mut out, payload)
            .expect("a payload has string keys and cannot fail");
        if let Some(Json(custom)) = self.custom {
            out.extend_from_slice(br#","metadata":{"custom":"#);
            out.extend_from_slice(custom.as_bytes());
            out.push(b'}');
        }
        out.push(b'}');
        String::from_utf8(out).expect("JSON is text")
    }

    fn write_head(&self, out: &mut String) {
        const FITS: &str = "a string takes everything";
        out.push_str(r#"{"id":""#);
        write!(out, "{}", self.id).expect(FITS);
        out.push_str(r#"","sequence":"#);
        match self.sequence {
            Some(Sequence(number)) => write!(out, "{number}").expect(FITS),
            None => out.push_str("null"),
        }
        out.push_str(r#","timestamp":""#);
        time::write_timestamp(out, self.at);
        out.push_str(r#"","type":""#);
        out.push_str(self.kind);
        out.push_str(r#"","payload":"#);
    }
}

/// Room for most frames without their `custom`: to grow one is to copy it.
const FRAME_BYTES: usize = 512;

/// What a batch takes beside its events and the commas between them, in bytes.
pub const BATCH_OVERHEAD_BYTES: usize =
    r#"{"id":"","sequence":null,"timestamp":"","type":"","payload":"#.len()
        + 36
        + time::TIMESTAMP_BYTES
        + kind::EVENT_BATCH.len()
        + BATCH_OPEN.len()
        + BATCH_CLOSE.len()
        + "}".len();

const BATCH_OPEN: &str = r#"{"events":["#;
const BATCH_CLOSE: &str = "]}";

/// The size of a batch of so many events that take so many bytes together.
pub const fn batch_bytes(events: usize, events_bytes: usize) -> usize {
    BATCH_OVERHEAD_BYTES + events_bytes + events.saturating_sub(1)
}

/// A batch of frames of `event`, ascending and none of them transient (protocol, section 2). Keeping
/// it within `limits::BATCH_EVENTS_MAX` and `limits::MESSAGE_TEXT_BYTES_MAX` is the caller's part, with
/// `batch_bytes`.
pub fn batch(id: EntryId, at: Timestamp, events: &[impl AsRef<str>]) -> String {
    let bytes = events.iter().map(|it| it.as_ref().len()).sum();
    let mut out = String::with_capacity(batch_bytes(events.len(), bytes));
    let envelope = Envelope { id, sequence: None, at, kind: kind::EVENT_BATCH, custom: None };
    envelope.write_head(&mut out);
    out.push_str(BATCH_OPEN);
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(event.as_ref());
    }
    out.push_str(BATCH_CLOSE);
    out.push('}');
    out
}
