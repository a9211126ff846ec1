//! What the bot says to whom, and how often it finds the right topic of the DEMO.

use std::fs;
use std::sync::LazyLock;

use segue_core::{ContentType, HandOffMode, HandOffReason};

use super::rank::is_one_slip;
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
                other => panic!("{other:?} is nothing that this bot gives"),
            }
        }
        got
    }
}

/// A conversation with the demo, which remembers the bot's state as a session does.
struct Chat {
    state: Option<String>,
    may_hand_off: bool,
}

impl Chat {
    fn new(may_hand_off: bool) -> Self {
        Self { state: None, may_hand_off }
    }

    fn ask(&mut self, reason: Reason, inputs: &[&str]) -> Got {
        let (state, may_hand_off) = (self.state.as_deref(), self.may_hand_off);
        let reply = DEMO.reply(Ask { inputs, state, may_hand_off, reason });
        assert!(!reply.outputs.is_empty(), "nothing at all fails the turn: {inputs:?}");
        let got = Got::from(reply);
        self.state = got.state.clone().or(self.state.take());
        got
    }

    fn say(&mut self, input: &str) -> Got {
        self.ask(Reason::Message, &[input])
    }

    fn answer_of(stem: &str) -> String {
        let topic = DEMO.topics.iter().find(|topic| topic.stem == stem);
        topic.unwrap_or_else(|| panic!("no topic {stem}")).answer.clone()
    }

    /// The topic whose answer a text begins with.
    fn topic_of(text: &str) -> Option<String> {
        let mut topics = DEMO.topics.iter();
        topics.find(|topic| text.starts_with(&topic.answer)).map(|topic| topic.stem.clone())
    }
}

const MISS: &str = "zxcvb qwfpg";

// How well it finds.

fn pairs(tsv: &'static str) -> Vec<(&'static str, &'static str)> {
    tsv.lines().map(|line| line.split_once('\t').expect("a tab")).collect()
}

/// How many of these questions are answered from the topic that is expected.
fn score(tsv: &'static str) -> usize {
    let mut right = 0;
    for (question, expected) in pairs(tsv) {
        let mut chat = Chat::new(true);
        let got = chat.say(question);
        let topic = Chat::topic_of(&got.text);
        if topic.as_deref() == Some(expected) {
            right += 1;
        } else {
            println!("{question}: {} and not {expected}", topic.as_deref().unwrap_or("no answer"));
        }
    }
    right
}

#[test]
fn answers_most_questions_of_somebody_who_has_not_seen_the_topics() {
    let (right, all) = (score(QUESTIONS), pairs(QUESTIONS).len());
    println!("{right} of {all} questions answered from the right topic");
    assert_eq!(all, 40);
    assert!(right >= 34, "{right} of {all}");
}

#[test]
fn answers_most_questions_that_it_was_tuned_with() {
    let (right, all) = (score(TUNING), pairs(TUNING).len());
    println!("{right} of {all} questions answered from the right topic");
    assert!(right >= 55, "{right} of {all}");
}

#[test]
fn no_question_of_a_measurement_repeats_an_example() {
    let normal = |text: &str| english::words(text).collect::<Vec<_>>();
    let topics = &DEMO.topics;
    for (question, expected) in pairs(QUESTIONS).into_iter().chain(pairs(TUNING)) {
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
    assert_eq!(got.text, say::MISS_NO_GUESS);
    assert_eq!(chat.say(&"x? ".repeat(300_000)).text, say::MISS_AND_PERSON);
    let story = format!("where is my parcel {}", "and so on ".repeat(100_000));
    let got = chat.say(&story);
    assert_eq!(got.text, Chat::answer_of("order-status"));
}

// The demo's topics.

#[test]
fn the_demo_embeds_every_file_of_its_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topics");
    let mut files: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut embedded: Vec<&str> = demo_topics().iter().map(|(file, _)| *file).collect();
    embedded.sort_unstable();
    assert_eq!(embedded, files);
    assert!(embedded.len() >= 25);
    assert!(Knowledge::from_dir(&folder).unwrap().topics == DEMO.topics, "other topics");
}

#[test]
fn every_suggestion_of_the_demo_has_an_answer() {
    for topic in &DEMO.topics {
        for suggestion in &topic.suggestions {
            let matches = DEMO.index.rank(suggestion);
            let best = matches.first().unwrap();
            assert!(best.confidence >= 0.9, "{}: {suggestion}: {best:?}", topic.stem);
            assert_ne!(DEMO.topics[best.topic].stem, topic.stem, "{suggestion} leads nowhere");
        }
    }
}

#[test]
fn every_example_of_the_demo_finds_its_own_topic() {
    for topic in &DEMO.topics {
        for example in topic.examples.iter().chain([&topic.name]) {
            let mut chat = Chat::new(true);
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
    let ask = Ask { inputs: &inputs, state: None, may_hand_off: true, reason: Reason::Message };
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
    assert_eq!(got.text, say::WELCOME);
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

    let got = chat.ask(Reason::Message, &["is there free parking", "ok bye"]);
    assert_eq!(got.text, Chat::answer_of("stores"));
    assert!(!got.ended);
}

#[test]
fn a_miss_says_so_and_offers_guesses() {
    let got = Chat::new(true).say("qwfpg zxcvb arstd boots neiou");
    assert_eq!(got.text, say::MISS);
    assert!(!got.suggestions.is_empty() && got.suggestions.len() <= 3);
    assert_eq!(got.state.as_deref(), Some(r#"{"misses":1,"offered":false}"#));

    let got = Chat::new(true).say(MISS);
    assert_eq!(got.text, say::MISS_NO_GUESS);
    assert_eq!(got.suggestions, ["Our shops", "Opening hours", "Returns"]);
    assert_eq!(Chat::new(true).say("👍 ?!").text, say::MISS_NO_GUESS);
}

#[test]
fn after_two_misses_in_a_row_it_offers_a_person() {
    let mut chat = Chat::new(true);
    assert_eq!(chat.say(MISS).text, say::MISS_NO_GUESS);
    let got = chat.say(MISS);
    assert_eq!(got.text, say::MISS_AND_PERSON);
    assert_eq!(got.suggestions[0], "Talk to a person");
    let got = chat.say("yes please");
    assert_eq!(got.hand_off.unwrap().destination.as_deref(), Some("support"));
    assert_eq!(got.text, Chat::answer_of("person"));

    let mut chat = Chat::new(true);
    chat.say(MISS);
    chat.say(MISS);
    let got = chat.say("no thanks");
    assert_eq!((got.text.as_str(), got.hand_off), (say::NO_PERSON_THEN, None));
    assert_eq!(chat.say(MISS).text, say::MISS_NO_GUESS);
}

#[test]
fn an_answer_between_two_misses_starts_the_count_again() {
    let mut chat = Chat::new(true);
    chat.say(MISS);
    let got = chat.say("where is my order");
    assert_eq!(got.state.as_deref(), Some(r#"{"misses":0,"offered":false}"#));
    assert_eq!(chat.say("where is my order").state, None);
    assert_eq!(chat.say(MISS).text, say::MISS_NO_GUESS);
}

#[test]
fn offers_no_person_where_there_is_none() {
    let mut chat = Chat::new(false);
    chat.say(MISS);
    let got = chat.say(MISS);
    assert_eq!(got.text, say::MISS_AGAIN_NO_GUESS);
    assert!(!got.suggestions.iter().any(|text| text == "Talk to a person"));
    let got = chat.say("boots qwfpg arstd neiou zxcvb");
    assert_eq!(got.text, say::MISS_AGAIN);
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
    ] {
        assert!(english::asks_for_person(wish), "{wish}");
        let got = Chat::new(true).say(wish);
        let hand_off = got.hand_off.unwrap_or_else(|| panic!("{wish}"));
        assert_eq!(hand_off.destination.as_deref(), Some("support"));
        assert_eq!(hand_off.reason, HandOffReason::AgentDecision);
        assert!(got.suggestions.is_empty() && !got.ended);
        let got = Chat::new(false).say(wish);
        assert_eq!((got.text.as_str(), got.hand_off), (say::NOBODY_HERE, None), "{wish}");
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
        "is this a real human",
        "how many people can sleep in the tent",
        "boots for a tall person",
        "please put me on the waiting list",
        "can someone else pick it up for me",
    ] {
        assert!(!english::asks_for_person(text), "{text}");
        assert!(Chat::new(true).say(text).hand_off.is_none(), "{text}");
    }
}

#[test]
fn without_a_topic_for_it_a_person_is_reached_all_the_same() {
    let knowledge = Knowledge::from_texts(&[("a.md", "---\nname: Tea\n---\nGreen.")]).unwrap();
    let ask = |inputs| Ask { inputs, state: None, may_hand_off: true, reason: Reason::Message };
    let got = Got::from(knowledge.reply(ask(&["talk to a person"])));
    assert_eq!(got.text, say::HANDING_OFF);
    assert_eq!(got.hand_off, Some(HandOff::default()));
    let state = Some(r#"{"misses":1}"#);
    let got = Got::from(knowledge.reply(Ask { state, ..ask(&[MISS]) }));
    assert_eq!(got.suggestions, [say::PERSON, "Tea"]);
}

#[test]
fn a_topic_may_hand_off_to_a_place_of_its_own() {
    let billing = "---\nname: Dispute\naction: { handoff: { destination: billing, \
                   reason: POLICY, mode: client } }\n---\nOne moment.";
    let support = "---\nname: Person\naction: { handoff: { destination: support } }\n---\nYes.";
    let knowledge = Knowledge::from_texts(&[("a.md", support), ("b.md", billing)]).unwrap();
    let ask = |inputs| Ask { inputs, state: None, may_hand_off: true, reason: Reason::Message };
    let got = Got::from(knowledge.reply(ask(&["dispute"])));
    let hand_off = got.hand_off.unwrap();
    assert_eq!(hand_off.destination.as_deref(), Some("billing"));
    assert_eq!(
        (hand_off.reason, hand_off.mode),
        (HandOffReason::Policy, Some(HandOffMode::Client))
    );
    assert_eq!(got.text, "One moment.");
    let got = Got::from(knowledge.reply(Ask { may_hand_off: false, ..ask(&["dispute"]) }));
    assert_eq!((got.text.as_str(), got.hand_off), (say::NOBODY_HERE, None));
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
    assert!(got.text.starts_with(say::RETURNED) && got.text.ends_with(say::RETURNED_CLOSING));
    assert_eq!(got.suggestions.len(), 3);
    assert_eq!(got.state.as_deref(), Some(r#"{"misses":0,"offered":false}"#));
    let got = chat.ask(Reason::Returned, &["when are you open"]);
    assert_eq!(got.text, format!("{}\n\n{}", say::RETURNED, Chat::answer_of("opening-hours")));
    assert!(chat.ask(Reason::Returned, &["talk to a person"]).hand_off.is_some());
}

#[test]
fn after_a_failed_handoff_it_never_hands_off() {
    let mut chat = Chat::new(true);
    for inputs in [&[][..], &["hello?"], &["talk to a person"], &["agent", "put me through"]] {
        let got = chat.ask(Reason::HandOffFailed, inputs);
        assert!(got.hand_off.is_none() && !got.ended, "{inputs:?}");
        assert!(got.text.starts_with(say::NOBODY_CAME), "{}", got.text);
        assert!(!got.suggestions.iter().any(|text| text == "Talk to a person"));
    }
    let got = chat.ask(Reason::HandOffFailed, &["where is my parcel"]);
    let answer = Chat::answer_of("order-status");
    assert_eq!(got.text, format!("{}\n\n{answer}", say::NOBODY_CAME));
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

// What it takes for a topic.

fn parsed(text: &str) -> Result<Topic, String> {
    match Knowledge::from_texts(&[("shop/tea.md", text)]) {
        Ok(knowledge) => Ok(knowledge.topics[0].clone()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn reads_every_field_of_the_front_matter() {
    let topic = parsed(
        "\u{feff}---\r\nname: Opening hours\r\nexamples: [\"when are you open\", on sunday?]\r\n\
         suggestions:\r\n  - Book a table\r\n\
         attachments: [{ title: \"Find us\", content_url: \"https://example.com/a%20b\", \
         content_type: image, preview_image_url: http://example.com/p.png, \
         call_to_action_text: Go }]\r\naction: end\r\nlanguage: en-GB\r\n---\r\n\r\n\
         From 10 to 22.\r\n\r\n---\r\n\r\nSundays from 12.\r\n",
    )
    .unwrap();
    assert_eq!((topic.stem.as_str(), topic.name.as_str()), ("tea", "Opening hours"));
    assert_eq!(topic.examples, ["when are you open", "on sunday?"]);
    assert_eq!(topic.suggestions, ["Book a table"]);
    assert_eq!(topic.action, Some(Action::End));
    assert_eq!(topic.answer, "From 10 to 22.\n\n---\n\nSundays from 12.");
    let attachment = Attachment {
        title: "Find us".to_owned(),
        preview_image_url: Some("http://example.com/p.png".to_owned()),
        content_url: "https://example.com/a%20b".to_owned(),
        content_type: ContentType::Image,
        call_to_action_text: Some("Go".to_owned()),
    };
    assert_eq!(topic.attachments, [attachment]);
}

#[test]
fn an_error_names_the_file_the_line_and_the_field() {
    let hundred_and_one = vec!["x"; 101].join(", ");
    let examples = format!("name: A\nexamples: [{hundred_and_one}]");
    for (front, expected) in [
        ("name: A\nsugestions: [b]", "shop/tea.md:3: field \"sugestions\": unknown"),
        ("examples: [b]", "shop/tea.md:1: field \"name\": missing"),
        ("name: ' '", "shop/tea.md:2: field \"name\": must not be blank"),
        ("name:", "shop/tea.md:2: field \"name\": must not be empty"),
        ("name: 404", "shop/tea.md:2: field \"name\": must be text, put it in quotes"),
        ("name: [A]", "shop/tea.md:2: field \"name\": must be text"),
        ("name: A\nname: B", "shop/tea.md:3: "),
        (&examples, "shop/tea.md:3: field \"examples\": 101 of them, at most 100"),
        ("name: A\nexamples: when", "shop/tea.md:3: field \"examples\": must be a list"),
        ("name: A\nexamples:\n  - b\n  - 7", "shop/tea.md:5: field \"examples\": must be text"),
        ("name: A\nattachments:\n  - title: b", "tea.md:4: field \"attachments.content_url\": mis"),
        (
            "name: A\nattachments:\n  - title: b\n    content_url: /c",
            "tea.md:5: field \"attachments.content_url\": must be an absolute",
        ),
        (
            "name: A\nattachments: [{ title: b, content_url: \"https://c/d e\" }]",
            "tea.md:3: field \"attachments.content_url\": must be an absolute",
        ),
        (
            "name: A\nattachments:\n- {title: b, content_url: https://c, content_type: pdf}",
            "tea.md:4: field \"attachments.content_type\": must be url or image",
        ),
        ("name: A\nattachments: [{ size: 1 }]", "tea.md:3: field \"attachments.size\": unknown"),
        ("name: A\naction: stop", "tea.md:3: field \"action\": must be end, or"),
        ("name: A\naction: { end: now }", "tea.md:3: field \"action.end\": unknown"),
        (
            "name: A\naction:\n  handoff:\n    reason: BORED",
            "tea.md:5: field \"action.handoff.reason\": must be COMPLEX_QUERY",
        ),
        (
            "name: A\naction: { handoff: { mode: both } }",
            "tea.md:3: field \"action.handoff.mode\": must be server or client",
        ),
        (
            "name: A\naction: { handoff: { to: us } }",
            "tea.md:3: field \"action.handoff.to\": unknown",
        ),
        ("name: A\naction: { handoff: }", "tea.md:3: field \"action.handoff\": expected"),
        ("name: A\nlanguage: es", "tea.md:3: field \"language\": es is not supported"),
        ("name: A\nexamples: [b", "shop/tea.md:4: "),
        ("- name", "shop/tea.md:2: expected fields"),
        ("", "shop/tea.md:1: the front matter is empty"),
    ] {
        let error = parsed(&format!("---\n{front}\n---\nAnswer.")).expect_err(front);
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn a_file_that_is_not_laid_out_as_a_topic_is_refused() {
    for (text, expected) in [
        ("", "shop/tea.md:1: expected --- and front matter"),
        ("Hello", "shop/tea.md:1: expected --- and front matter"),
        ("---\nname: A\n", "shop/tea.md:1: the front matter is not closed"),
        ("---\nname: A\n---\n \n", "shop/tea.md:4: no answer after the front matter"),
        (&format!("---\nname: A\n---\n{}", "x".repeat(65_536)), "at most 65536"),
    ] {
        let error = parsed(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
    assert!(parsed("---\nname: A\naction: end\n---\n").unwrap().answer.is_empty());
}

#[test]
fn two_topics_of_one_name_are_refused() {
    let text = "---\nexamples: [b]\nname: Tea time\n---\nGreen.";
    let again = text.replace("Tea time", "tea Time!");
    let error = Knowledge::from_texts(&[("a.md", text), ("b.md", &again)]).err().unwrap();
    assert_eq!(error.to_string(), "b.md:3: field \"name\": already the name of a.md");
}

#[test]
fn a_folder_without_topics_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    fs::write(folder.path().join(".draft.md"), "x").unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap();
    assert!(matches!(error, TopicError::Empty { .. }), "{error}");
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    assert!(matches!(Knowledge::from_texts(&[]), Err(TopicError::Empty { .. })));

    let error = Knowledge::from_dir(&folder.path().join("none")).err().unwrap();
    assert!(matches!(error, TopicError::Unreadable { .. }), "{error}");

    fs::write(folder.path().join("tea.md"), "x".repeat(65_537)).unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap().to_string();
    assert!(error.ends_with("tea.md:1: 65537 bytes, at most 65536"), "{error}");
    fs::write(folder.path().join("tea.md"), "---\nname: Tea\nsize: 3\n---\nGreen.").unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap().to_string();
    assert!(error.contains("tea.md:3: field \"size\": unknown"), "{error}");
}
