//! From events to what a person reads. Knows who speaks and what may be picked; knows nothing of
//! sockets, and nothing of how a terminal looks.

use super::frame::{Attachment, CallAction, Extras, Message, Typing, Wait, What};
use crate::limits;

const BOT_NAME: &str = "Bot";
const LIVE_AGENT_NAME: &str = "Live agent";

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A whole message.
    Said {
        /// Whose.
        by: String,
        /// The words, as Markdown.
        text: String,
    },
    /// The next piece of the message that is growing.
    Piece {
        /// Whose.
        by: String,
        /// The words.
        text: String,
    },
    /// The growing message is complete.
    PieceEnd,
    /// A message of the person here.
    Own(String),
    /// Something that belongs to the message above it.
    Extra(String),
    /// What happened around the conversation.
    Note(String),
    /// Somebody is at work on an answer; passes by.
    Busy {
        /// Who.
        by: String,
    },
    /// Nobody is any more.
    Idle,
}

/// Who speaks, what is growing and what may be picked.
#[derive(Debug)]
pub struct Transcript {
    bot: String,
    live_agent: String,
    /// The id of the message whose pieces are coming in.
    growing: Option<String>,
    suggestions: Vec<String>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            bot: BOT_NAME.to_owned(),
            live_agent: LIVE_AGENT_NAME.to_owned(),
            growing: None,
            suggestions: Vec::new(),
        }
    }
}

impl Transcript {
    /// The text of the suggestion that this number means; nothing where none is offered under it.
    pub fn pick(&self, line: &str) -> Option<&str> {
        let number: usize = line.trim().parse().ok()?;
        self.suggestions.get(number.checked_sub(1)?).map(String::as_str)
    }

    /// Suggestions are replies to the last message, so saying anything takes them away.
    pub fn withdraw_suggestions(&mut self) {
        self.suggestions.clear();
    }

    /// What is to be shown of an event.
    pub fn take(&mut self, what: What) -> Vec<Item> {
        let mut items = Vec::new();
        match what {
            What::BotMessage(message) => self.take_message(Speaker::Bot, message, &mut items),
            What::LiveAgentMessage(message) => {
                self.take_message(Speaker::LiveAgent, message, &mut items);
            }
            What::BotChunk(chunk) => {
                if self.growing.as_ref().is_some_and(|it| *it != chunk.message_id) {
                    items.push(Item::PieceEnd);
                }
                items.push(Item::Piece { by: self.bot.clone(), text: chunk.text });
                self.growing = Some(chunk.message_id);
                if chunk.is_complete {
                    self.growing = None;
                    items.push(Item::PieceEnd);
                    self.offer(chunk.extras, &mut items);
                }
            }
            What::UserMessage(message) => items.push(Item::Own(message.text)),
            What::BotThinking => items.push(Item::Busy { by: self.bot.clone() }),
            What::LiveAgentTyping(typing) => items.push(self.typing(typing)),
            What::BotJoined(joined) => {
                if let Some(name) = named(joined.agent_name) {
                    self.bot = name;
                }
                items.push(Item::Note(format!("{} joined", self.bot)));
            }
            What::LiveAgentJoined(joined) => {
                if let Some(name) = named(joined.agent_name) {
                    self.live_agent = name;
                }
                items.push(Item::Note(format!("{} joined", self.live_agent)));
            }
            What::BotLeft(left) => {
                items.push(Item::Idle);
                items.push(Item::Note(with_reason(&format!("{} left", self.bot), left.reason)));
            }
            other => items.extend(self.note(other).map(Item::Note)),
        }
        items
    }

    /// The events that are told in one sentence.
    fn note(&self, what: What) -> Option<String> {
        Some(match what {
            What::HandoffTriggered => format!("{} hands the conversation over", self.bot),
            What::HandoffAccepted(queue) => match queue.queue_name {
                Some(queue) => format!("waiting for somebody of {queue}"),
                None => "waiting for somebody".to_owned(),
            },
            What::HandoffQueueStatus(queue) => waiting(queue),
            What::ClientHandoffRequired(to) => {
                let place = to.route.or(to.queue_name);
                let place = place.map_or("elsewhere".to_owned(), |it| format!("at {it}"));
                with_reason(&format!("this goes on {place}"), to.reason)
            }
            What::HandoffFailed(failed) => with_reason("nobody could take over", failed.reason),
            What::HandoffTimedOut(timed_out) => {
                with_reason("nobody was free in time", timed_out.reason)
            }
            What::LiveAgentLeft(left) => {
                format!("{} left", named(left.agent_name).unwrap_or(self.live_agent.clone()))
            }
            What::LanguageChanged(language) => {
                format!("the language is now {}", language.language_code)
            }
            What::System(system) => system.message,
            What::SessionEnd(end) => match end.reason.as_deref() {
                Some("REASON_USER_END") => "you ended the conversation".to_owned(),
                Some("REASON_USER_ABANDONED") => {
                    "the conversation has ended: nothing was heard for too long".to_owned()
                }
                Some("REASON_NATURAL_END") | None => "the conversation has ended".to_owned(),
                Some(other) => format!("the conversation has ended ({other})"),
            },
            _ => return None,
        })
    }

    fn take_message(&mut self, speaker: Speaker, message: Message, items: &mut Vec<Item>) {
        let extras = &message.extras;
        let is_empty = message.text.is_empty()
            && extras.attachments.is_empty()
            && extras.response_suggestions.is_empty()
            && extras.chat_call_actions.is_empty();
        if is_empty {
            // Such a message only keeps some clients awake.
            return;
        }
        if self.growing.take().is_some() {
            items.push(Item::PieceEnd);
        }
        items.push(Item::Idle);
        if !message.text.is_empty() {
            let name = match speaker {
                Speaker::Bot => &self.bot,
                Speaker::LiveAgent => &self.live_agent,
            };
            let by = named(message.agent_name).unwrap_or_else(|| name.clone());
            items.push(Item::Said { by, text: message.text });
        }
        self.offer(message.extras, items);
    }

    fn offer(&mut self, extras: Extras, items: &mut Vec<Item>) {
        items.extend(extras.attachments.iter().map(|it| Item::Extra(attachment(it))));
        items.extend(extras.chat_call_actions.iter().map(|it| Item::Extra(call_action(it))));
        let suggestions = extras.response_suggestions.into_iter().map(|it| it.message_text);
        self.suggestions = suggestions.take(limits::CHAT_SUGGESTIONS_MAX).collect();
        let numbered = self.suggestions.iter().enumerate();
        items.extend(numbered.map(|(at, text)| Item::Extra(format!("[{}] {text}", at + 1))));
    }

    fn typing(&self, typing: Typing) -> Item {
        match typing.state.as_deref() {
            Some("TYPING_STATE_STOPPED") => Item::Idle,
            _ => Item::Busy { by: named(typing.agent_name).unwrap_or(self.live_agent.clone()) },
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Speaker {
    Bot,
    LiveAgent,
}

fn named(name: Option<String>) -> Option<String> {
    name.filter(|it| !it.trim().is_empty())
}

fn with_reason(sentence: &str, reason: Option<String>) -> String {
    match named(reason) {
        Some(reason) => format!("{sentence} ({reason})"),
        None => sentence.to_owned(),
    }
}

fn waiting(wait: Wait) -> String {
    if let Some(message) = named(wait.display_message) {
        return message;
    }
    let queue = named(wait.queue_name).map(|it| format!("waiting for {it}"));
    let mut known = vec![queue.unwrap_or_else(|| "waiting".to_owned())];
    known.extend(wait.position_in_queue.map(|it| format!("number {it} in the queue")));
    let minutes = wait.estimated_wait_seconds.map(|it| it.div_ceil(60));
    known.extend(minutes.map(|it| format!("about {it} min")));
    known.join(", ")
}

fn attachment(attachment: &Attachment) -> String {
    let url = attachment.content_url.as_deref().unwrap_or_default();
    let kind = match attachment.content_type.as_deref() {
        Some("ATTACHMENT_CONTENT_TYPE_IMAGE") => "image",
        _ => "link",
    };
    match attachment.title.as_deref().or(attachment.call_to_action_text.as_deref()) {
        Some(title) => format!("{kind}: {title} {url}"),
        None => format!("{kind}: {url}"),
    }
}

fn call_action(action: &CallAction) -> String {
    let number = action.contact_number.as_deref().unwrap_or_default();
    match action.title.as_deref() {
        Some(title) => format!("call: {title} {number}"),
        None => format!("call: {number}"),
    }
}

#[cfg(test)]
mod tests;
