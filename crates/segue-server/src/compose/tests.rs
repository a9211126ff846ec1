//! A script of outputs and pauses in, what is said and when out.

mod cuts;
mod frames;
mod order;
mod properties;

use segue_core::{Attachment, CallAction, Extras, MessageId, Say, Suggestion, Timestamp};

use super::{Composer, Cuts, Piece, Style};

const WORDS: Style = Style::Chunks(Cuts::Words);
const NATIVE: Style = Style::Chunks(Cuts::Native);
const INTERVAL_MS: u64 = 200;
const START: Timestamp = 1_000_000;

#[derive(Debug, Clone)]
enum Step {
    /// The bot gives this, and what may be said is said.
    Push(Piece),
    /// The bot gives this, and more is at hand.
    Add(Piece),
    /// The bot gives nothing for so many milliseconds.
    Wait(u64),
    /// The message is over, and no more is known.
    EndMessage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finish,
    BreakOff,
}

/// Something that was said, and when.
#[derive(Debug, Clone)]
struct Said {
    say: Say,
    at: Timestamp,
    /// When the last text had arrived.
    text_at: Timestamp,
    /// Bytes of text that had arrived.
    arrived: usize,
    /// Whether it was said before the turn ended.
    was_ready: bool,
}

fn composer(style: Style) -> Composer {
    let mut last = 0;
    Composer::new(style, INTERVAL_MS, move || {
        last += 1;
        MessageId(last)
    })
}

/// Runs a turn and holds `wake_at` to its word at every step.
fn run(style: Style, steps: &[Step], end: End) -> Vec<Said> {
    let mut turn =
        Turn { composer: composer(style), now: START, said: vec![], text_at: 0, arrived: 0 };
    for step in steps {
        match step {
            Step::Push(piece) => {
                turn.push(piece);
                turn.listen();
            }
            Step::Add(piece) => turn.push(piece),
            Step::Wait(ms) => turn.wait(*ms),
            Step::EndMessage => turn.composer.end_message(),
        }
    }
    let rest = match end {
        End::Finish => turn.composer.finish(),
        End::BreakOff => turn.composer.break_off(),
    };
    turn.note(rest, false);
    assert_eq!(turn.composer.has_said_anything(), turn.said.iter().any(|it| is_seen(&it.say)));
    assert_eq!(turn.composer.wake_at(), None, "nothing is left");
    assert_eq!(turn.composer.finish(), [], "nothing is left");
    turn.said
}

fn is_seen(say: &Say) -> bool {
    !matches!(say, Say::Language(_))
}

struct Turn {
    composer: Composer,
    now: Timestamp,
    said: Vec<Said>,
    text_at: Timestamp,
    arrived: usize,
}

impl Turn {
    fn push(&mut self, piece: &Piece) {
        if let Piece::Text(text) = piece {
            self.arrived += text.len();
            self.text_at = self.now;
        }
        self.composer.push(self.now, piece.clone()).unwrap();
    }

    fn listen(&mut self) {
        let promised = self.composer.wake_at().is_some_and(|at| at <= self.now);
        let says = self.composer.ready(self.now);
        assert_eq!(!says.is_empty(), promised, "wake_at said so");
        self.note(says, true);
        assert!(self.composer.wake_at().is_none_or(|at| at > self.now), "all was said");
    }

    fn wait(&mut self, ms: u64) {
        // What was only added is said before time passes.
        self.listen();
        let until = self.now + ms;
        while let Some(at) = self.composer.wake_at().filter(|at| *at <= until) {
            assert_eq!(self.composer.ready(at - 1), [], "not before wake_at");
            self.now = at;
            self.listen();
        }
        self.now = until;
        self.listen();
    }

    fn note(&mut self, says: Vec<Say>, was_ready: bool) {
        let (at, text_at, arrived) = (self.now, self.text_at, self.arrived);
        let said = says.into_iter().map(|say| Said { say, at, text_at, arrived, was_ready });
        self.said.extend(said);
    }
}

/// One line for each thing that was said: when; message, and chunk (`!` is the last); text; extras.
fn show(said: &[Said]) -> Vec<String> {
    said.iter()
        .map(|it| match &it.say {
            Say::Message { message_id, text, extras, call_actions } => {
                let actions = call_actions.iter().map(|it| format!(" +call {}", it.title));
                let actions = actions.collect::<String>();
                format!("{} {} {text:?}{}{actions}", it.at - START, message_id.0, beside(extras))
            }
            Say::Chunk { message_id, index, text, extras, is_complete } => {
                let last = if *is_complete { "!" } else { "" };
                let at = it.at - START;
                format!("{at} {}.{index}{last} {text:?}{}", message_id.0, beside(extras))
            }
            Say::Language(code) => format!("{} language {code}", it.at - START),
        })
        .collect()
}

fn beside(extras: &Extras) -> String {
    let attachments = extras.attachments.iter().map(|it| format!(" +attachment {}", it.title));
    let suggestions =
        extras.suggestions.iter().map(|it| format!(" +suggestion {}", it.message_text));
    attachments.chain(suggestions).collect()
}

#[track_caller]
fn check(style: Style, steps: &[Step], end: End, expected: &[&str]) {
    assert_eq!(show(&run(style, steps, end)), expected);
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn attachment(title: &str) -> Piece {
    let content_url = format!("https://example.com/{title}");
    Piece::Attachment(Attachment { title: title.to_owned(), content_url, ..Attachment::default() })
}

fn suggestion(message_text: &str) -> Piece {
    let message_text = message_text.to_owned();
    Piece::Suggestion(Suggestion { message_text, payload: None })
}

fn call(title: &str) -> Piece {
    let contact_number = "+441632960000".to_owned();
    Piece::CallAction(CallAction { title: title.to_owned(), contact_number })
}

fn language(code: &str) -> Piece {
    Piece::Language(code.to_owned())
}
