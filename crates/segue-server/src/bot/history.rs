//! What a bot is told of a conversation: from entries of the log to the input and the history of a
//! turn. Pure, and the same for the same entries, so that a repeat of a turn asks the same.

use segue_core::{
    Entry, Event, MessageId, Notice, Position,
    ports::{HistoryMessage, InputMessage, Speaker},
};

use crate::limits;

/// How much of what was said before a bot is told: the newest, whichever limit is reached first
/// (bots, `kind = "http"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Messages.
    pub messages_max: usize,
    /// Bytes of their texts.
    pub bytes_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { messages_max: limits::HISTORY_MESSAGES_MAX, bytes_max: limits::HISTORY_BYTES_MAX }
    }
}

/// What a bot is told of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conversation {
    /// What the turn answers.
    pub input: Vec<InputMessage>,
    /// What was said before and meanwhile, oldest first.
    pub history: Vec<HistoryMessage>,
    /// Whether older messages exist, or may exist, that are not in `history`.
    pub truncated: bool,
}

/// How far the user's messages after `after` fit into `bytes_max`, and at least the first of them:
/// the position of the last one that does, or `after` where there is none.
pub fn input_to(entries: &[Entry], after: Position, bytes_max: usize) -> Position {
    let mut last = after;
    let mut bytes = 0;
    for entry in entries.iter().filter(|it| it.position > after) {
        let Event::UserMessagePosted { text, custom, .. } = &entry.event else { continue };
        bytes += text.len() + custom.as_ref().map_or(0, |it| it.0.len());
        if last > after && bytes > bytes_max {
            break;
        }
        last = entry.position;
    }
    last
}

/// Tells a bot of a conversation. `entries` is the log, or its newest part; the turn answers the
/// user's messages after `input_after` and up to `input_to`. What the user said later belongs to a
/// later turn and is in neither part. `words` is what the user reads for a notice.
pub fn conversation(
    entries: &[Entry],
    input_after: Position,
    input_to: Position,
    limits: HistoryLimits,
    words: fn(Notice) -> &'static str,
) -> Conversation {
    let mut input = Vec::new();
    let mut said = Said { messages: Vec::new(), open: None, bot_name: None };
    for entry in entries {
        match &entry.event {
            Event::UserMessagePosted { message_id, text, custom, .. }
                if entry.position > input_after =>
            {
                if entry.position <= input_to {
                    input.push(InputMessage {
                        message_id: *message_id,
                        text: text.to_string(),
                        custom: custom.as_ref().map(|it| it.0.to_string()),
                        at: entry.at,
                    });
                }
            }
            _ => said.take(entry, words),
        }
    }
    let starts_late = entries.first().is_some_and(|it| it.position > Position(1));
    let (history, cut) = newest(said.finish(), limits);
    Conversation { input, history, truncated: cut || starts_late }
}

/// Gathers what was said, chunks joined to messages.
struct Said {
    messages: Vec<HistoryMessage>,
    /// The newest message, if it came in chunks: its id, and its place in `messages`.
    open: Option<(MessageId, usize)>,
    /// Chunks do not name their speaker; who joined last says them.
    bot_name: Option<String>,
}

impl Said {
    fn take(&mut self, entry: &Entry, words: fn(Notice) -> &'static str) {
        match &entry.event {
            Event::BotJoined { bot, .. } => self.bot_name = name(&bot.name),
            Event::UserMessagePosted { text, .. } => self.push(entry, Speaker::User, None, text),
            Event::BotMessagePosted { text, bot, .. } => {
                self.push(entry, Speaker::Bot, name(&bot.name), text);
            }
            Event::BotChunkPosted { message_id, index, text, .. } => {
                self.take_chunk(entry, *message_id, *index, text);
            }
            Event::NoticePosted { notice, .. } => {
                self.push(entry, Speaker::System, None, words(*notice));
            }
            Event::SessionStarted { .. }
            | Event::JoinRequested { .. }
            | Event::TurnStarted { .. }
            | Event::TurnEnded { .. }
            | Event::LanguageChanged { .. }
            | Event::HandoffTriggered
            | Event::ClientHandoffRequired { .. }
            | Event::BotLeft { .. }
            | Event::HandoffFailed { .. }
            | Event::EndRequested { .. }
            | Event::SessionEnded { .. } => {}
        }
    }

    fn take_chunk(&mut self, entry: &Entry, id: MessageId, index: u32, text: &str) {
        match self.open {
            Some((open, place)) if open == id => {
                let message = &mut self.messages[place];
                message.text.push_str(text);
                message.sequence = entry.reached;
                message.at = entry.at;
            }
            _ if index == 1 => {
                self.open = Some((id, self.messages.len()));
                self.push(entry, Speaker::Bot, self.bot_name.clone(), text);
            }
            // Its beginning is older than the entries at hand: half a message misleads.
            _ => {}
        }
    }

    fn push(&mut self, entry: &Entry, by: Speaker, name: Option<String>, text: &str) {
        let text = text.to_owned();
        let (sequence, at) = (entry.reached, entry.at);
        self.messages.push(HistoryMessage { by, name, text, sequence, at });
    }

    fn finish(mut self) -> Vec<HistoryMessage> {
        // Nothing but attachments or suggestions, which a bot is not told of.
        self.messages.retain(|it| !it.text.is_empty());
        // A message in chunks stands where it was complete, as it would have stood in one piece.
        self.messages.sort_by_key(|it| it.sequence);
        self.messages
    }
}

fn name(shown: &str) -> Option<String> {
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// The newest messages within the limits, and whether older ones were left out.
fn newest(mut messages: Vec<HistoryMessage>, limits: HistoryLimits) -> (Vec<HistoryMessage>, bool) {
    let mut bytes = 0;
    let fitting = messages.iter().rev().take(limits.messages_max).take_while(|it| {
        bytes += it.text.len();
        bytes <= limits.bytes_max
    });
    let left_out = messages.len() - fitting.count();
    messages.drain(..left_out);
    (messages, left_out > 0)
}

#[cfg(test)]
mod tests;
