//! Lines on a terminal, or in a pipe that will be read like one. Nothing that the server says can
//! steer the terminal: control characters are taken out of all of it.

use std::io::{self, Write};

use super::transcript::Item;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";
const ERASE_LINE: &str = "\r\x1b[K";

/// What the output can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Lines of text, nothing else.
    Plain,
    /// Lines can be erased, and letters be bold or dim.
    Terminal,
}

/// The output, and what stands on its last line.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    look: Look,
    last_line: LastLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastLine {
    /// Nothing.
    Empty,
    /// Something that goes when anything else comes.
    Passing,
    /// A message that is growing and whose last character was no line break.
    Open,
    /// A message that is growing, at the beginning of a line of it.
    Fresh,
}

impl Terminal {
    /// Writes there.
    pub fn new(out: Box<dyn Write + Send>, look: Look) -> Self {
        Self { out, look, last_line: LastLine::Empty }
    }

    /// The person has pressed Enter, so the cursor is at the beginning of a line.
    pub fn entered(&mut self) {
        self.last_line = match self.last_line {
            LastLine::Empty | LastLine::Passing => LastLine::Empty,
            LastLine::Open | LastLine::Fresh => LastLine::Fresh,
        };
    }

    /// Shows it at once.
    pub fn show(&mut self, item: &Item) -> io::Result<()> {
        match item {
            Item::Piece { by, text } => self.piece(by, text)?,
            Item::PieceEnd => self.end_line()?,
            Item::Said { by, text } => {
                self.end_line()?;
                self.speaker(by)?;
                writeln!(self.out, "{}", block(text).trim_end_matches('\n'))?;
            }
            Item::Own(text) => {
                self.end_line()?;
                self.speaker("You")?;
                writeln!(self.out, "{}", block(text))?;
            }
            Item::Extra(text) => {
                self.end_line()?;
                writeln!(self.out, "  {}", line(text))?;
            }
            Item::Note(text) => self.note(text)?,
            Item::Busy { by } => self.busy(by)?,
            Item::Idle => self.erase_passing()?,
        }
        self.out.flush()
    }

    fn piece(&mut self, by: &str, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        match self.last_line {
            LastLine::Empty | LastLine::Passing => {
                self.erase_passing()?;
                self.speaker(by)?;
            }
            LastLine::Open | LastLine::Fresh => {}
        }
        let text = block(text);
        write!(self.out, "{text}")?;
        let is_fresh = text.ends_with('\n');
        self.last_line = if is_fresh { LastLine::Fresh } else { LastLine::Open };
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.end_line()?;
        let text = line(text);
        match self.look {
            Look::Plain => writeln!(self.out, "* {text}"),
            Look::Terminal => writeln!(self.out, "{DIM}* {text}{PLAIN}"),
        }
    }

    /// Only where it can be taken back, and never into the middle of a message.
    fn busy(&mut self, by: &str) -> io::Result<()> {
        let is_clear = matches!(self.last_line, LastLine::Empty);
        if self.look == Look::Plain || !is_clear {
            return Ok(());
        }
        self.last_line = LastLine::Passing;
        write!(self.out, "{DIM}{} …{PLAIN}", line(by))
    }

    fn speaker(&mut self, name: &str) -> io::Result<()> {
        let name = line(name);
        match self.look {
            Look::Plain => write!(self.out, "{name}: "),
            Look::Terminal => write!(self.out, "{BOLD}{name}:{PLAIN} "),
        }
    }

    fn erase_passing(&mut self) -> io::Result<()> {
        if self.last_line == LastLine::Passing {
            write!(self.out, "{ERASE_LINE}")?;
            self.last_line = LastLine::Empty;
        }
        Ok(())
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.erase_passing()?;
        if self.last_line == LastLine::Open {
            writeln!(self.out)?;
        }
        self.last_line = LastLine::Empty;
        Ok(())
    }

    /// Leaves the output as the next program would like to find it.
    pub fn leave(&mut self) -> io::Result<()> {
        self.end_line()?;
        self.out.flush()
    }
}

/// Text that may have several lines.
fn block(text: &str) -> String {
    text.chars().filter(|it| matches!(it, '\n' | '\t') || is_harmless(*it)).collect()
}

/// Text that must stay on its line.
fn line(text: &str) -> String {
    let text = text.chars().map(|it| if it.is_whitespace() { ' ' } else { it });
    text.filter(|it| is_harmless(*it)).collect()
}

/// Control characters steer the terminal, and these others turn round the order of what is read.
fn is_harmless(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

#[cfg(test)]
mod tests;
