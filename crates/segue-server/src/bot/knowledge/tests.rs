//! What the bot says to whom, and how often it finds the right topic of the DEMO.

mod language;
mod layout;
mod spanish;

use std::fs;
use std::sync::LazyLock;

use segue_core::{Attachment, ContentType, HandOff, HandOffMode, HandOffReason};

use super::rank::is_one_slip;
use super::topic::Action;
use super::*;

static DEMO: LazyLock<Knowledge> = LazyLock::new(Knowledge::demo);

const QUESTIONS: &str = include_str!("questions.tsv");
const TUNING: &str = include_str!("tuning.tsv");
const UNRELATED: &str = include_str!("unrelated.txt");

/// A reply as the user gets it.
#[derive(Debug, Default)]
struct Got {
    text: String,
    suggestions: Vec<String>,
    attachments: usize,
    state: Option<String>,
    hand_off: Option<HandOff>,
    ended: bool,
    language: Option<String>,
}

impl From<Reply> for Got {
    fn from(reply: Reply) -> Self {
        let mut got = Self::default();
        for output in reply.outputs {
            match output {
                Output::Text(piece) => got.text.push_str(&piece),
                Output::Suggestion(suggestion) => got.suggestions.push(suggestion.message_text),
                Output::Attachment(_) => got.attachments += 1,
                Output::State(state) => got.state = Some(state),
                Output::HandOff(hand_off) => got.hand_off = Some(hand_off),
                Output::End => got.ended = true,
                Output::Language(code) => got.language = Some(code),
                other => panic!("{other:?} is nothing that this bot gives"),
            }
        }
        got
    }
}

/// The demo's topics of a language.
fn demo(language: Language) -> &'static Section {
    DEMO.sections.iter().find(|section| section.language == language).unwrap()
}

/// A conversation with the demo, which remembers what a session does.
struct Chat {
    state: Option<String>,
    may_hand_off: bool,
    language: Option<String>,
}

impl Chat {
    fn new(may_hand_off: bool) -> Self {
        Self { state: None, may_hand_off, language: None }
    }

    fn ask(&mut self, reason: Reason, inputs: &[&str]) -> Got {
        let (state, may_hand_off) = (self.state.as_deref(), self.may_hand_off);
        let language = self.language.as_deref();
        let reply = DEMO.reply(Ask { inputs, state, language, may_hand_off, reason });
        assert!(!reply.outputs.is_empty(), "nothing at all fails the turn: {inputs:?}");
        let got = Got::from(reply);
        self.state = got.state.clone().or(self.state.take());
        self.language = got.language.clone().or(self.language.take());
        got
    }

    fn say(&mut self, input: &str) -> Got {
        self.ask(Reason::Message, &[input])
    }

    fn answer_of(stem: &str) -> String {
        answer_in(Language::English, stem)
    }

    /// The topic whose answer a text begins with, of either language.
    fn topic_of(text: &str) -> Option<String> {
        topic_of(text).map(|topic| topic.stem.clone())
    }
}

fn answer_in(language: Language, stem: &str) -> String {
    let topic = demo(language).topics.iter().find(|topic| topic.stem == stem);
    topic.unwrap_or_else(|| panic!("no topic {stem}")).answer.clone()
}

fn topic_of(text: &str) -> Option<&'static Topic> {
    let mut topics = DEMO.sections.iter().flat_map(|section| &section.topics);
    topics.find(|topic| text.starts_with(&topic.answer))
}

const MISS: &str = "zxcvb qwfpg";

// How well it finds.

fn pairs(tsv: &'static str) -> Vec<(&'static str, &'static str)> {
    tsv.lines().map(|line| line.split_once('\t').expect("a tab")).collect()
}

/// How many of these questions are answered from the topic that is expected, in their language,
/// which nobody has said.
fn score(language: Language, tsv: &'static str) -> usize {
    let mut right = 0;
    for (question, expected) in pairs(tsv) {
        let mut chat = Chat::new(true);
        let got = chat.say(question);
        let topic = topic_of(&got.text);
        if topic.is_some_and(|topic| topic.stem == expected && topic.language == language) {
            right += 1;
        } else {
            let other = topic.map(|topic| (topic.language, topic.stem.as_str()));
            println!("{question}: {other:?} and not {expected}");
        }
    }
    right
}

#[test]
fn answers_most_questions_of_somebody_who_has_not_seen_the_topics() {
    let (right, all) = (score(Language::English, QUESTIONS), pairs(QUESTIONS).len());
    println!("{right} of {all} questions answered from the right topic");
    assert_eq!(all, 40);
    assert!(right >= 34, "{right} of {all}");
}

#[test]
fn answers_most_questions_that_it_was_tuned_with() {
    let (right, all) = (score(Language::English, TUNING), pairs(TUNING).len());
    println!("{right} of {all} questions answered from the right topic");
    assert!(right >= 55, "{right} of {all}");
}

#[test]
fn no_question_of_a_measurement_repeats_an_example() {
    repeat_no_example(Language::English, QUESTIONS);
    repeat_no_example(Language::English, TUNING);
}

fn repeat_no_example(language: Language, tsv: &'static str) {
    let normal = |text: &str| language.words(text).collect::<Vec<_>>();
    let topics = &demo(language).topics;
    for (question, expected) in pairs(tsv) {
        assert!(topics.iter().any(|topic| topic.stem == expected), "no topic {expected}");
        for text in topics.iter().flat_map(|topic| topic.examples.iter().chain([&topic.name])) {
            assert_ne!(normal(question), normal(text));
        }
    }
}

#[test]
fn has_no_answer_to_most_of_what_has_nothing_to_do_with_a_shop() {
    let mut answered = 0;
    for question in UNRELATED.lines() {
        let mut chat = Chat::new(true);
        let got = chat.say(question);
        assert!(got.hand_off.is_none() && !got.ended, "{question}");
        answered += usize::from(Chat::topic_of(&got.text).is_some());
    }
    println!("{answered} of {} answered", UNRELATED.lines().count());
    assert!(answered <= 15, "{answered}");
}

#[test]
fn finds_words_that_are_misspelt_or_run_together() {
    let mut chat = Chat::new(false);
    for (question, stem) in [
        ("how do I retrun somthing", "returns"),
        ("do you sell giftcards", "gift-cards"),
        ("I need an invioce", "receipts"),
        ("is the garantee longer for jackets", "warranty"),
    ] {
        let got = chat.say(question);
        assert_eq!(Chat::topic_of(&got.text).as_deref(), Some(stem), "{question}");
    }
}

#[test]
fn knows_one_slip_from_two() {
    for (a, b) in [("parcel", "parcl"), ("parcel", "parcal"), ("parcel", "pracel"), ("ab", "ba")] {
        assert!(is_one_slip(a, b) && is_one_slip(b, a), "{a} {b}");
    }
    for (a, b) in [("parcel", "parcel"), ("parcel", "prcl"), ("parcel", "lecrap"), ("", "ab")] {
        assert!(!is_one_slip(a, b) && !is_one_slip(b, a), "{a} {b}");
    }
}

#[test]
fn a_very_long_message_is_answered_too() {
    let mut chat = Chat::new(true);
    let got = chat.say(&"x".repeat(1 << 20));
    assert_eq!(got.text, say::ENGLISH.miss_no_guess);
    assert_eq!(chat.say(&"x? ".repeat(300_000)).text, say::ENGLISH.miss_and_person);
    // Words that may all stand between a wish and a person.
    for filler in ["me a ", "want a ", "quiero una "] {
        assert!(!Chat::new(false).say(&filler.repeat(40_000)).ended);
    }
    let story = format!("where is my parcel {}", "and so on ".repeat(100_000));
    let got = chat.say(&story);
    assert_eq!(got.text, Chat::answer_of("order-status"));
}

// The demo's topics.

#[test]
fn the_demo_embeds_every_file_of_its_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topics");
    let files: Vec<String> = topic::files(&folder)
        .unwrap()
        .iter()
        .map(|file| file.strip_prefix(&folder).unwrap().display().to_string())
        .collect();
    let mut embedded: Vec<&str> = demo_topics().iter().map(|(file, _)| *file).collect();
    embedded.sort_unstable();
    assert_eq!(embedded, files);
    let read = Knowledge::from_dir(&folder).unwrap();
    assert_eq!(read.sections.len(), Language::ALL.len());
    for (read, embedded) in read.sections.iter().zip(&DEMO.sections) {
        let sorted = |section: &Section| {
            let mut topics = section.topics.clone();
            topics.sort_by(|a, b| a.stem.cmp(&b.stem));
            topics
        };
        assert!(sorted(read) == sorted(embedded), "other topics");
        assert!(read.topics.len() >= 25);
    }
}

#[test]
fn every_suggestion_of_the_demo_has_an_answer() {
    for section in &DEMO.sections {
        for topic in &section.topics {
            for suggestion in &topic.suggestions {
                let matches = section.index.rank(suggestion);
                let best = matches.first().unwrap();
                assert!(best.confidence >= 0.9, "{}: {suggestion}: {best:?}", topic.stem);
                let found = &section.topics[best.topic];
                assert_ne!(found.stem, topic.stem, "{suggestion} leads nowhere");
            }
        }
    }
}

#[test]
fn every_example_of_the_demo_finds_its_own_topic_in_its_language() {
    for topic in DEMO.sections.iter().flat_map(|section| &section.topics) {
        assert!(topic.examples.len() >= 15, "{} has {}", topic.stem, topic.examples.len());
        for example in topic.examples.iter().chain([&topic.name]) {
            // "PayPal" is in every language, so it has to be said in which one.
            let language = Some(topic.language.code().to_owned());
            let mut chat = Chat { language, ..Chat::new(true) };
            let got = chat.say(example);
            // An example of another topic may itself ask for a person, but none does.
            assert_eq!(got.text, topic.answer, "{example}");
        }
    }
}

// What it does.

#[test]
fn answers_in_pieces_then_gives_what_belongs_to_the_answer() {
    let inputs = ["Where is my order?"];
    let ask = Ask {
        inputs: &inputs,
        language: None,
        state: None,
        may_hand_off: true,
        reason: Reason::Message,
    };
    let outputs = DEMO.reply(ask).outputs;
    let texts: Vec<&str> = outputs
        .iter()
        .map_while(|output| match output {
            Output::Text(piece) => Some(piece.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts.concat(), Chat::answer_of("order-status"));
    assert!(texts.len() >= 10, "{}", texts.len());
    assert!(texts.iter().all(|piece| piece.len() < 60));
    let last = texts.len() - 1;
    assert!(texts[..last].iter().all(|piece| piece.ends_with(char::is_whitespace)));
    let [Output::Attachment(attachment), Output::Suggestion(first), ..] = &outputs[texts.len()..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(attachment.content_url, "https://example.com/fellwright/track");
    assert_eq!(first.message_text, "My parcel is damaged");
    assert_eq!(DEMO.reply(ask).outputs, outputs);
}

#[test]
fn welcomes_with_three_suggestions() {
    let got = Chat::new(false).ask(Reason::Join, &[]);
    assert_eq!(got.text, say::ENGLISH.welcome);
    assert_eq!(got.suggestions, ["Our shops", "Opening hours", "Returns"]);
    assert_eq!(got.state, None);
}

#[test]
fn a_burst_is_answered_together() {
    let mut chat = Chat::new(true);
    let got = chat.ask(Reason::Message, &["hi there", "where is my parcel", "thanks!"]);
    assert_eq!(got.text, Chat::answer_of("order-status"));

    let two = ["Are you open on Sunday?", "and do you deliver to Ireland"];
    let both =
        format!("{}\n\n{}", Chat::answer_of("opening-hours"), Chat::answer_of("delivery-abroad"));
    assert_eq!(chat.ask(Reason::Message, &two).text, both);
    let got = chat.say("Are you open on Sunday? And do you deliver to Ireland?");
    assert_eq!(got.text, both);

    let got = chat.ask(Reason::Message, &["my boots", "they came with", "a broken zip", "damaged"]);
    assert_eq!(got.text, Chat::answer_of("wrong-or-damaged"));

    // Of more than twenty messages, the newest twenty count.
    let many = |others: usize| [&["where is my parcel"][..], &vec!["thanks!"; others]].concat();
    assert_eq!(chat.ask(Reason::Message, &many(19)).text, Chat::answer_of("order-status"));
    assert_ne!(chat.ask(Reason::Message, &many(20)).text, Chat::answer_of("order-status"));

    let got = chat.ask(Reason::Message, &["is there free parking", "ok bye"]);
    assert_eq!(got.text, Chat::answer_of("stores"));
    assert!(!got.ended);
}

#[test]
fn a_miss_says_so_and_offers_guesses() {
    let got = Chat::new(true).say("qwfpg zxcvb arstd boots neiou");
    assert_eq!(got.text, say::ENGLISH.miss);
    assert!(!got.suggestions.is_empty() && got.suggestions.len() <= 3);
    assert_eq!(got.state.as_deref(), Some(r#"{"misses":1,"offered":false}"#));

    let got = Chat::new(true).say(MISS);
    assert_eq!(got.text, say::ENGLISH.miss_no_guess);
    assert_eq!(got.suggestions, ["Our shops", "Opening hours", "Returns"]);
    assert_eq!(Chat::new(true).say("👍 ?!").text, say::ENGLISH.miss_no_guess);
}

#[test]
fn after_two_misses_in_a_row_it_offers_a_person() {
    let mut chat = Chat::new(true);
    assert_eq!(chat.say(MISS).text, say::ENGLISH.miss_no_guess);
    let got = chat.say(MISS);
    assert_eq!(got.text, say::ENGLISH.miss_and_person);
    assert_eq!(got.suggestions[0], "Talk to a person");
    let got = chat.say("yes please");
    assert_eq!(got.hand_off.unwrap().destination.as_deref(), Some("support"));
    assert_eq!(got.text, Chat::answer_of("person"));

    let mut chat = Chat::new(true);
    chat.say(MISS);
    chat.say(MISS);
    let got = chat.say("no thanks");
    assert_eq!((got.text.as_str(), got.hand_off), (say::ENGLISH.no_person_then, None));
    assert_eq!(chat.say(MISS).text, say::ENGLISH.miss_no_guess);
}

#[test]
fn an_answer_between_two_misses_starts_the_count_again() {
    let mut chat = Chat::new(true);
    chat.say(MISS);
    let got = chat.say("where is my order");
    assert_eq!(got.state.as_deref(), Some(r#"{"misses":0,"offered":false}"#));
    assert_eq!(chat.say("where is my order").state, None);
    assert_eq!(chat.say(MISS).text, say::ENGLISH.miss_no_guess);
}

#[test]
fn offers_no_person_where_there_is_none() {
    let mut chat = Chat::new(false);
    chat.say(MISS);
    let got = chat.say(MISS);
    assert_eq!(got.text, say::ENGLISH.miss_again_no_guess);
    assert!(!got.suggestions.iter().any(|text| text == "Talk to a person"));
    let got = chat.say("boots qwfpg arstd neiou zxcvb");
    assert_eq!(got.text, say::ENGLISH.miss_again);
    // "Yes" takes no offer, for there was none.
    assert!(chat.say("yes").hand_off.is_none());

    let got = chat.say("my card was declined");
    assert_eq!(got.text, Chat::answer_of("payment-problems"));
    assert_eq!(got.suggestions, ["How can I pay?"]);
    let got = Chat::new(true).say("my card was declined");
    assert_eq!(got.suggestions, ["How can I pay?", "Talk to a person"]);
}

#[test]
fn a_person_asked_for_in_plain_words_is_a_handoff() {
    for wish in [
        "talk to a person",
        "I want to speak to a human",
        "Can I speak with someone from your team?",
        "this is useless. let me talk to your manager",
        "agent",
        "real person please",
        "just get me a human",
        "put me through",
        "is it possible to talk to a human",
        "are you able to connect me with somebody?",
        "escalate this",
        "transfer me to customer service please",
        "I'd rather chat with a representative",
        "I don't want a bot, I want a human",
        "this does not help let me talk to a person",
    ] {
        assert!(Language::English.asks_for_person(wish), "{wish}");
        let got = Chat::new(true).say(wish);
        let hand_off = got.hand_off.unwrap_or_else(|| panic!("{wish}"));
        assert_eq!(hand_off.destination.as_deref(), Some("support"));
        assert_eq!(hand_off.reason, HandOffReason::AgentDecision);
        assert!(got.suggestions.is_empty() && !got.ended);
        let got = Chat::new(false).say(wish);
        assert_eq!((got.text.as_str(), got.hand_off), (say::ENGLISH.nobody_here, None), "{wish}");
        assert_eq!(got.suggestions.len(), 3);
    }
    let got = Chat::new(true).ask(Reason::Message, &["where is my order", "a human please"]);
    assert!(got.hand_off.is_some());
}

#[test]
fn speaking_of_people_is_no_handoff() {
    for text in [
        "are you a real person",
        "am I talking to a human being?",
        "I do not want to speak to a human",
        "I really don't like to chat with a representative",
        "is this a real human",
        "how many people can sleep in the tent",
        "boots for a tall person",
        "please put me on the waiting list",
        "can someone else pick it up for me",
    ] {
        assert!(!Language::English.asks_for_person(text), "{text}");
        assert!(Chat::new(true).say(text).hand_off.is_none(), "{text}");
    }
}

#[test]
fn without_a_topic_for_it_a_person_is_reached_all_the_same() {
    let knowledge = Knowledge::from_texts(&[("a.md", "---\nname: Tea\n---\nGreen.")]).unwrap();
    let ask = |inputs| Ask {
        inputs,
        language: None,
        state: None,
        may_hand_off: true,
        reason: Reason::Message,
    };
    let got = Got::from(knowledge.reply(ask(&["talk to a person"])));
    assert_eq!(got.text, say::ENGLISH.handing_off);
    assert_eq!(got.hand_off, Some(HandOff::default()));
    let state = Some(r#"{"misses":1}"#);
    let got = Got::from(knowledge.reply(Ask { state, ..ask(&[MISS]) }));
    assert_eq!(got.suggestions, [say::ENGLISH.person, "Tea"]);
}

#[test]
fn a_topic_may_hand_off_to_a_place_of_its_own() {
    let billing = "---\nname: Dispute\naction: { handoff: { destination: billing, \
                   reason: POLICY, mode: client } }\n---\nOne moment.";
    let support = "---\nname: Person\naction: { handoff: { destination: support } }\n---\nYes.";
    let knowledge = Knowledge::from_texts(&[("a.md", support), ("b.md", billing)]).unwrap();
    let ask = |inputs| Ask {
        inputs,
        language: None,
        state: None,
        may_hand_off: true,
        reason: Reason::Message,
    };
    let got = Got::from(knowledge.reply(ask(&["dispute"])));
    let hand_off = got.hand_off.unwrap();
    assert_eq!(hand_off.destination.as_deref(), Some("billing"));
    assert_eq!(
        (hand_off.reason, hand_off.mode),
        (HandOffReason::Policy, Some(HandOffMode::Client))
    );
    assert_eq!(got.text, "One moment.");
    let got = Got::from(knowledge.reply(Ask { may_hand_off: false, ..ask(&["dispute"]) }));
    assert_eq!((got.text.as_str(), got.hand_off), (say::ENGLISH.nobody_here, None));
}

#[test]
fn goodbye_ends_the_conversation() {
    let mut chat = Chat::new(true);
    let got = chat.say("That is all, goodbye");
    assert_eq!((got.text.as_str(), got.ended), (Chat::answer_of("goodbye").as_str(), true));
    assert!(!chat.say("thanks a lot").ended);
}

#[test]
fn coming_back_it_goes_on_where_something_waits() {
    let mut chat = Chat::new(true);
    chat.state = Some(r#"{"misses":1}"#.to_owned());
    let got = chat.ask(Reason::Returned, &[]);
    assert!(
        got.text.starts_with(say::ENGLISH.returned)
            && got.text.ends_with(say::ENGLISH.returned_closing)
    );
    assert_eq!(got.suggestions.len(), 3);
    assert_eq!(got.state.as_deref(), Some(r#"{"misses":0,"offered":false}"#));
    let got = chat.ask(Reason::Returned, &["when are you open"]);
    assert_eq!(
        got.text,
        format!("{}\n\n{}", say::ENGLISH.returned, Chat::answer_of("opening-hours"))
    );
    assert!(chat.ask(Reason::Returned, &["talk to a person"]).hand_off.is_some());
}

#[test]
fn after_a_failed_handoff_it_never_hands_off() {
    let mut chat = Chat::new(true);
    for inputs in [&[][..], &["hello?"], &["talk to a person"], &["agent", "put me through"]] {
        let got = chat.ask(Reason::HandOffFailed, inputs);
        assert!(got.hand_off.is_none() && !got.ended, "{inputs:?}");
        assert!(got.text.starts_with(say::ENGLISH.nobody_came), "{}", got.text);
        assert!(!got.suggestions.iter().any(|text| text == "Talk to a person"));
    }
    let got = chat.ask(Reason::HandOffFailed, &["where is my parcel"]);
    let answer = Chat::answer_of("order-status");
    assert_eq!(got.text, format!("{}\n\n{answer}", say::ENGLISH.nobody_came));
    assert!(!got.suggestions.iter().any(|text| text == "Talk to a person"));
}

#[test]
fn a_state_that_is_not_its_own_counts_as_none() {
    let mut chat = Chat::new(true);
    for state in ["", "{", r#"{"misses":"two"}"#, r#"{"other":true}"#] {
        chat.state = Some(state.to_owned());
        assert_eq!(chat.say(MISS).state.as_deref(), Some(r#"{"misses":1,"offered":false}"#));
    }
}
