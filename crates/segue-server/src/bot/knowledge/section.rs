//! The topics of one language, and how a turn is answered from them.

use segue_core::{Attachment, HandOff, Output, Suggestion};

use super::language::{Consent, Language};
use super::rank::{Index, Match};
use super::topic::{Action, Topic};
use super::{Ask, Memory, Reason};
use crate::limits;

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
/// Misses in a row after which a person is offered.
const MISSES_BEFORE_OFFER: u32 = 2;
/// A piece of text ends at the next space after this many bytes, about five words.
const PIECE_BYTES_MIN: usize = 28;

/// The topics of one language, ready to answer from.
pub struct Section {
    pub language: Language,
    pub topics: Vec<Topic>,
    pub index: Index,
    /// What to open with: the topics that most others point at, as places in `topics`.
    openings: Vec<usize>,
}

/// What the user wants, as far as can be told.
enum Wish {
    Person,
    NoPerson,
    Topics(Vec<usize>),
    Unclear { guesses: Vec<usize> },
}

impl Section {
    /// Makes a section of topics that are all in this language.
    pub fn new(language: Language, topics: Vec<Topic>) -> Self {
        let index = Index::new(language, &topics);
        let mut section = Self { language, topics, index, openings: Vec::new() };
        section.openings = section.find_openings();
        section
    }

    /// Answers one turn into the draft. Returns what is to be remembered.
    pub fn reply(&self, ask: Ask<'_>, before: Memory, draft: &mut Draft) -> Memory {
        let say = self.language.say();
        match ask.reason {
            Reason::Join if ask.inputs.is_empty() => {
                draft.say(say.welcome);
                self.offer(&self.openings, draft);
                before
            }
            Reason::Join | Reason::Message => self.answer(ask, before, draft),
            Reason::Returned => {
                self.go_on(ask, say.returned, say.returned_closing, draft);
                before.afresh()
            }
            Reason::HandOffFailed => {
                self.go_on(ask, say.nobody_came, say.nobody_came_closing, draft);
                before.afresh()
            }
        }
    }

    /// Whether the text has an answer here.
    pub fn has_answer(&self, text: &str) -> bool {
        self.answer_in(&self.index.rank(text)).is_some()
    }

    fn answer(&self, ask: Ask<'_>, before: Memory, draft: &mut Draft) -> Memory {
        match self.wish(ask, before) {
            Wish::Person => self.hand_off(ask, draft),
            Wish::NoPerson => {
                draft.say(self.language.say().no_person_then);
                self.offer(&self.openings, draft);
            }
            Wish::Topics(topics) => self.tell(ask, &topics, draft),
            Wish::Unclear { guesses } => return self.miss(ask, before, &guesses, draft),
        }
        before.afresh()
    }

    /// Says that there is no answer, and offers what is nearest to one.
    fn miss(&self, ask: Ask<'_>, before: Memory, guesses: &[usize], draft: &mut Draft) -> Memory {
        let say = self.language.say();
        let misses = before.misses.saturating_add(1);
        let offered = misses >= MISSES_BEFORE_OFFER && ask.may_hand_off;
        draft.say(match (misses >= MISSES_BEFORE_OFFER, guesses.is_empty()) {
            (true, _) if offered => say.miss_and_person,
            (true, false) => say.miss_again,
            (true, true) => say.miss_again_no_guess,
            (false, false) => say.miss,
            (false, true) => say.miss_no_guess,
        });
        if offered {
            let person = self.topics.iter().find(|topic| topic.hand_off().is_some());
            draft.suggest(person.map_or(say.person, |topic| &topic.name));
        }
        let guesses = if guesses.is_empty() { &self.openings } else { guesses };
        self.offer(guesses, draft);
        Memory { misses, offered, ..before }
    }

    /// Goes on after somebody else had the floor, or should have had it.
    fn go_on(&self, ask: Ask<'_>, opening: &str, closing: &str, draft: &mut Draft) {
        let wish = if ask.inputs.iter().all(|input| self.language.is_small_talk(input)) {
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
            draft.say(self.language.say().nobody_here);
            self.offer(&self.openings, draft);
            return;
        }
        let matches = self.index.rank(&ask.inputs.join("\n"));
        let ranked = matches.iter().map(|found| &self.topics[found.topic]);
        let topic = ranked.chain(&self.topics).find_map(|topic| Some((topic, topic.hand_off()?)));
        let (answer, hand_off) = match topic {
            Some((topic, hand_off)) => (topic.answer.as_str(), hand_off.clone()),
            None => (self.language.say().handing_off, HandOff::default()),
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
        let inputs = &ask.inputs[ask.inputs.len().saturating_sub(limits::KNOWLEDGE_MESSAGES_MAX)..];
        if inputs.iter().any(|input| asks_for_person(input)) {
            return Wish::Person;
        }
        if before.offered {
            match consent(&inputs.join("\n")) {
                Consent::Given => return Wish::Person,
                Consent::Refused => return Wish::NoPerson,
                Consent::Unclear => {}
            }
        }
        let allowed = |topic: usize| {
            let person = self.topics[topic].hand_off().is_some();
            !(person && inputs.iter().any(|input| wants_no_person(input)))
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
        questions.truncate(limits::KNOWLEDGE_MESSAGES_MAX);
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
        if self.language.is_small_talk(question) {
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
        topic.action.is_none() && !self.language.is_small_talk(&topic.name)
    }

    fn leads_to_person(&self, text: &str) -> bool {
        let topic = self.answer_in(&self.index.rank(text));
        asks_for_person(text) || topic.is_some_and(|topic| self.topics[topic].hand_off().is_some())
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
    parts.filter(|part| part.contains(char::is_alphanumeric)).collect()
}

// A person is asked for, and an offer taken, in whatever language the user falls into for it.

fn asks_for_person(text: &str) -> bool {
    Language::ALL.iter().any(|language| language.asks_for_person(text))
}

fn wants_no_person(text: &str) -> bool {
    Language::ALL.iter().any(|language| language.wants_no_person(text))
}

fn consent(text: &str) -> Consent {
    let consents = Language::ALL.iter().map(|language| language.consent(text));
    consents.into_iter().find(|it| *it != Consent::Unclear).unwrap_or(Consent::Unclear)
}

/// A reply in the making.
#[derive(Default)]
pub struct Draft {
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

    /// The outputs, in their order.
    pub fn finish(self, language: Option<Language>, memory: Option<Memory>) -> Vec<Output> {
        // Before the text, so that a page can be in that language when it shows it.
        let language = language.map(|language| Output::Language(language.code().to_owned()));
        let mut outputs: Vec<Output> = language.into_iter().collect();
        outputs.extend(pieces(&self.text).map(Output::Text));
        outputs.extend(self.attachments.into_iter().map(Output::Attachment));
        outputs.extend(
            self.suggestions
                .into_iter()
                .map(|message_text| Output::Suggestion(Suggestion { message_text, payload: None })),
        );
        outputs
            .extend(memory.map(|memory| {
                Output::State(serde_json::to_string(&memory).expect("plain fields"))
            }));
        outputs.extend(self.ending);
        outputs
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
