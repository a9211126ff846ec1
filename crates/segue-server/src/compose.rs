//! Turns the outputs of a bot's turn into the messages and chunks to append, in their order and at
//! their pace (protocol, sections 5 and 6). Pure: time and message ids come as arguments. It does
//! not ask whether the bot may still speak: that is decided where its words are appended.

mod cut;
mod markup;
mod split;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;

use segue_core::{
    Attachment, CallAction, Extras, Facts, MessageId, Output, Say, Suggestion, Timestamp,
};

use cut::{Cutter, Place};
use split::{CONTENT_BYTES_MAX, Part, parts};

use crate::limits::{TURN_OUTPUTS_MAX, TURN_TEXT_BYTES_MAX};

/// How a session gets the text of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without streaming: messages.
    Whole,
    /// With streaming: messages in chunks.
    Chunks(Cuts),
}

impl Style {
    /// What a session was created for.
    pub fn of(facts: &Facts) -> Self {
        match (facts.streaming, facts.is_native()) {
            (false, _) => Self::Whole,
            (true, false) => Self::Chunks(Cuts::Words),
            (true, true) => Self::Chunks(Cuts::Native),
        }
    }
}

/// Where a message may be cut into chunks (protocol, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    /// After white space.
    Words,
    /// For sessions created with a `User-Agent` that begins with `PolyMessaging-`: before a line
    /// feed, and between the sentences of a long paragraph.
    Native,
}

/// An output of a turn that goes to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A piece of the current message; pieces are joined as they are.
    Text(String),
    /// Belongs to the current message.
    Attachment(Attachment),
    /// Belongs to the current message.
    Suggestion(Suggestion),
    /// Belongs to the current message.
    CallAction(CallAction),
    /// The conversation goes on in this language (BCP 47).
    Language(String),
    /// What follows is another message.
    MessageBreak,
}

impl Piece {
    /// The piece that an output is; an output that does not go to the user is given back.
    pub fn of(output: Output) -> Result<Self, Output> {
        Ok(match output {
            Output::Text(text) => Self::Text(text),
            Output::Attachment(attachment) => Self::Attachment(attachment),
            Output::Suggestion(suggestion) => Self::Suggestion(suggestion),
            Output::CallAction(call_action) => Self::CallAction(call_action),
            Output::Language(code) => Self::Language(code),
            Output::MessageBreak => Self::MessageBreak,
            Output::State(_) | Output::HandOff(_) | Output::End | Output::Silence => {
                return Err(output);
            }
        })
    }
}

/// A turn gave more than it may. It has failed: what is left of it is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Of text, in all: `TURN_TEXT_BYTES_MAX`.
    #[error("more than {TURN_TEXT_BYTES_MAX} bytes of text in a turn")]
    Text,
    /// Of outputs other than text: `TURN_OUTPUTS_MAX`.
    #[error("more than {TURN_OUTPUTS_MAX} outputs other than text in a turn")]
    Outputs,
    /// Of one output, which a frame would not hold even alone: `CONTENT_BYTES_MAX`.
    #[error("an output of more than {CONTENT_BYTES_MAX} bytes")]
    Size,
}

/// Puts together what a bot says in one turn.
///
/// After each `push`, or better after all that are at hand (a message that is complete before any
/// of it is said is not cut), `ready` gives what may be said by now, and `wake_at` when to ask
/// again. The end of the turn is `finish` or `break_off`.
///
/// Text that is white space only counts as none: it makes no message and no first chunk, and is
/// left out where a message has nothing else to show.
pub struct Composer {
    style: Style,
    chunk_interval_ms: u64,
    message_ids: Box<dyn FnMut() -> MessageId + Send + Sync>,
    /// The message that the bot is giving.
    draft: Draft,
    /// Composed and not yet said.
    line: VecDeque<Say>,
    text_bytes: usize,
    outputs: usize,
    has_said_anything: bool,
    now: Timestamp,
    text_at: Timestamp,
    chunk_at: Timestamp,
}

struct Draft {
    progress: Progress,
    /// What has arrived and is neither said nor in line; `cutter` begins where it begins.
    text: String,
    cutter: Cutter,
    extras: Extras,
    call_actions: Vec<CallAction>,
    /// They wait until the message has been said: clients read the chunks of a message as one.
    languages: Vec<String>,
}

enum Progress {
    /// Nothing of the message is said or in line.
    Unsaid,
    /// So many chunks of it are said or in line, and the last one is not.
    Streaming { message_id: MessageId, chunks: u32 },
    /// What was too long for a frame is said or in line, as a message of its own.
    Continued,
    /// Call actions that came when the message before had begun to be said. Has no text.
    Aside,
}

impl Composer {
    /// A composer for one turn. `chunk_interval_ms` is the least time between two chunks of a
    /// message; `message_ids` gives a new id whenever it is asked.
    pub fn new(
        style: Style,
        chunk_interval_ms: u64,
        message_ids: impl FnMut() -> MessageId + Send + Sync + 'static,
    ) -> Self {
        Self {
            style,
            chunk_interval_ms,
            message_ids: Box::new(message_ids),
            draft: Draft::new(style),
            line: VecDeque::new(),
            text_bytes: 0,
            outputs: 0,
            has_said_anything: false,
            now: 0,
            text_at: 0,
            chunk_at: 0,
        }
    }

    /// Takes the next output. One that is too much is not taken.
    pub fn push(&mut self, now: Timestamp, piece: Piece) -> Result<(), Excess> {
        self.observe(now);
        self.admit(&piece)?;
        match piece {
            Piece::Text(text) => self.add_text(&text),
            Piece::Attachment(attachment) => self.draft.extras.attachments.push(attachment),
            Piece::Suggestion(suggestion) => self.draft.extras.suggestions.push(suggestion),
            Piece::CallAction(call_action) => self.add_call_action(call_action),
            Piece::Language(code) => self.add_language(code),
            Piece::MessageBreak => self.end_message(),
        }
        Ok(())
    }

    /// Counts an output that does not go to the user: it is one of `TURN_OUTPUTS_MAX` all the same.
    pub fn count(&mut self) -> Result<(), Excess> {
        if self.outputs == TURN_OUTPUTS_MAX {
            return Err(Excess::Outputs);
        }
        self.outputs += 1;
        Ok(())
    }

    /// What may be said now.
    pub fn ready(&mut self, now: Timestamp) -> Vec<Say> {
        self.observe(now);
        let mut says = Vec::new();
        loop {
            while self.line.front().is_some_and(|say| self.due_at(say) <= now) {
                says.extend(self.line.pop_front().inspect(|say| self.note(say)));
            }
            match self.place_due() {
                Some(place) if self.line.is_empty() => {
                    let text = self.draft.take_before(place);
                    self.queue_chunk(text, None);
                }
                Some(_) | None => return says,
            }
        }
    }

    /// When `ready` has something to give if nothing is pushed until then; a time that has come
    /// already is now.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if let Some(say) = self.line.front() {
            return Some(self.due_at(say));
        }
        let chunk_at = self.chunk_due_at()?;
        if self.draft.cutter.allowed().is_some() {
            return Some(chunk_at);
        }
        self.draft.cutter.allowed_at_end().map(|_| chunk_at.max(self.settled_at()))
    }

    /// Ends the message that the bot is giving, as a message break does, without ending the turn.
    /// A turn that keeps the pace to its last chunk does this and waits until `wake_at` is `None`.
    pub fn end_message(&mut self) {
        if self.draft.is_stream(self.style) && self.draft.has_begun_or_shows_text() {
            let text = mem::take(&mut self.draft.text);
            let extras = mem::take(&mut self.draft.extras);
            self.queue_last_chunk(text, extras);
        } else {
            let is_visible = self.draft.cutter.is_visible();
            let text = Some(mem::take(&mut self.draft.text)).filter(|_| is_visible);
            let extras = mem::take(&mut self.draft.extras);
            let call_actions = mem::take(&mut self.draft.call_actions);
            self.queue_whole(text.unwrap_or_default(), Part { extras, call_actions });
        }
        let ended = mem::replace(&mut self.draft, Draft::new(self.style));
        self.line.extend(ended.languages.into_iter().map(Say::Language));
    }

    /// The turn ended well: everything that is left, at once.
    pub fn finish(&mut self) -> Vec<Say> {
        self.end_message();
        self.say_all()
    }

    /// The turn failed. A message that has begun to be said is closed with what had arrived of it;
    /// one that has not is left out, and so are the languages that waited for it.
    pub fn break_off(&mut self) -> Vec<Say> {
        match self.draft.progress {
            Progress::Unsaid => self.draft = Draft::new(self.style),
            Progress::Streaming { .. } | Progress::Continued | Progress::Aside => {
                self.end_message();
            }
        }
        self.say_all()
    }

    /// Whether a message, or a chunk of one, has been given out. (A language is not seen.)
    pub fn has_said_anything(&self) -> bool {
        self.has_said_anything
    }

    fn admit(&mut self, piece: &Piece) -> Result<(), Excess> {
        let bytes = match piece {
            Piece::Text(text) => {
                if text.len() > TURN_TEXT_BYTES_MAX - self.text_bytes {
                    return Err(Excess::Text);
                }
                self.text_bytes += text.len();
                return Ok(());
            }
            Piece::Attachment(attachment) => split::attachment_bytes(attachment),
            Piece::Suggestion(suggestion) => split::suggestion_bytes(suggestion),
            Piece::CallAction(call_action) => split::call_action_bytes(call_action),
            Piece::Language(code) => split::text_bytes(code),
            Piece::MessageBreak => 0,
        };
        if bytes > CONTENT_BYTES_MAX {
            return Err(Excess::Size);
        }
        self.count()
    }

    fn add_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if matches!(self.draft.progress, Progress::Aside) {
            self.end_message();
        }
        self.text_at = self.now;
        for c in text.chars() {
            while self.draft.cutter.json_bytes() + split::char_bytes(c) > CONTENT_BYTES_MAX {
                self.queue_full_frame();
            }
            self.draft.cutter.feed(c);
            self.draft.text.push(c);
        }
    }

    fn add_call_action(&mut self, call_action: CallAction) {
        if matches!(self.draft.progress, Progress::Streaming { .. }) {
            self.end_message();
            self.draft.progress = Progress::Aside;
        }
        self.draft.call_actions.push(call_action);
    }

    fn add_language(&mut self, code: String) {
        if self.draft.is_blank() {
            self.line.push_back(Say::Language(code));
        } else {
            self.draft.languages.push(code);
        }
    }

    // The text of the draft fills a frame. It becomes a chunk where it may be cut; otherwise the
    // message ends here and goes on in another one.
    fn queue_full_frame(&mut self) {
        let is_shown = self.draft.has_begun_or_shows_text();
        let allowed = self.draft.cutter.allowed();
        let place = allowed.unwrap_or_else(|| self.draft.cutter.forced());
        let text = self.draft.take_before(place);
        if !is_shown {
            // A frame full of white space, before anything to see.
            return;
        }
        if !self.draft.is_stream(self.style) {
            self.queue_whole(text, Part::default());
            self.draft.progress = Progress::Continued;
        } else if allowed.is_some() {
            self.queue_chunk(text, None);
        } else {
            self.queue_chunk(text, Some(Extras::default()));
            self.draft.progress = Progress::Continued;
        }
    }

    // The last chunk has `end`: what stands beside the text.
    fn queue_chunk(&mut self, text: String, end: Option<Extras>) {
        let (message_id, index) = match self.draft.progress {
            Progress::Streaming { message_id, chunks } => (message_id, chunks + 1),
            Progress::Unsaid | Progress::Continued | Progress::Aside => ((self.message_ids)(), 1),
        };
        self.draft.progress = Progress::Streaming { message_id, chunks: index };
        let is_complete = end.is_some();
        let extras = end.unwrap_or_default();
        self.line.push_back(Say::Chunk { message_id, index, text, extras, is_complete });
    }

    fn queue_last_chunk(&mut self, text: String, extras: Extras) {
        if split::text_bytes(&text) + split::extras_bytes(&extras) <= CONTENT_BYTES_MAX {
            self.queue_chunk(text, Some(extras));
            return;
        }
        // The extras get frames of their own: the last chunk, without text, and what that one does
        // not hold follows in messages.
        if !text.is_empty() {
            self.queue_chunk(text, None);
        }
        let mut parts = parts(0, Part { extras, call_actions: Vec::new() }).into_iter();
        self.queue_chunk(String::new(), parts.next().map(|part| part.extras));
        for Part { extras, call_actions } in parts {
            let (message_id, text) = ((self.message_ids)(), String::new());
            self.line.push_back(Say::Message { message_id, text, extras, call_actions });
        }
    }

    fn queue_whole(&mut self, mut text: String, part: Part) {
        if text.is_empty() && part == Part::default() {
            return;
        }
        for Part { extras, call_actions } in parts(split::text_bytes(&text), part) {
            let (message_id, text) = ((self.message_ids)(), mem::take(&mut text));
            self.line.push_back(Say::Message { message_id, text, extras, call_actions });
        }
    }

    /// Where the draft is to be cut now.
    fn place_due(&self) -> Option<Place> {
        if self.chunk_due_at()? > self.now {
            return None;
        }
        let at_end = self.draft.cutter.allowed_at_end().filter(|_| self.settled_at() <= self.now);
        at_end.or(self.draft.cutter.allowed())
    }

    /// When the draft may have its next chunk; `None` if it is not said in chunks.
    fn chunk_due_at(&self) -> Option<Timestamp> {
        self.draft.is_stream(self.style).then_some(match self.draft.progress {
            Progress::Streaming { .. } => self.next_chunk_at(),
            Progress::Unsaid | Progress::Continued | Progress::Aside => self.now,
        })
    }

    // The pace is that of one message: its first chunk waits for nothing.
    fn due_at(&self, say: &Say) -> Timestamp {
        match say {
            Say::Chunk { index: 2.., .. } => self.next_chunk_at(),
            Say::Chunk { .. } | Say::Message { .. } | Say::Language(_) => self.now,
        }
    }

    fn next_chunk_at(&self) -> Timestamp {
        self.chunk_at + self.chunk_interval_ms
    }

    // White space at the end of what has arrived may be the half of it, and it must not be torn.
    // After a pause this long it is taken for the whole: better than letting the user wait.
    fn settled_at(&self) -> Timestamp {
        self.text_at + self.chunk_interval_ms
    }

    // A clock that was set back must not stop a stream until it has caught up.
    fn observe(&mut self, now: Timestamp) {
        self.now = now;
        self.text_at = self.text_at.min(now);
        self.chunk_at = self.chunk_at.min(now);
    }

    fn say_all(&mut self) -> Vec<Say> {
        let says = Vec::from(mem::take(&mut self.line));
        for say in &says {
            self.note(say);
        }
        says
    }

    fn note(&mut self, say: &Say) {
        match say {
            Say::Message { .. } => self.has_said_anything = true,
            Say::Chunk { .. } => {
                self.has_said_anything = true;
                self.chunk_at = self.now;
            }
            Say::Language(_) => {}
        }
    }
}

impl Draft {
    fn new(style: Style) -> Self {
        let cuts = match style {
            Style::Whole => Cuts::Words,
            Style::Chunks(cuts) => cuts,
        };
        Self {
            progress: Progress::Unsaid,
            text: String::new(),
            cutter: Cutter::new(cuts),
            extras: Extras::default(),
            call_actions: Vec::new(),
            languages: Vec::new(),
        }
    }

    fn is_blank(&self) -> bool {
        matches!(self.progress, Progress::Unsaid)
            && !self.cutter.is_visible()
            && self.extras.is_empty()
            && self.call_actions.is_empty()
    }

    /// Whether it is said in chunks, as far as can be known by now.
    fn is_stream(&self, style: Style) -> bool {
        match (&self.progress, style) {
            (Progress::Streaming { .. }, _) => true,
            (Progress::Aside, _) | (_, Style::Whole) => false,
            (Progress::Unsaid | Progress::Continued, Style::Chunks(_)) => {
                self.call_actions.is_empty()
            }
        }
    }

    fn has_begun_or_shows_text(&self) -> bool {
        matches!(self.progress, Progress::Streaming { .. }) || self.cutter.is_visible()
    }

    fn take_before(&mut self, place: Place) -> String {
        let rest = self.text.split_off(self.cutter.bytes_before(place));
        self.cutter.advance(place);
        mem::replace(&mut self.text, rest)
    }
}
