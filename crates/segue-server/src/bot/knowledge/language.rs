//! The languages that the bot speaks, and what it can tell of a text in each without any topic: how
//! it is cut into words, which of them say little, whether a person is wished for. A language is
//! one `Lexicon`, such as `english.rs` has, and its own words in `say.rs`.

use std::collections::BTreeSet;

use rust_stemmers::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};

use super::say::{self, Say};
use super::{english, spanish};
use crate::limits;

/// How far before a wish what denies it may stand, in words.
const NEGATION_REACH_WORDS: usize = 4;

/// A language that topics can be in. The order is that of preference where nothing else tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Spanish.
    #[serde(rename = "es")]
    Spanish,
}

/// What is known of a language. Words are as `Lexicon::normal` leaves them.
pub struct Lexicon {
    /// Finds what a word shares with its inflections.
    pub algorithm: Algorithm,
    /// Makes one of all spellings of a word, before and after which it is the same word.
    pub normal: fn(&str) -> String,
    /// Gives back what the stemmer needs and `normal` took.
    pub before_stemming: fn(&str) -> String,
    /// Letters and signs that are a sign of this language among those that are known.
    pub marks: &'static [char],
    /// Words that appear in any question, and so say little about which one it is.
    pub common: BTreeSet<&'static str>,
    /// Words of politeness. Alone they are the message; beside anything else they are wrapping.
    pub pleasantries: BTreeSet<&'static str>,
    /// People whom one asks for when one wants to be rid of a program.
    pub people: BTreeSet<&'static str>,
    /// Words that may stand between a wish and the person wished for.
    pub fillers: BTreeSet<&'static str>,
    /// Whether a wish for a person begins with the first of these words.
    pub wishes_at: fn(&[&str]) -> bool,
    /// Whether these words, shortly before a wish, deny it.
    pub denies: fn(&[&str]) -> bool,
    /// Whether a clause asks who is speaking: "are you a human".
    pub is_about_speaker: fn(&[&str]) -> bool,
    /// A word that cuts a sentence like a comma: what comes behind it is meant.
    pub but: &'static str,
    /// Words that take an offer.
    pub yes: &'static [&'static str],
    /// Words that refuse one.
    pub no: &'static [&'static str],
    /// Words that may stand beside either.
    pub beside_consent: &'static [&'static str],
    /// The polite word that takes an offer by itself.
    pub please: &'static [&'static str],
}

/// A set of words, from a text of them.
pub fn set(words: &'static str) -> BTreeSet<&'static str> {
    words.split_whitespace().collect()
}

/// How a text takes an offer that was made the message before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// "Yes, please."
    Given,
    /// "No, thank you."
    Refused,
    /// Something else.
    Unclear,
}

impl Language {
    /// All of them, in the order of preference.
    pub const ALL: &'static [Self] = &[Self::English, Self::Spanish];

    /// The language of a BCP 47 tag, by its first part: `es-MX` is Spanish.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let main = tag.trim().split(['-', '_']).next()?;
        Self::ALL.iter().copied().find(|language| language.code().eq_ignore_ascii_case(main))
    }

    /// The BCP 47 tag.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// What the bot says of its own accord.
    pub fn say(self) -> &'static Say {
        match self {
            Self::English => &say::ENGLISH,
            Self::Spanish => &say::SPANISH,
        }
    }

    fn lexicon(self) -> &'static Lexicon {
        match self {
            Self::English => &english::LEXICON,
            Self::Spanish => &spanish::LEXICON,
        }
    }

    /// The words of a text: lower case, without punctuation, each spelling as one.
    pub fn words(self, text: &str) -> impl Iterator<Item = String> {
        let normal = self.lexicon().normal;
        text.split(|c: char| !c.is_alphanumeric() && !is_apostrophe(c) && !is_accent(c))
            .map(move |word| {
                let cut = word
                    .char_indices()
                    .nth(limits::KNOWLEDGE_WORD_LETTERS_MAX)
                    .map_or(word.len(), |it| it.0);
                normal(word[..cut].trim_matches(is_apostrophe))
            })
            .filter(|word| !word.is_empty())
    }

    /// The part that a word shares with its inflections.
    pub fn stem(self, word: &str) -> String {
        let lexicon = self.lexicon();
        let stem =
            Stemmer::create(lexicon.algorithm).stem(&(lexicon.before_stemming)(word)).into_owned();
        (lexicon.normal)(&stem)
    }

    /// Whether a word says little about what is asked.
    pub fn is_common(self, word: &str) -> bool {
        self.lexicon().common.contains(word)
    }

    /// Whether a word is there for politeness.
    pub fn is_pleasantry(self, word: &str) -> bool {
        self.lexicon().pleasantries.contains(word)
    }

    /// Whether a word is one of this language whatever the topics are.
    pub fn is_own(self, word: &str) -> bool {
        let lexicon = self.lexicon();
        [&lexicon.common, &lexicon.pleasantries, &lexicon.people, &lexicon.fillers]
            .iter()
            .any(|list| list.contains(word))
    }

    /// Whether a text has letters or signs of this language.
    pub fn has_marks(self, text: &str) -> bool {
        text.contains(self.lexicon().marks)
    }

    /// Whether a text is politeness and nothing else: "hi there", "thanks a lot".
    pub fn is_small_talk(self, text: &str) -> bool {
        let words: Vec<String> = self.words(text).collect();
        words.iter().any(|word| self.is_pleasantry(word))
            && words.iter().all(|word| self.is_pleasantry(word) || self.is_common(word))
    }

    /// Whether a text asks for a person in plain words, anywhere in it.
    pub fn asks_for_person(self, text: &str) -> bool {
        let lexicon = self.lexicon();
        self.any_clause(text, |clause| {
            !(lexicon.is_about_speaker)(clause)
                && (lexicon.is_person_only(clause)
                    || (0..clause.len()).any(|at| {
                        (lexicon.wishes_at)(&clause[at..]) && !lexicon.is_denied(clause, at)
                    }))
        })
    }

    /// Whether a text speaks of a person and wants none: "am I talking to a human", "I do not want
    /// to speak to anybody". Such a text has many words in common with a wish for one.
    pub fn wants_no_person(self, text: &str) -> bool {
        let lexicon = self.lexicon();
        self.any_clause(text, |clause| {
            let speaks_of_one = clause.iter().any(|word| lexicon.people.contains(word));
            speaks_of_one && (lexicon.is_about_speaker)(clause)
                || (0..clause.len())
                    .any(|at| (lexicon.wishes_at)(&clause[at..]) && lexicon.is_denied(clause, at))
        })
    }

    fn any_clause(self, text: &str, holds: impl Fn(&[&str]) -> bool) -> bool {
        text.split(['.', ',', ';', ':', '!', '?', '¡', '¿', '\n']).any(|sentence| {
            let words: Vec<String> = self.words(sentence).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.split(|word| *word == self.lexicon().but).any(&holds)
        })
    }

    /// How a text takes an offer.
    pub fn consent(self, text: &str) -> Consent {
        let lexicon = self.lexicon();
        let words: Vec<String> = self.words(text).collect();
        let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let rest = |list: &[&str]| {
            let beside = lexicon.beside_consent;
            words.iter().all(|w| list.contains(&w.as_str()) || beside.contains(&w.as_str()))
        };
        if words.is_empty() {
            Consent::Unclear
        } else if any(lexicon.no) && rest(lexicon.no) {
            Consent::Refused
        } else if rest(lexicon.yes) && (any(lexicon.yes) || any(lexicon.please)) {
            Consent::Given
        } else {
            Consent::Unclear
        }
    }
}

impl Lexicon {
    /// Whether what a clause says from a place on is denied shortly before.
    fn is_denied(&self, clause: &[&str], at: usize) -> bool {
        (self.denies)(&clause[at.saturating_sub(NEGATION_REACH_WORDS)..at])
    }

    /// "Agent", "a real person please": nothing but the one wished for.
    fn is_person_only(&self, clause: &[&str]) -> bool {
        clause.iter().any(|word| self.people.contains(word))
            && clause.iter().all(|word| self.people.contains(word) || self.fillers.contains(word))
    }
}

/// Whether a letter is an apostrophe, straight or curly.
pub fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// An accent that follows its letter as a character of its own, as some keyboards write it.
pub fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}
