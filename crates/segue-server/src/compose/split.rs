//! Keeps what the bot says within the size of a frame (protocol, section 5): measures text and
//! extras as they will stand on the wire, and spreads extras over several messages where one frame
//! does not hold them. It never looks inside a text: where text may be cut is `cut.rs`.

use segue_core::{Attachment, CallAction, Extras, Suggestion};

use crate::limits::{SENT_FRAME_BYTES_MAX, SENT_FRAME_RESERVE_BYTES};
use crate::wire;

/// Bytes of JSON that text, extras and call actions of one frame may have.
pub(super) const CONTENT_BYTES_MAX: usize = SENT_FRAME_BYTES_MAX - SENT_FRAME_RESERVE_BYTES;

// Keys, quotes, comma and the longest content type of one element, rounded up.
const ATTACHMENT_KEYS_BYTES: usize = 192;
const SUGGESTION_KEYS_BYTES: usize = 64;
const CALL_ACTION_KEYS_BYTES: usize = 64;

/// What stands beside the text of one frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub extras: Extras,
    pub call_actions: Vec<CallAction>,
}

/// Bytes of a character inside a JSON string.
pub(super) fn char_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// Bytes of a text as a JSON string, without its quotes.
pub(super) fn text_bytes(text: &str) -> usize {
    text.chars().map(char_bytes).sum()
}

/// At most this many bytes has an attachment on the wire, with the comma after it.
pub(super) fn attachment_bytes(attachment: &Attachment) -> usize {
    ATTACHMENT_KEYS_BYTES
        + text_bytes(&attachment.title)
        + attachment.preview_image_url.as_deref().map_or(0, |url| wire::encode_url(url).len())
        + wire::encode_url(&attachment.content_url).len()
        + attachment.call_to_action_text.as_deref().map_or(0, text_bytes)
}

/// At most this many bytes has a suggestion on the wire, with the comma after it.
pub(super) fn suggestion_bytes(suggestion: &Suggestion) -> usize {
    SUGGESTION_KEYS_BYTES
        + text_bytes(&suggestion.message_text)
        + suggestion.payload.as_deref().map_or(0, text_bytes)
}

/// At most this many bytes has a call action on the wire, with the comma after it.
pub(super) fn call_action_bytes(call_action: &CallAction) -> usize {
    CALL_ACTION_KEYS_BYTES
        + text_bytes(&call_action.title)
        + text_bytes(&call_action.contact_number)
}

/// At most this many bytes have extras on the wire.
pub(super) fn extras_bytes(extras: &Extras) -> usize {
    extras.attachments.iter().map(attachment_bytes).sum::<usize>()
        + extras.suggestions.iter().map(suggestion_bytes).sum::<usize>()
}

/// Spreads what stands beside a text of `text_bytes` over as few frames as keep its order. The
/// first part goes with the text and may be empty; without text it is empty only if there is
/// nothing at all. Each element must fit a frame by itself.
///
/// Suggestions come last and stay together where one frame holds them all: clients offer those of
/// the last message that has any.
pub(super) fn parts(text_bytes: usize, part: Part) -> Vec<Part> {
    let mut packing = Packing { full: Vec::new(), last: Part::default(), bytes: text_bytes };
    for attachment in part.extras.attachments {
        packing.make_room(attachment_bytes(&attachment));
        packing.last.extras.attachments.push(attachment);
    }
    for call_action in part.call_actions {
        packing.make_room(call_action_bytes(&call_action));
        packing.last.call_actions.push(call_action);
    }
    let together = part.extras.suggestions.iter().map(suggestion_bytes).sum::<usize>();
    if together <= CONTENT_BYTES_MAX {
        packing.make_room(together);
        packing.last.extras.suggestions = part.extras.suggestions;
    } else {
        for suggestion in part.extras.suggestions {
            packing.make_room(suggestion_bytes(&suggestion));
            packing.last.extras.suggestions.push(suggestion);
        }
    }
    packing.full.push(packing.last);
    packing.full
}

struct Packing {
    full: Vec<Part>,
    last: Part,
    bytes: usize,
}

impl Packing {
    fn make_room(&mut self, bytes: usize) {
        if self.bytes + bytes > CONTENT_BYTES_MAX {
            self.full.push(std::mem::take(&mut self.last));
            self.bytes = 0;
        }
        self.bytes += bytes;
    }
}
