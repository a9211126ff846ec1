//! The bot that answers from a folder of topics (bots.md, `kind = "knowledge"`): no model, no
//! network, no key. It is pure: what it replies follows from the topics and from what it is asked.

mod demo;
mod english;
mod rank;
mod say;
mod topic;

#[cfg(test)]
mod tests;

use std::path::Path;

use segue_core::{Attachment, HandOff, Output, Suggestion};
use serde::{Deserialize, Serialize};

use self::english::Consent;
use self::rank::{Index, Match};
use self::topic::{Action, Topic};

pub use self::demo::demo_topics;
pub use self::topic::TopicError;

/// From here on a topic is taken for the answer. Lower, and it answers what has nothing to do with
/// its topics; higher, and it has no answer to what people ask in words of their own.
const ANSWER_CONFIDENCE_MIN: f64 = 0.32;
/// From here on a topic with an action is, since a handoff or an end cannot be taken back.
const ACTION_CONFIDENCE_MIN: f64 = 0.45;
/// From here on one message of several is taken for a question of its own.
const OWN_CONFIDENCE_MIN: f64 = 0.45;
/// And only if the next best topic is this much worse: "my boots" may belong to anything.
const OWN_MARGIN_MIN: f64 = 0.12;
/// From here on a topic is worth offering as a guess.
const GUESS_CONFIDENCE_MIN: f64 = 0.1;
/// Guesses and openings that are offered at a time.
const OFFERS_MAX: usize = 3;
/// Topics that one reply answers from.
const ANSWERS_MAX: usize = 3;
/// Of a burst of messages, the newest are looked at, and of many questions the first.
const MESSAGES_MAX: usize = 20;
/// Misses in a row after which a person is offered.
const MISSES_BEFORE_OFFER: u32 = 2;
/// A piece of text ends at the next space after this many bytes, about five words.
const PIECE_BYTES_MIN: usize = 28;

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
    topics: Vec<Topic>,
    index: Index,
    /// What to open with: the topics that most others point at, as places in `topics`.
    openings: Vec<usize>,
}

/// What the bot remembers of a session from turn to turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Turns in a row without an answer.
    misses: u32,
    /// Whether the last turn offered a person.
    offered: bool,
}

/// What the user wants, as far as can be told.
enum Wish {
    Person,
    NoPerson,
    Topics(Vec<usize>),
    Unclear { guesses: Vec<usize> },
}

impl Knowledge {
    /// Reads every `*.md` of a folder.
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
        let index = Index::new(&topics);
        let mut knowledge = Self { topics, index, openings: Vec::new() };
        knowledge.openings = knowledge.find_openings();
        knowledge
    }

    /// Answers one turn. The same ask gets the same reply.
    pub fn reply(&self, ask: Ask<'_>) -> Reply {
        let may_hand_off = ask.may_hand_off && ask.reason != Reason::HandOffFailed;
        let ask = Ask { may_hand_off, ..ask };
        let before = ask.state.and_then(|state| serde_json::from_str(state).ok());
        let before: Memory = before.unwrap_or_default();
        let mut draft = Draft::default();
        let after = match ask.reason {
            Reason::Join if ask.inputs.is_empty() => {
                draft.say(say::WELCOME);
                self.offer(&self.openings, &mut draft);
                before
            }
            Reason::Join | Reason::Message => self.answer(ask, before, &mut draft),
            Reason::Returned => {
                self.go_on(ask, say::RETURNED, say::RETURNED_CLOSING, &mut draft);
                Memory::default()
            }
            Reason::HandOffFailed => {
                self.go_on(ask, say::NOBODY_CAME, say::NOBODY_CAME_CLOSING, &mut draft);
                Memory::default()
            }
        };
        draft.finish((after != before).then_some(after))
    }

    fn answer(&self, ask: Ask<'_>, before: Memory, draft: &mut Draft) -> Memory {
        match self.wish(ask, before) {
            Wish::Person => self.hand_off(ask, draft),
            Wish::NoPerson => {
                draft.say(say::NO_PERSON_THEN);
                self.offer(&self.openings, draft);
            }
            Wish::Topics(topics) => self.tell(ask, &topics, draft),
            Wish::Unclear { guesses } => return self.miss(ask, before, &guesses, draft),
        }
        Memory::default()
    }

    /// Says that there is no answer, and offers what is nearest to one.
    fn miss(&self, ask: Ask<'_>, before: Memory, guesses: &[usize], draft: &mut Draft) -> Memory {
        let misses = before.misses.saturating_add(1);
        let offered = misses >= MISSES_BEFORE_OFFER && ask.may_hand_off;
        draft.say(match (misses >= MISSES_BEFORE_OFFER, guesses.is_empty()) {
            (true, _) if offered => say::MISS_AND_PERSON,
            (true, false) => say::MISS_AGAIN,
            (true, true) => say::MISS_AGAIN_NO_GUESS,
            (false, false) => say::MISS,
            (false, true) => say::MISS_NO_GUESS,
        });
        if offered {
            let person = self.topics.iter().find(|topic| topic.hand_off().is_some());
            draft.suggest(person.map_or(say::PERSON, |topic| &topic.name));
        }
        let guesses = if guesses.is_empty() { &self.openings } else { guesses };
        self.offer(guesses, draft);
        Memory { misses, offered }
    }

    /// Goes on after somebody else had the floor, or should have had it.
    fn go_on(&self, ask: Ask<'_>, opening: &str, closing: &str, draft: &mut Draft) {
        let wish = if ask.inputs.iter().all(|input| english::is_small_talk(input)) {
            Wish::Unclear { guesses: Vec::new() }
        } else {
            self.wish(ask, Memory::default())
        };
        match wish {
            Wish::Topics(topics) => {
                draft.say(opening);
                self.tell(ask, &topics, draft);
            }
            Wish::Person if ask.may_hand_off => self.hand_off(ask, draft),
            Wish::Person | Wish::NoPerson | Wish::Unclear { .. } => {
                draft.say(&format!("{opening} {closing}"));
                self.offer(&self.openings, draft);
            }
        }
    }

    /// Gives the answers of these topics, and does what they ask for.
    fn tell(&self, ask: Ask<'_>, topics: &[usize], draft: &mut Draft) {
        let topics: Vec<&Topic> = topics.iter().map(|at| &self.topics[*at]).collect();
        for topic in topics.iter().filter(|topic| topic.hand_off().is_none()) {
            draft.say(&topic.answer);
            draft.attach(&topic.attachments);
            for suggestion in &topic.suggestions {
                if ask.may_hand_off || !self.leads_to_person(suggestion) {
                    draft.suggest(suggestion);
                }
            }
        }
        if topics.iter().any(|topic| topic.hand_off().is_some()) {
            self.hand_off(ask, draft);
        } else if let [Topic { action: Some(Action::End), .. }] = *topics {
            draft.ending = Some(Output::End);
        }
    }

    /// Gives the user to a person, or says that there is none.
    fn hand_off(&self, ask: Ask<'_>, draft: &mut Draft) {
        if !ask.may_hand_off {
            draft.say(say::NOBODY_HERE);
            self.offer(&self.openings, draft);
            return;
        }
        let matches = self.index.rank(&ask.inputs.join("\n"));
        let ranked = matches.iter().map(|found| &self.topics[found.topic]);
        let topic = ranked.chain(&self.topics).find_map(|topic| Some((topic, topic.hand_off()?)));
        let (answer, hand_off) = match topic {
            Some((topic, hand_off)) => (topic.answer.as_str(), hand_off.clone()),
            None => (say::HANDING_OFF, HandOff::default()),
        };
        draft.say(answer);
        draft.ending = Some(Output::HandOff(hand_off));
    }

    fn offer(&self, topics: &[usize], draft: &mut Draft) {
        for topic in topics {
            draft.suggest(&self.topics[*topic].name);
        }
    }

    /// What a turn's messages want, read together.
    fn wish(&self, ask: Ask<'_>, before: Memory) -> Wish {
        let inputs = &ask.inputs[ask.inputs.len().saturating_sub(MESSAGES_MAX)..];
        if inputs.iter().any(|input| english::asks_for_person(input)) {
            return Wish::Person;
        }
        if before.offered {
            match english::consent(&inputs.join("\n")) {
                Consent::Given => return Wish::Person,
                Consent::Refused => return Wish::NoPerson,
                Consent::Unclear => {}
            }
        }
        let allowed = |topic: usize| {
            let person = self.topics[topic].hand_off().is_some();
            !(person && inputs.iter().any(|input| english::wants_no_person(input)))
        };
        let mut together = self.index.rank(&inputs.join("\n"));
        together.retain(|found| allowed(found.topic));
        let mut topics = self.own_topics(inputs);
        topics.retain(|topic| allowed(*topic));
        if topics.is_empty() {
            topics.extend(self.answer_in(&together));
        }
        if topics.is_empty() {
            let near = together.iter().filter(|found| found.confidence >= GUESS_CONFIDENCE_MIN);
            let near = near.map(|found| found.topic);
            let offered = near.filter(|topic| {
                let person = ask.may_hand_off && self.topics[*topic].hand_off().is_some();
                person || self.is_offered(*topic)
            });
            return Wish::Unclear { guesses: offered.take(OFFERS_MAX).collect() };
        }
        Wish::Topics(topics)
    }

    /// The topics of messages that are questions of their own, where there are several messages.
    fn own_topics(&self, inputs: &[&str]) -> Vec<usize> {
        let mut questions: Vec<&str> = inputs.iter().flat_map(|input| questions(input)).collect();
        questions.truncate(MESSAGES_MAX);
        let mut topics = Vec::new();
        if let [_, _, ..] = questions.as_slice() {
            for question in questions {
                let own = self.own_topic(question);
                topics.extend(own.filter(|topic| !topics.contains(topic)));
            }
            topics.truncate(ANSWERS_MAX);
        }
        topics
    }

    /// The topic of one message among several, where it is a question of its own.
    fn own_topic(&self, question: &str) -> Option<usize> {
        if english::is_small_talk(question) {
            return None;
        }
        let matches = self.index.rank(question);
        let best = matches.first()?;
        let second = matches.get(1).map_or(0.0, |second| second.confidence);
        let sure =
            best.confidence >= OWN_CONFIDENCE_MIN && best.confidence - second >= OWN_MARGIN_MIN;
        sure.then_some(best.topic)
    }

    /// The best of these, where it is good enough for an answer.
    fn answer_in(&self, matches: &[Match]) -> Option<usize> {
        let best = matches.first()?;
        let confidence_min = match self.topics[best.topic].action {
            Some(_) => ACTION_CONFIDENCE_MIN,
            None => ANSWER_CONFIDENCE_MIN,
        };
        (best.confidence >= confidence_min).then_some(best.topic)
    }

    /// Whether a topic may be offered unasked: one does not offer to greet, to end, or a person.
    fn is_offered(&self, topic: usize) -> bool {
        let topic = &self.topics[topic];
        topic.action.is_none() && !english::is_small_talk(&topic.name)
    }

    fn leads_to_person(&self, text: &str) -> bool {
        let topic = self.answer_in(&self.index.rank(text));
        english::asks_for_person(text)
            || topic.is_some_and(|topic| self.topics[topic].hand_off().is_some())
    }

    fn find_openings(&self) -> Vec<usize> {
        let mut pointed_at = vec![0_u32; self.topics.len()];
        for suggestion in self.topics.iter().flat_map(|topic| &topic.suggestions) {
            if let Some(best) = self.index.rank(suggestion).first() {
                pointed_at[best.topic] += 1;
            }
        }
        let mut topics: Vec<usize> =
            (0..self.topics.len()).filter(|topic| self.is_offered(*topic)).collect();
        topics.sort_by_key(|topic| std::cmp::Reverse(pointed_at[*topic]));
        topics.truncate(OFFERS_MAX);
        topics
    }
}

/// A message that asks several questions, cut after each; any other as it is.
fn questions(message: &str) -> Vec<&str> {
    if message.matches('?').count() < 2 {
        return vec![message];
    }
    let parts = message.split_inclusive('?');
    parts.filter(|part| english::words(part).next().is_some()).collect()
}

/// A reply in the making.
#[derive(Default)]
struct Draft {
    text: String,
    attachments: Vec<Attachment>,
    suggestions: Vec<String>,
    ending: Option<Output>,
}

impl Draft {
    /// Adds a paragraph.
    fn say(&mut self, paragraph: &str) {
        if !self.text.is_empty() && !paragraph.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(paragraph);
    }

    fn attach(&mut self, attachments: &[Attachment]) {
        for attachment in attachments {
            if !self.attachments.contains(attachment) {
                self.attachments.push(attachment.clone());
            }
        }
    }

    fn suggest(&mut self, text: &str) {
        if !self.suggestions.iter().any(|known| known == text) {
            self.suggestions.push(text.to_owned());
        }
    }

    fn finish(self, memory: Option<Memory>) -> Reply {
        let mut outputs: Vec<Output> = pieces(&self.text).map(Output::Text).collect();
        outputs.extend(self.attachments.into_iter().map(Output::Attachment));
        outputs.extend(
            self.suggestions
                .into_iter()
                .map(|message_text| Output::Suggestion(Suggestion { message_text, payload: None })),
        );
        outputs.extend(memory.map(|memory| {
            Output::State(serde_json::to_string(&memory).expect("two plain fields"))
        }));
        outputs.extend(self.ending);
        Reply { outputs }
    }
}

/// Cuts a text into pieces of about five words, or up to the end of a line.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut pieces = vec![String::new()];
    for word in text.split_inclusive(char::is_whitespace) {
        let piece = pieces.last_mut().expect("there is a first one");
        let is_full = piece.len() >= PIECE_BYTES_MIN || piece.ends_with('\n');
        // White space stays with what is before it, as the chunks of the wire have it.
        if is_full && !word.trim().is_empty() {
            pieces.push(word.to_owned());
        } else {
            piece.push_str(word);
        }
    }
    pieces.into_iter().filter(|piece| !piece.is_empty())
}
