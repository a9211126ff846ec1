//! What is shown of a conversation: the words for a person, or the frames for a program.

use std::io::{self, Write};

use super::{
    conversation::Seen,
    terminal::Terminal,
    transcript::{Item, Transcript},
};
use crate::limits;

/// Who reads it.
pub enum Screen {
    /// A person.
    Words {
        /// Where the words go.
        terminal: Terminal,
        /// What they are.
        transcript: Transcript,
        /// Whether messages of one's own are shown when they have arrived: not where typing them
        /// has left them on the screen.
        own: Own,
    },
    /// A program. What is no frame goes elsewhere, so that each line is one.
    Frames {
        /// Where the frames go.
        out: Box<dyn Write + Send>,
        /// Where the rest goes.
        notices: Box<dyn Write + Send>,
    },
}

/// Whether messages of one's own are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// They are on the screen already.
    Typed,
    /// They come from a file or a program.
    Shown,
}

impl Screen {
    /// A frame has come, and this is new in it.
    pub fn receive(&mut self, frame: &str, seen: Vec<Seen>) -> io::Result<()> {
        match self {
            Screen::Words { terminal, transcript, own } => {
                for seen in seen {
                    for item in items(transcript, *own, seen) {
                        terminal.show(&item)?;
                    }
                }
                Ok(())
            }
            Screen::Frames { out, .. } => {
                // A line break in JSON is only ever white space between its parts.
                writeln!(out, "{}", frame.replace(['\n', '\r'], " "))?;
                out.flush()
            }
        }
    }

    /// A frame has been sent.
    pub fn send(&mut self, frame: &str) -> io::Result<()> {
        match self {
            Screen::Words { .. } => Ok(()),
            Screen::Frames { out, .. } => {
                writeln!(out, "{{\"sent\":{frame}}}")?;
                out.flush()
            }
        }
    }

    /// Something happened around the conversation.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        match self {
            Screen::Words { terminal, .. } => terminal.show(&Item::Note(text.to_owned())),
            Screen::Frames { notices, .. } => writeln!(notices, "segue: {text}"),
        }
    }

    /// Nobody is at work any more.
    pub fn idle(&mut self) -> io::Result<()> {
        match self {
            Screen::Words { terminal, .. } => terminal.show(&Item::Idle),
            Screen::Frames { .. } => Ok(()),
        }
    }

    /// A line has come in.
    pub fn entered(&mut self) {
        match self {
            Screen::Words { terminal, own: Own::Typed, .. } => terminal.entered(),
            Screen::Words { .. } | Screen::Frames { .. } => {}
        }
    }

    /// What is meant by a line that is to be said: a number that is offered stands for its
    /// suggestion. Nothing is offered afterwards.
    pub fn read(&mut self, line: String) -> io::Result<String> {
        let Screen::Words { terminal, transcript, own } = self else { return Ok(line) };
        let picked = transcript.pick(&line).map(str::to_owned);
        if let (Some(picked), Own::Typed) = (&picked, *own) {
            terminal.show(&Item::Own(picked.clone()))?;
        }
        transcript.withdraw_suggestions();
        Ok(picked.unwrap_or(line))
    }

    /// Nothing follows.
    pub fn leave(&mut self) -> io::Result<()> {
        match self {
            Screen::Words { terminal, .. } => terminal.leave(),
            Screen::Frames { out, .. } => out.flush(),
        }
    }
}

fn items(transcript: &mut Transcript, own: Own, seen: Seen) -> Vec<Item> {
    match seen {
        Seen::Event(what) => transcript.take(what),
        Seen::Confirmed { text } => match own {
            Own::Typed => Vec::new(),
            Own::Shown => vec![Item::Own(text)],
        },
        Seen::Refused { text, why } => {
            vec![Item::Note(format!("not sent: \"{}\" ({why})", excerpt(&text)))]
        }
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(limits::CHAT_EXCERPT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
