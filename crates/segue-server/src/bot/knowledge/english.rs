//! What the knowledge bot knows of English.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rust_stemmers::Algorithm;

use super::language::{Lexicon, is_apostrophe, set};

/// How far after the verb the person may stand, in words.
const PERSON_REACH_WORDS: usize = 6;

/// What is known of English.
pub static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon {
    algorithm: Algorithm::English,
    normal,
    before_stemming: str::to_owned,
    marks: &[],
    common: set(COMMON_WORDS),
    pleasantries: set("afternoon bye cheers day evening good goodbye great hello hey hi kindly \
         lovely morning nice ok okay please sorry ta thank thanks thx welcome yes"),
    people: set(PEOPLE),
    fillers: set(FILLERS),
    wishes_at,
    denies,
    is_about_speaker,
    // "I want no bot but a human" has a negation of its own, which does not reach as far.
    but: "but",
    yes: &["absolutely", "definitely", "ok", "okay", "sure", "yeah", "yep", "yes"],
    no: &["nah", "no", "nope", "not"],
    beside_consent: &[
        "do", "go", "ahead", "i", "it", "lets", "now", "please", "thank", "thanks", "that",
        "would", "you",
    ],
    please: &["please"],
});

const COMMON_WORDS: &str = "a able about actually after again all already also always am an and another any anything \
     anyway are arent around as at be because been before being bit both but by can cannot cant \
     could couldnt currently did didnt do does doesnt doing dont each either else enough ever \
     every everything few for from get give go going got guys had hadnt happen happened happening \
     happens has hasnt have havent having he her here him his hope how hows i id if ill im in \
     into is isnt it its ive just keep kind know let like look looking lot made make makes many \
     may maybe me mean means might mine more much must my need never no not nothing now of off \
     often on one only or other our out over own per perhaps possible possibly probably put quite \
     rather really s same say says seem seems shall she should since so some something sort still \
     such sure t take tell than that thats the their them then there theres these they theyre \
     thing things think this those though thought through to together told too try trying until \
     up us use using usually very via want was wasnt way ways we well went were werent weve what \
     whats when where wheres whether which while who whos whose why will with without wonder \
     wondering wont would wouldnt yet you your youre yours youve";

const PEOPLE: &str =
    "adviser advisor agent agents human humans operator people person rep representative";

const FILLERS: &str = "a actual an another any can customer i just live me now please proper real \
     some the to us with";

/// Those who count only after a verb of talking: "somebody" alone asks for nothing.
static SOMEBODY: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("anybody anyone assistant colleague department employee expert manager member service \
         somebody someone specialist staff supervisor support team")
});

/// Lower case. An apostrophe joins ("don't" is "dont"), save before a possessive s, which goes.
fn normal(word: &str) -> String {
    let possessed = word.strip_suffix("'s").or_else(|| word.strip_suffix("\u{2019}s"));
    let letters = possessed.unwrap_or(word).chars().filter(|c| !is_apostrophe(*c));
    letters.flat_map(char::to_lowercase).collect()
}

fn is_about_speaker(clause: &[&str]) -> bool {
    match clause {
        ["am", "i", verb, ..] => matches!(*verb, "talking" | "speaking" | "chatting" | "texting"),
        // "Are you able to connect me" and "is it possible" go on otherwise.
        ["are", "you", next, ..] | ["is", "this" | "it" | "that", next, ..] => {
            LEXICON.people.contains(next)
                || matches!(*next, "a" | "an" | "the" | "actually" | "just" | "real" | "really")
        }
        _ => false,
    }
}

/// "I do not want to", "without"; but "this does not help let me talk to somebody" is a wish.
fn denies(words: &[&str]) -> bool {
    let no = ["not", "dont", "never", "without", "didnt", "wont"];
    let wants = ["care", "even", "ever", "going", "have", "like", "need", "really", "to", "want"];
    words.iter().enumerate().any(|(at, word)| {
        no.contains(word) && words.get(at + 1).is_none_or(|next| wants.contains(next))
    })
}

fn wishes_at(words: &[&str]) -> bool {
    let Some((verb, rest)) = words.split_first() else {
        return false;
    };
    let people = &LEXICON.people;
    match *verb {
        "speak" | "talk" | "chat" => {
            let reach = &rest[..rest.len().min(PERSON_REACH_WORDS)];
            let to = reach.iter().position(|word| matches!(*word, "to" | "with"));
            to.is_some_and(|to| {
                reach[to..].iter().any(|word| people.contains(word) || SOMEBODY.contains(word))
            })
        }
        "transfer" | "connect" => matches!(rest, ["me" | "us", ..]),
        "escalate" => matches!(rest, ["me" | "us" | "this" | "it", ..]),
        // Not "put me on the list".
        "put" => matches!(rest, ["me" | "us", "through", ..]),
        "pass" | "hand" => matches!(rest, ["me" | "us", "on" | "over" | "to", ..]),
        "want" | "need" | "get" | "give" | "prefer" | "like" | "rather" => {
            let reach = &rest[..rest.len().min(PERSON_REACH_WORDS)];
            let person = reach.iter().find(|word| !LEXICON.fillers.contains(*word));
            person.is_some_and(|word| people.contains(word))
        }
        _ => false,
    }
}
