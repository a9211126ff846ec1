//! What holds for every turn, whatever the bot gives and whenever. The texts are built from parts
//! that know where they must not be cut, so that nothing here reads Markdown a second time.

use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use super::frames::{frame_bytes, text_of};
use super::*;
use crate::limits::SENT_FRAME_BYTES_MAX;

/// The same cases every time, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` ask for others.
fn config(share: u32) -> Config {
    let asked = Config::default();
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20),
        seed @ RngSeed::Fixed(_) => seed,
    };
    Config { cases: asked.cases * 4 / share, rng_seed, failure_persistence: None, ..asked }
}

// ----------------------------------------------------------------------------------- well-formed

/// A text and the ranges whose inside must not be cut.
#[derive(Debug, Clone, Default)]
struct Marked {
    text: String,
    whole: Vec<Range<usize>>,
}

#[derive(Debug, Clone)]
enum Part {
    Plain(String),
    Whole(String),
    /// On lines of its own.
    Block(String),
}

fn marked(parts: Vec<(Part, &'static str)>) -> Marked {
    let mut marked = Marked::default();
    for (part, gap) in parts {
        let (whole, gap) = match part {
            Part::Plain(text) => {
                marked.text.push_str(&text);
                marked.text.push_str(gap);
                continue;
            }
            Part::Whole(text) => (text, gap),
            Part::Block(text) => {
                marked.text.push('\n');
                (text, "\n")
            }
        };
        let begin = marked.text.len();
        marked.text.push_str(&whole);
        marked.whole.push(begin..marked.text.len());
        marked.text.push_str(gap);
    }
    marked
}

fn any_words() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-zäß語😀0-9]{1,9}[.,!?]?", 1..6).prop_map(|words| words.join(" "))
}

/// Marks that mean nothing, or nothing that matters here.
const LOOK_ALIKES: &[&str] =
    &["\n- ", "\n* ", "\n1. ", "\n> ", "\\", "*", "2 ** 3", "a_b__c", "\\`", "\\**a"];

fn any_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        6 => any_words().prop_map(Part::Plain),
        2 => any_sentences().prop_map(Part::Plain),
        1 => select(LOOK_ALIKES).prop_map(|text| Part::Plain(text.to_owned())),
        1 => "https?://[a-z]{1,5}[.]de/[a-z?&=%]{0,6}(_[a-z]){0,2}".prop_map(Part::Plain),
        2 => any_words().prop_map(|words| Part::Whole(format!("**{words}**"))),
        1 => any_words().prop_map(|words| Part::Whole(format!("__{words}__"))),
        1 => any_words().prop_map(|words| Part::Whole(format!("***{words}***"))),
        1 => any_words().prop_map(|words| Part::Whole(format!("**{words} `{words} **`**"))),
        2 => any_words().prop_map(|words| Part::Whole(format!("`{words} ** {words}`"))),
        1 => any_words().prop_map(|words| Part::Whole(format!("``{words} ` {words}``"))),
        1 => any_words().prop_map(|it| Part::Block(format!("```sh\n{it}\n\n** ` {it}\n```"))),
        1 => any_words().prop_map(|it| Part::Block(format!("~~~\n``` {it}\n> {it}\n~~~"))),
    ]
}

/// A paragraph that is long for some.
fn any_sentences() -> impl Strategy<Value = String> {
    prop::collection::vec(any_words(), 3..14).prop_map(|sentences| {
        sentences
            .iter()
            .map(|it| format!("So {it}{}", if it.len() % 3 == 0 { "." } else { "?!" }))
            .collect::<Vec<_>>()
            .join(" ")
    })
}

fn any_marked() -> impl Strategy<Value = Marked> {
    let gap = select(vec![" ", " ", " ", "  ", "\n", "\n\n", "\t", "\r\n", " \n"]);
    prop::collection::vec((any_part(), gap), 1..12).prop_map(marked)
}

/// How a text arrives: characters of each piece, milliseconds after it, whether more is at hand.
fn any_rhythm() -> impl Strategy<Value = Vec<(usize, u64, bool)>> {
    let wait = prop_oneof![3 => Just(0), 3 => 0..90_u64, 1 => 90..700_u64];
    prop::collection::vec((1..30_usize, wait, prop::bool::weighted(0.1)), 1..20)
}

fn steps(text: &str, rhythm: &[(usize, u64, bool)]) -> Vec<Step> {
    let mut chars = text.chars();
    let mut steps = Vec::new();
    for (count, ms, more) in rhythm.iter().cycle() {
        let piece = chars.by_ref().take(*count).collect::<String>();
        if piece.is_empty() {
            break;
        }
        let piece = Piece::Text(piece);
        steps.push(if *more { Step::Add(piece) } else { Step::Push(piece) });
        steps.push(Step::Wait(*ms));
    }
    steps
}

impl Marked {
    fn is_whole(&self, at: usize) -> bool {
        self.whole.iter().any(|whole| whole.start < at && at < whole.end)
    }

    fn before(&self, at: usize) -> char {
        self.text[..at].chars().next_back().unwrap()
    }

    fn after(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    /// The last place before `end` that may be cut for sure, knowing nothing beyond `end`.
    fn last_cut(&self, cuts: Cuts, end: usize) -> Option<usize> {
        let is_cut = |at: usize| match cuts {
            Cuts::Words => {
                self.before(at).is_whitespace() && !self.after(at).unwrap().is_whitespace()
            }
            Cuts::Native => {
                let ends_well = !self.before(at).is_whitespace() && self.before(at) != '\\';
                ends_well && self.after(at) == Some('\n')
            }
        };
        let mut places = self.text.char_indices().map(|(at, _)| at).filter(|at| *at < end);
        let shows = |at: usize| !self.text[..at].trim().is_empty();
        places.rfind(|at| shows(*at) && !self.is_whole(*at) && is_cut(*at))
    }

    /// Whether a chunk may end at `at`, given when and after how much text it was said.
    fn may_cut(&self, cuts: Cuts, at: usize, said: &Said) -> bool {
        let settled = at == said.arrived && said.at >= said.text_at + INTERVAL_MS;
        let next = self.after(at);
        let whole = self.is_whole(at);
        match cuts {
            Cuts::Words => {
                let torn = next.is_some_and(char::is_whitespace) && !settled;
                !whole && !torn && self.before(at).is_whitespace()
            }
            Cuts::Native => {
                let line = self.text[at..].starts_with('\n') || self.text[at..].starts_with("\r\n");
                let ends_well = !self.before(at).is_whitespace() && self.before(at) != '\\';
                !whole && ((line && ends_well) || self.is_between_sentences(at))
            }
        }
    }

    fn is_between_sentences(&self, at: usize) -> bool {
        let begin = self.text[..at].rfind('\n').map_or(0, |it| it + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |it| at + it);
        let stops = [".", "!", "?", "*", "_"];
        self.text[begin..end].chars().count() > 200
            && self.before(at) == ' '
            && stops.iter().any(|stop| self.text[..at].trim_end().ends_with(stop))
            && self.after(at).is_some_and(|c| !c.is_whitespace())
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn every_cut_is_legal_and_the_first_is_the_last_one_there_is(
        marked in any_marked(),
        rhythm in any_rhythm(),
        cuts in select(vec![Cuts::Words, Cuts::Native]),
        end in select(vec![End::Finish, End::BreakOff]),
    ) {
        let said = run(Style::Chunks(cuts), &steps(&marked.text, &rhythm), end);
        let mut at = 0;
        for (i, it) in said.iter().enumerate() {
            at += text_of(&it.say).len();
            if it.was_ready {
                prop_assert!(marked.may_cut(cuts, at, it), "cut at {at}: {:?}", show(&said));
                let last = marked.last_cut(cuts, it.arrived);
                prop_assert!(Some(at) >= last, "the last cut is {last:?}: {:?}", show(&said));
            }
            prop_assert_eq!(it.was_ready, i + 1 < said.len());
        }
        let all = said.iter().map(|it| text_of(&it.say)).collect::<String>();
        if end == End::Finish || !said.is_empty() {
            prop_assert_eq!(&all, if marked.text.trim().is_empty() { "" } else { &marked.text });
        }
        if said.iter().all(|it| !it.was_ready) {
            prop_assert_eq!(marked.last_cut(cuts, marked.text.len()), None);
        }
    }

    #[test]
    fn the_first_chunk_is_said_as_soon_as_it_can_be(
        marked in any_marked(),
        cuts in select(vec![Cuts::Words, Cuts::Native]),
    ) {
        let mut composer = composer(Style::Chunks(cuts));
        let mut arrived = 0;
        for c in marked.text.chars() {
            composer.push(START, Piece::Text(c.to_string())).unwrap();
            arrived += c.len_utf8();
            let said = composer.ready(START);
            if !said.is_empty() {
                break;
            }
            prop_assert_eq!(marked.last_cut(cuts, arrived), None);
        }
    }
}

// --------------------------------------------------------------------------------------- anything

fn any_piece() -> impl Strategy<Value = Piece> {
    let texts = "([a-zé]{0,6}|[*_`~\\\\>]{1,4}| |\n|\n\n|```\n|, |[.] ){0,9}";
    prop_oneof![
        12 => texts.prop_map(Piece::Text),
        1 => Just(attachment("a")),
        1 => Just(suggestion("s")),
        1 => Just(language("fr")),
        1 => Just(Piece::MessageBreak),
    ]
}

fn any_step(piece: impl Strategy<Value = Piece>) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => piece.prop_map(Step::Push),
        2 => (0..500_u64).prop_map(Step::Wait),
    ]
}

fn any_turn(calls: u32) -> impl Strategy<Value = Vec<Step>> {
    let piece = prop_oneof![16 => any_piece(), calls => Just(call("c"))];
    prop::collection::vec(any_step(piece), 0..40).prop_map(|mut steps| {
        number(&mut steps);
        steps
    })
}

/// Gives everything beside the text a name of its own.
fn number(steps: &mut [Step]) {
    for (i, step) in steps.iter_mut().enumerate() {
        if let Step::Push(piece) = step {
            match piece {
                Piece::Attachment(it) => it.title = i.to_string(),
                Piece::Suggestion(it) => it.message_text = i.to_string(),
                Piece::CallAction(it) => it.title = i.to_string(),
                Piece::Language(code) => *code = i.to_string(),
                Piece::Text(_) | Piece::MessageBreak => {}
            }
        }
    }
}

fn any_style() -> impl Strategy<Value = Style> {
    select(vec![Style::Whole, WORDS, NATIVE])
}

/// A message as the user has it in the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Whole {
    text: String,
    attachments: Vec<String>,
    suggestions: Vec<String>,
}

impl Whole {
    fn add(&mut self, text: &str, extras: &Extras) {
        self.text.push_str(text);
        self.attachments.extend(extras.attachments.iter().map(|it| it.title.clone()));
        self.suggestions.extend(extras.suggestions.iter().map(|it| it.message_text.clone()));
    }

    fn is_nothing(&self) -> bool {
        self.text.trim().is_empty() && self.attachments.is_empty() && self.suggestions.is_empty()
    }
}

/// The messages that were said, put together as a client does.
fn assemble(said: &[Said]) -> Vec<Whole> {
    let mut order = Vec::new();
    let mut messages = BTreeMap::<MessageId, Whole>::new();
    for it in said {
        if let Say::Message { message_id, text, extras, .. }
        | Say::Chunk { message_id, text, extras, .. } = &it.say
        {
            if !messages.contains_key(message_id) {
                order.push(*message_id);
            }
            messages.entry(*message_id).or_default().add(text, extras);
        }
    }
    order.iter().map(|id| messages[id].clone()).collect()
}

/// The messages of a turn without call actions, by its breaks, the last of them perhaps unfinished.
fn given(steps: &[Step]) -> Vec<Whole> {
    let mut messages = vec![Whole::default()];
    for step in steps {
        let last = messages.last_mut().unwrap();
        match step {
            Step::Push(Piece::MessageBreak) => messages.push(Whole::default()),
            Step::Push(Piece::Text(text)) => last.text.push_str(text),
            Step::Push(Piece::Attachment(it)) => last.attachments.push(it.title.clone()),
            Step::Push(Piece::Suggestion(it)) => last.suggestions.push(it.message_text.clone()),
            _ => {}
        }
    }
    messages
}

fn shown(mut messages: Vec<Whole>) -> Vec<Whole> {
    for message in &mut messages {
        if message.text.trim().is_empty() {
            message.text.clear();
        }
    }
    messages.retain(|it| !it.is_nothing());
    messages
}

/// The rules that need no knowledge of what was given.
fn check_forms(style: Style, said: &[Said]) -> Result<(), TestCaseError> {
    let mut seen = Vec::new();
    // The open stream: its message, its newest chunk, when that was said.
    let mut open: Option<(MessageId, u32, Timestamp)> = None;
    for it in said {
        match &it.say {
            Say::Language(_) => prop_assert_eq!(open, None, "a language within a stream"),
            Say::Message { message_id, text, extras, call_actions } => {
                prop_assert_eq!(open, None, "a message within a stream");
                prop_assert!(!seen.contains(message_id), "an id twice");
                seen.push(*message_id);
                let shows = !text.trim().is_empty();
                prop_assert!(shows || text.is_empty(), "white space for a text");
                prop_assert!(shows || !extras.is_empty() || !call_actions.is_empty(), "nothing");
            }
            Say::Chunk { message_id, index, text, extras, is_complete } => {
                prop_assert_ne!(style, Style::Whole);
                prop_assert!(*is_complete || extras.is_empty(), "extras before the last chunk");
                prop_assert!(*is_complete || !text.is_empty(), "an empty chunk");
                if let Some((id, newest, at)) = open {
                    prop_assert_eq!((*message_id, *index), (id, newest + 1));
                    prop_assert!(!it.was_ready || it.at >= at + INTERVAL_MS, "too fast");
                } else {
                    prop_assert!(!seen.contains(message_id), "an id twice");
                    seen.push(*message_id);
                    prop_assert_eq!(*index, 1);
                    prop_assert!(!text.trim().is_empty(), "a first chunk without text");
                }
                open = (!is_complete).then_some((*message_id, *index, it.at));
            }
        }
        prop_assert!(frame_bytes(&it.say) <= SENT_FRAME_BYTES_MAX);
    }
    prop_assert_eq!(open, None, "a stream is left open");
    Ok(())
}

/// Where a session streams, only a text that stands beside call actions is not in chunks.
fn check_chunked(style: Style, said: &[Said]) -> Result<(), TestCaseError> {
    for it in said {
        if let Say::Message { text, call_actions, .. } = &it.say {
            prop_assert!(style == Style::Whole || text.is_empty() || !call_actions.is_empty());
        }
    }
    Ok(())
}

fn visible(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn a_turn_that_ends_well_says_everything_once(steps in any_turn(0), style in any_style()) {
        let said = run(style, &steps, End::Finish);
        check_forms(style, &said)?;
        check_chunked(style, &said)?;
        prop_assert_eq!(assemble(&said), shown(given(&steps)));
    }

    #[test]
    fn a_turn_that_breaks_says_what_was_complete_or_begun(
        steps in any_turn(0),
        style in any_style(),
    ) {
        let said = run(style, &steps, End::BreakOff);
        check_forms(style, &said)?;
        let mut messages = given(&steps);
        let last = messages.pop().unwrap();
        let mut expected = shown(messages);
        let ready = said.iter().filter(|it| it.was_ready).cloned().collect::<Vec<_>>();
        if assemble(&ready).len() > expected.len() {
            expected.push(last);
        }
        prop_assert_eq!(assemble(&said), expected);
    }

    #[test]
    fn call_actions_change_the_form_and_lose_nothing(
        steps in any_turn(3),
        style in any_style(),
        end in select(vec![End::Finish, End::BreakOff]),
    ) {
        let said = run(style, &steps, end);
        check_forms(style, &said)?;
        check_chunked(style, &said)?;
        if end == End::BreakOff {
            return Ok(());
        }
        let (mut whole, mut calls, mut languages) = (Whole::default(), vec![], vec![]);
        for it in &said {
            match &it.say {
                Say::Message { text, extras, call_actions, .. } => {
                    whole.add(text, extras);
                    calls.extend(call_actions.iter().map(|it| it.title.clone()));
                }
                Say::Chunk { text, extras, .. } => whole.add(text, extras),
                Say::Language(code) => languages.push(code.clone()),
            }
        }
        let mut all = Whole::default();
        for message in given(&steps) {
            all.text.push_str(&message.text);
            all.attachments.extend(message.attachments);
            all.suggestions.extend(message.suggestions);
        }
        prop_assert_eq!(visible(&whole.text), visible(&all.text));
        prop_assert_eq!(whole.attachments, all.attachments);
        prop_assert_eq!(whole.suggestions, all.suggestions);
        let pushed = |pick: fn(&Piece) -> Option<&String>| {
            let pieces = steps.iter().filter_map(|step| match step {
                Step::Push(piece) => pick(piece).cloned(),
                _ => None,
            });
            pieces.collect::<Vec<_>>()
        };
        prop_assert_eq!(calls, pushed(|it| match it {
            Piece::CallAction(it) => Some(&it.title),
            _ => None,
        }));
        prop_assert_eq!(languages, pushed(|it| match it {
            Piece::Language(code) => Some(code),
            _ => None,
        }));
    }
}

// ------------------------------------------------------------------------------------------ large

fn any_large_piece() -> impl Strategy<Value = Piece> {
    let text = (select(vec!["a", "word ", "\u{1}", "é\n", "\"", "So it is. "]), 0..40_000_usize)
        .prop_map(|(unit, bytes)| Piece::Text(unit.repeat(bytes / unit.len())));
    let sized = || (select(vec!["a", "\u{1}", "é"]), 0..110_000_usize);
    let long = |(unit, bytes): (&str, usize)| unit.repeat(bytes / 6);
    prop_oneof![
        4 => text,
        2 => (sized(), sized()).prop_map(move |(title, url)| Piece::Attachment(Attachment {
            title: long(title), content_url: long((url.0, url.1 / 2)), ..Attachment::default()
        })),
        1 => sized().prop_map(move |it| suggestion(&long(it))),
        1 => sized().prop_map(move |it| call(&long(it))),
        1 => Just(Piece::MessageBreak),
    ]
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn whatever_is_taken_fits_its_frames(
        pieces in prop::collection::vec(any_large_piece(), 0..12),
        style in any_style(),
        rhythm in prop::bool::ANY,
    ) {
        let mut composer = composer(style);
        let mut said = Vec::new();
        let (mut text, mut extras) = (String::new(), 0);
        for (piece, now) in pieces.into_iter().zip((START..).step_by(100)) {
            let (more, beside) = match &piece {
                Piece::Text(text) => (text.clone(), 0),
                Piece::MessageBreak => (String::new(), 0),
                _ => (String::new(), 1),
            };
            if composer.push(now, piece).is_ok() {
                text.push_str(&more);
                extras += beside;
            }
            if rhythm {
                said.extend(composer.ready(now));
            }
        }
        said.extend(composer.finish());
        let at = START;
        let said = said.into_iter();
        let said = said.map(|say| Said { say, at, text_at: at, arrived: 0, was_ready: false });
        let said = said.collect::<Vec<_>>();
        check_forms(style, &said)?;
        let all = said.iter().map(|it| text_of(&it.say)).collect::<String>();
        prop_assert_eq!(visible(&all), visible(&text));
        let beside = |say: &Say| match say {
            Say::Message { extras, call_actions, .. } => {
                extras.attachments.len() + extras.suggestions.len() + call_actions.len()
            }
            Say::Chunk { extras, .. } => extras.attachments.len() + extras.suggestions.len(),
            Say::Language(_) => 0,
        };
        prop_assert_eq!(said.iter().map(|it| beside(&it.say)).sum::<usize>(), extras);
    }
}
