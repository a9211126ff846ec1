//! What the knowledge bot knows of English: how words are cut and stemmed, which of them say
//! little, and what plain wishes look like. Another language is another module like this one.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

type Words = LazyLock<BTreeSet<&'static str>>;

fn set(words: &'static str) -> BTreeSet<&'static str> {
    words.split_whitespace().collect()
}

/// Words that appear in any question, and so say little about which one it is.
static COMMON_WORDS: Words = LazyLock::new(|| {
    set("a able about actually after again all already also always am an and another any anything \
         anyway are arent around as at be because been before being bit both but by can cannot \
         cant could couldnt currently did didnt do does doesnt doing dont each either else enough \
         ever every everything few for from get give go going got guys had hadnt happen happened \
         happening happens has hasnt have havent having he her here him his hope how hows i id if \
         ill im in into is isnt it its ive just keep kind know let like look looking made make \
         makes many may maybe me mean means might mine more much must my need never no not \
         nothing now of off often on one only or other our out over own per perhaps possible \
         possibly probably put quite rather really s same say says seem seems shall she should \
         since so some something sort still such sure t take tell than that thats the their them \
         then there theres these they theyre thing things think this those though thought through \
         to together told too try trying until up us use using usually very via want was wasnt \
         way ways we well went were werent weve what whats when where wheres whether which while \
         who whos whose why will with without wonder wondering wont would wouldnt yet you your \
         youre yours youve")
});

/// Words of politeness. Alone they are the message; beside anything else they are wrapping.
static PLEASANTRIES: Words = LazyLock::new(|| {
    set("afternoon bye cheers day evening good goodbye great hello hey hi kindly lovely morning \
         nice ok okay please sorry ta thank thanks thx welcome yes")
});

/// People whom one asks for when one wants to be rid of a program.
static PEOPLE: Words = LazyLock::new(|| {
    set("adviser advisor agent agents human humans operator people person rep representative")
});

/// Those who count only after a verb of talking: "somebody" alone asks for nothing.
static SOMEBODY: Words = LazyLock::new(|| {
    set("anybody anyone assistant colleague department employee expert manager member service \
         somebody someone specialist staff supervisor support team")
});

/// Words that may stand between a wish and the person wished for.
static FILLERS: Words = LazyLock::new(|| {
    set("a actual an another any can customer i just live me now please proper real some the to \
         us with")
});

/// How far after the verb of talking the person may stand, in words.
const TALK_REACH_WORDS: usize = 6;
/// How far before a wish what denies it may stand, in words.
const NEGATION_REACH_WORDS: usize = 4;

/// Longer than any word: what is, is looked at no further than this.
const WORD_LETTERS_MAX: usize = 40;

/// The words of a text: lower case, without punctuation. An apostrophe joins ("don't" is "dont"),
/// save before a possessive s, which is dropped.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let is_apostrophe = |c: char| matches!(c, '\'' | '\u{2019}');
    text.split(move |c: char| !c.is_alphanumeric() && !is_apostrophe(c))
        .map(move |word| {
            let word = word.trim_matches(is_apostrophe);
            let possessed = word.strip_suffix("'s").or_else(|| word.strip_suffix("\u{2019}s"));
            let letters = possessed.unwrap_or(word).chars().filter(|c| !is_apostrophe(*c));
            letters.take(WORD_LETTERS_MAX).flat_map(char::to_lowercase).collect()
        })
        .filter(|word: &String| !word.is_empty())
}

/// The part that a word shares with its inflections.
pub fn stem(word: &str) -> String {
    Stemmer::create(Algorithm::English).stem(word).into_owned()
}

/// Whether a word says little about what is asked.
pub fn is_common(word: &str) -> bool {
    COMMON_WORDS.contains(&word)
}

/// Whether a word is there for politeness.
pub fn is_pleasantry(word: &str) -> bool {
    PLEASANTRIES.contains(&word)
}

/// Whether a text is politeness and nothing else: "hi there", "thanks a lot".
pub fn is_small_talk(text: &str) -> bool {
    let words: Vec<String> = words(text).collect();
    words.iter().any(|word| is_pleasantry(word))
        && words.iter().all(|word| is_pleasantry(word) || is_common(word) || word == "lot")
}

/// Whether a text asks for a person in plain words, anywhere in it.
pub fn asks_for_person(text: &str) -> bool {
    any_clause(text, |clause| !is_about_speaker(clause) && wishes_for_person(clause))
}

/// Whether a text speaks of a person and wants none: "am I talking to a human", "I do not want to
/// speak to anybody". Such a text has many words in common with a wish for one.
pub fn wants_no_person(text: &str) -> bool {
    any_clause(text, |clause| {
        let speaks_of_one = clause.iter().any(|word| PEOPLE.contains(word));
        speaks_of_one && is_about_speaker(clause)
            || (0..clause.len()).any(|at| wishes_at(&clause[at..]) && is_negated(clause, at))
    })
}

fn any_clause(text: &str, holds: impl Fn(&[&str]) -> bool) -> bool {
    text.split(['.', ',', ';', ':', '!', '?', '\n']).any(|clause| {
        let words: Vec<String> = words(clause).collect();
        holds(&words.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

fn is_about_speaker(clause: &[&str]) -> bool {
    match clause {
        ["am", "i", verb, ..] => matches!(*verb, "talking" | "speaking" | "chatting" | "texting"),
        // "Are you able to connect me" and "is it possible" go on otherwise.
        ["are", "you", next, ..] | ["is", "this" | "it" | "that", next, ..] => {
            PEOPLE.contains(next)
                || matches!(*next, "a" | "an" | "the" | "actually" | "just" | "real" | "really")
        }
        _ => false,
    }
}

fn wishes_for_person(clause: &[&str]) -> bool {
    if is_person_only(clause) {
        return true;
    }
    (0..clause.len()).any(|at| wishes_at(&clause[at..]) && !is_negated(clause, at))
}

/// Whether what a clause says from a place on is denied shortly before.
fn is_negated(clause: &[&str], at: usize) -> bool {
    clause[at.saturating_sub(NEGATION_REACH_WORDS)..at]
        .iter()
        .any(|word| matches!(*word, "not" | "dont" | "never" | "without" | "didnt" | "wont"))
}

/// Whether a wish for a person begins with the first of these words.
fn wishes_at(words: &[&str]) -> bool {
    let Some((verb, rest)) = words.split_first() else {
        return false;
    };
    match *verb {
        "speak" | "talk" | "chat" => {
            let reach = &rest[..rest.len().min(TALK_REACH_WORDS)];
            let to = reach.iter().position(|word| matches!(*word, "to" | "with"));
            to.is_some_and(|to| {
                reach[to..].iter().any(|word| PEOPLE.contains(word) || SOMEBODY.contains(word))
            })
        }
        "transfer" | "connect" => matches!(rest, ["me" | "us", ..]),
        "escalate" => matches!(rest, ["me" | "us" | "this" | "it", ..]),
        // Not "put me on the list".
        "put" => matches!(rest, ["me" | "us", "through", ..]),
        "pass" | "hand" => matches!(rest, ["me" | "us", "on" | "over" | "to", ..]),
        "want" | "need" | "get" | "give" | "prefer" | "like" | "rather" => {
            let person = rest.iter().find(|word| !FILLERS.contains(*word));
            person.is_some_and(|word| PEOPLE.contains(word))
        }
        _ => false,
    }
}

/// "Agent", "a real person please": nothing but the one wished for.
fn is_person_only(clause: &[&str]) -> bool {
    clause.iter().any(|word| PEOPLE.contains(word))
        && clause.iter().all(|word| PEOPLE.contains(word) || FILLERS.contains(word))
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

/// How a text takes an offer.
pub fn consent(text: &str) -> Consent {
    const YES: &[&str] = &["absolutely", "definitely", "ok", "okay", "sure", "yeah", "yep", "yes"];
    const NO: &[&str] = &["nah", "no", "nope", "not"];
    const WRAPPING: &[&str] = &[
        "do", "go", "ahead", "i", "it", "lets", "now", "please", "thank", "thanks", "that",
        "would", "you",
    ];
    let words: Vec<String> = words(text).collect();
    let rest = |list: &[&str]| {
        words.iter().all(|w| list.contains(&w.as_str()) || WRAPPING.contains(&w.as_str()))
    };
    let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if words.is_empty() {
        Consent::Unclear
    } else if any(NO) && rest(NO) {
        Consent::Refused
    } else if rest(YES) && (any(YES) || words.iter().any(|word| word == "please")) {
        Consent::Given
    } else {
        Consent::Unclear
    }
}
