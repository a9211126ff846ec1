//! The bot that answers from a folder of topics (bots.md, `kind = "knowledge"`): no model, no
//! network, no key. It is pure: what it replies follows from the topics and from what it is asked.
//! Here it chooses the language; `section.rs` answers in it.

mod demo;
mod english;
mod language;
mod rank;
mod say;
mod section;
mod spanish;
mod topic;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use segue_core::Output;
use serde::{Deserialize, Serialize};

use self::language::Language;
use self::section::{Draft, Section};
use self::topic::Topic;
use crate::limits;

pub use self::demo::demo_topics;
pub use self::topic::{TopicError, files as topic_files};

/// Why the bot is asked (bots.md, `reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The conversation begins, and there is no configured greeting.
    Join,
    /// The user wrote.
    Message,
    /// A live agent handed back.
    Returned,
    /// Nobody took over. Such a turn never hands off.
    HandOffFailed,
}

/// What the bot is asked in one turn.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Every message of the user since the last turn, in order.
    pub inputs: &'a [&'a str],
    /// The bot's own state: what it gave as `Output::State` last in this session.
    pub state: Option<&'a str>,
    /// The session's language (BCP 47), as far as known.
    pub language: Option<&'a str>,
    /// Whether there is somebody to hand off to, and this turn may.
    pub may_hand_off: bool,
    /// Why the bot is asked.
    pub reason: Reason,
}

/// What the bot gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Text in pieces of a few words, then the rest; never empty.
    pub outputs: Vec<Output>,
}

/// A folder of topics, ready to answer from.
pub struct Knowledge {
    /// One for each language that there are topics in, in the order of preference; never empty.
    sections: Vec<Section>,
}

/// What the bot remembers of a session from turn to turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Turns in a row without an answer.
    misses: u32,
    /// Whether the last turn offered a person.
    offered: bool,
    /// The language that the bot itself has chosen last. Only that it may change again.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
}

impl Memory {
    /// After a turn that went well.
    fn afresh(self) -> Self {
        Self { misses: 0, offered: false, ..self }
    }
}

impl Knowledge {
    /// Reads every `*.md` of a folder, and of the folders directly in it.
    pub fn from_dir(folder: &Path) -> Result<Self, TopicError> {
        let texts = topic::read_dir(folder)?;
        let texts: Vec<_> = texts.iter().map(|(file, text)| (&**file, &**text)).collect();
        topic::parse_all(&folder.display().to_string(), &texts).map(Self::new)
    }

    /// Takes topics as pairs of a file's name and its text.
    pub fn from_texts(texts: &[(&str, &str)]) -> Result<Self, TopicError> {
        topic::parse_all("the given texts", texts).map(Self::new)
    }

    /// The topics of the demo's shop.
    pub fn demo() -> Self {
        Self::from_texts(demo_topics()).expect("a test reads the embedded topics")
    }

    fn new(topics: Vec<Topic>) -> Self {
        let mut by_language: BTreeMap<Language, Vec<Topic>> = BTreeMap::new();
        for topic in topics {
            by_language.entry(topic.language).or_default().push(topic);
        }
        let sections = by_language.into_iter().map(|(language, it)| Section::new(language, it));
        Self { sections: sections.collect() }
    }

    /// Languages that there are topics in, as BCP 47 tags, and how many in each.
    pub fn languages(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.sections.iter().map(|section| (section.language.code(), section.topics.len()))
    }

    /// Answers one turn. The same ask gets the same reply.
    pub fn reply(&self, ask: Ask<'_>) -> Reply {
        let may_hand_off = ask.may_hand_off && ask.reason != Reason::HandOffFailed;
        let ask = Ask { may_hand_off, ..ask };
        let before = ask.state.and_then(|state| serde_json::from_str(state).ok());
        let before: Memory = before.unwrap_or_default();
        let (section, changed) = self.choose(ask, before);
        let mut draft = Draft::default();
        let mut after = section.reply(ask, before, &mut draft);
        after.language = changed.or(after.language);
        Reply { outputs: draft.finish(changed, (after != before).then_some(after)) }
    }

    /// The section to answer from, and its language where the conversation goes over to it.
    ///
    /// What the client has set stays. Otherwise it is the language that knows more words of what
    /// the user wrote, or that alone has an answer to it where both know as many; and where that
    /// does not tell either, the one that the conversation is in, and at last the first.
    fn choose(&self, ask: Ask<'_>, before: Memory) -> (&Section, Option<Language>) {
        let set = ask.language.filter(|tag| !tag.trim().is_empty());
        let known = set.and_then(Language::of_tag);
        let current = self.sections.iter().find(|section| Some(section.language) == known);
        let default = current.unwrap_or(&self.sections[0]);
        let is_fixed = current.is_some() && known != before.language;
        if is_fixed || self.sections.len() == 1 {
            return (default, None);
        }
        let text = ask.inputs[ask.inputs.len().saturating_sub(limits::KNOWLEDGE_MESSAGES_MAX)..]
            .join("\n");
        let mut section = default;
        let mut words = default.index.known_words(&text);
        for other in &self.sections {
            let more = other.index.known_words(&text);
            let alone = || other.has_answer(&text) && !section.has_answer(&text);
            if more > words || more == words && alone() {
                (section, words) = (other, more);
            }
        }
        // A conversation in no known language is in the first one: that is no change. One in a
        // language without topics goes over only to what the user is seen to write.
        let is_change = match set {
            None => section.language != default.language,
            Some(_) => words > 0 && Some(section.language) != known,
        };
        (section, is_change.then_some(section.language))
    }
}
