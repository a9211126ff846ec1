//! Where a text may be cut into chunks (protocol, section 6), found while it arrives, each
//! character looked at once. It says where; when, and whether to cut at all, is the composer's.

use super::markup::Markup;
use super::{Cuts, split};
use crate::limits::NATIVE_PARAGRAPH_CHARS_MAX;

/// A place in a text, by what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes of UTF-8.
    pub at: usize,
    /// Bytes as JSON.
    pub json: usize,
}

/// Reads a text and knows the last place where it may be cut.
pub(super) struct Cutter {
    rules: Rules,
    markup: Markup,
    /// Where the text begins that is not yet said.
    start: Place,
    /// Where the text ends that has arrived.
    end: Place,
    /// Byte at which the last character begins that is not white space.
    visible_at: Option<usize>,
    gap: Gap,
    /// The last allowed cut after `start`.
    allowed: Option<Place>,
    /// The last end of white space with something visible between it and `start`, for want of an
    /// allowed cut; and the byte of the last visible character before it.
    gap_end: Option<(usize, Place)>,
    /// Characters looked at and bytes moved: what a test holds to be linear.
    #[cfg(test)]
    pub work: usize,
}

enum Rules {
    Words,
    Native(Paragraph),
}

/// The white space that the text so far ends in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    /// Of the kind that is there to keep words together.
    Tight,
    Loose,
}

impl Cutter {
    pub fn new(cuts: Cuts) -> Self {
        let zero = Place { at: 0, json: 0 };
        Self {
            rules: match cuts {
                Cuts::Words => Rules::Words,
                Cuts::Native => Rules::Native(Paragraph::new()),
            },
            markup: Markup::new(),
            start: zero,
            end: zero,
            visible_at: None,
            gap: Gap::None,
            allowed: None,
            gap_end: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// Takes the next character.
    pub fn feed(&mut self, c: char) {
        let here = self.end;
        self.markup.feed(here.at, c);
        let free = self.is_free(here).then_some(here);
        let found = match &mut self.rules {
            Rules::Words if self.gap == Gap::Loose && !c.is_whitespace() => free,
            Rules::Words => None,
            Rules::Native(paragraph) => paragraph.feed(c, free),
        };
        self.allowed = found.or(self.allowed);
        if !c.is_whitespace() {
            let shown = self.visible_at.filter(|at| *at >= self.start.at);
            if let (Gap::Tight | Gap::Loose, Some(at)) = (self.gap, shown) {
                self.gap_end = Some((at, here));
            }
            self.visible_at = Some(here.at);
        }
        self.gap = match c {
            // Made not to break a line, and so not a text either.
            '\u{a0}' | '\u{2007}' | '\u{202f}' if self.gap == Gap::None => Gap::Tight,
            '\u{a0}' | '\u{2007}' | '\u{202f}' => self.gap,
            c if c.is_whitespace() => Gap::Loose,
            _ => Gap::None,
        };
        self.end = Place { at: here.at + c.len_utf8(), json: here.json + split::char_bytes(c) };
        #[cfg(test)]
        {
            self.work += 1;
        }
    }

    /// The last allowed cut of the text that is not yet said.
    pub fn allowed(&self) -> Option<Place> {
        self.allowed
    }

    /// The end of the text, where a cut is allowed there unless more white space follows.
    pub fn allowed_at_end(&self) -> Option<Place> {
        let ends_word = matches!(self.rules, Rules::Words) && self.gap == Gap::Loose;
        (ends_word && self.is_free(self.end)).then_some(self.end)
    }

    /// Where to end a text that has grown too long and has no allowed cut.
    pub fn forced(&self) -> Place {
        self.gap_end.map_or(self.end, |(_, place)| place)
    }

    /// What is before this place is said, or as good as said.
    pub fn advance(&mut self, place: Place) {
        let is_later = |found: &Place| found.at > place.at;
        self.start = place;
        self.allowed = self.allowed.filter(is_later);
        self.gap_end = self.gap_end.filter(|(shown, _)| *shown >= place.at);
        if let Rules::Native(paragraph) = &mut self.rules {
            paragraph.line_end = paragraph.line_end.filter(is_later);
            paragraph.sentence_end = paragraph.sentence_end.filter(is_later);
        }
        #[cfg(test)]
        {
            self.work += self.end.at - place.at;
        }
    }

    /// Bytes of the unsaid text before a place.
    pub fn bytes_before(&self, place: Place) -> usize {
        place.at - self.start.at
    }

    /// Bytes of the unsaid text as JSON.
    pub fn json_bytes(&self) -> usize {
        self.end.json - self.start.json
    }

    /// Whether the unsaid text holds anything but white space.
    pub fn is_visible(&self) -> bool {
        self.visible_at.is_some_and(|at| at >= self.start.at)
    }

    // At the end of the text so far, or before its last character where that is being taken.
    fn is_free(&self, place: Place) -> bool {
        self.is_visible() && !self.markup.blocks(place.at)
    }
}

/// A paragraph of a native session, from one line feed to the next.
struct Paragraph {
    chars: usize,
    before: char,
    word: Word,
    ending: Ending,
    /// The last end of a sentence, as long as the paragraph is too short to be cut there.
    sentence_end: Option<Place>,
    /// Before a carriage return: a cut is allowed there if a line feed follows.
    line_end: Option<Place>,
}

/// What a full stop after it depends on: the one of `1.`, `J.` or `e.g.` ends no sentence.
#[derive(Default)]
struct Word {
    letters: usize,
    stops: usize,
}

/// How much of the end of a sentence has been seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    None,
    Stop,
    Space,
}

impl Paragraph {
    fn new() -> Self {
        Self {
            chars: 0,
            before: '\n',
            word: Word::default(),
            ending: Ending::None,
            sentence_end: None,
            line_end: None,
        }
    }

    /// Takes the next character and gives the allowed cut that it shows. `free` is the place before
    /// it, unless that lies inside something or nothing visible is before it.
    fn feed(&mut self, c: char, free: Option<Place>) -> Option<Place> {
        // White space before a line feed, or a backslash, and the space with which those clients
        // join chunks would turn it into a hard break, or spoil one.
        let ends_well = !self.before.is_whitespace() && self.before != '\\';
        let line_end = self.line_end.take();
        match c {
            '\n' => {
                *self = Self::new();
                line_end.or(free.filter(|_| ends_well))
            }
            '\r' => {
                self.line_end = free.filter(|_| ends_well);
                self.before = c;
                self.ending = Ending::None;
                None
            }
            c => {
                self.feed_sentence(c, free);
                self.chars += 1;
                self.before = c;
                self.sentence_end.take_if(|_| self.chars > NATIVE_PARAGRAPH_CHARS_MAX)
            }
        }
    }

    fn feed_sentence(&mut self, c: char, free: Option<Place>) {
        if c.is_whitespace() {
            self.word = Word::default();
            self.ending = match self.ending {
                Ending::Stop | Ending::Space if c == ' ' => Ending::Space,
                Ending::None | Ending::Stop | Ending::Space => Ending::None,
            };
            return;
        }
        if self.ending == Ending::Space && !c.is_lowercase() {
            self.sentence_end = free.or(self.sentence_end);
        }
        self.ending = match c {
            '.' if self.word.letters >= 2 && self.word.stops == 0 => Ending::Stop,
            '!' | '?' | '…' => Ending::Stop,
            '"' | '\'' | ')' | ']' | '*' | '_' | '”' | '’' | '»' => match self.ending {
                Ending::Stop => Ending::Stop,
                Ending::None | Ending::Space => Ending::None,
            },
            _ => Ending::None,
        };
        self.word.stops += usize::from(c == '.');
        self.word.letters += usize::from(c.is_alphabetic());
    }
}
