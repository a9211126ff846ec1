//! Follows Markdown while it arrives, character by character, as far as cutting needs it: is this
//! place inside a bold span or inside code? It never looks back: every character costs the same.
//!
//! Where Markdown needs the future to decide (is this `**` ever closed?), a marker counts as open
//! until it is closed, its paragraph ends, or `CUT_BLOCKED_BYTES_MAX` have passed.

use std::collections::VecDeque;

use crate::limits::CUT_BLOCKED_BYTES_MAX;

/// Ticks or tildes that make a fence.
const FENCE_MARKS_MIN: usize = 3;

/// What is open at the end of the text so far.
pub(super) struct Markup {
    code: Code,
    stars: Bold,
    underscores: Bold,
    run: Option<Run>,
    before: Before,
    prefix: Prefix,
}

/// The character before the next one.
#[derive(Clone, Copy)]
enum Before {
    Plain(char),
    /// A backslash in text: the mark after it is an ordinary character.
    Escape,
}

enum Code {
    Outside,
    Inline { at: usize, ticks: usize },
    Fence { at: usize, mark: char, marks: usize, line: FenceLine },
}

enum FenceLine {
    /// The line that opens the fence, with the name of the language.
    Opening,
    Body,
    /// As many marks as opened it were the first thing on this line.
    Closing,
}

/// Where the bold spans begin that are open, the innermost last.
type Bold = VecDeque<usize>;

/// Equal marks in a row. What they mean depends on what comes after them.
struct Run {
    mark: char,
    marks: usize,
    at: usize,
    before: char,
    prefix: Prefix,
}

/// What the line holds so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prefix {
    /// White space and marks of quotation: a line that ends like this ends a paragraph.
    Indent,
    /// Marks of a list besides: a fence may still begin.
    Marker,
    Text,
}

impl Markup {
    pub fn new() -> Self {
        Self {
            code: Code::Outside,
            stars: Bold::new(),
            underscores: Bold::new(),
            run: None,
            before: Before::Plain('\n'),
            prefix: Prefix::Indent,
        }
    }

    /// Takes the character that begins at byte `at`.
    pub fn feed(&mut self, at: usize, c: char) {
        self.forget_before(at.saturating_sub(CUT_BLOCKED_BYTES_MAX));
        match &mut self.run {
            Some(run) if run.mark == c => run.marks += 1,
            _ => {
                if let Some(run) = self.run.take() {
                    self.end_run(&run, c);
                }
                self.begin(at, c);
            }
        }
        let in_text = matches!(self.code, Code::Outside);
        self.before = match self.before {
            Before::Plain(_) if c == '\\' && in_text => Before::Escape,
            Before::Plain(_) | Before::Escape => Before::Plain(c),
        };
    }

    /// Whether byte `at`, the end of the text so far or the begin of its last character, lies
    /// inside a bold span or code.
    pub fn blocks(&self, at: usize) -> bool {
        let recent = |begin: usize| at - begin <= CUT_BLOCKED_BYTES_MAX;
        let in_code = match self.code {
            Code::Outside => false,
            Code::Inline { at: begin, .. } | Code::Fence { at: begin, .. } => recent(begin),
        };
        let in_bold = |bold: &Bold| bold.back().is_some_and(|&begin| recent(begin));
        in_code || in_bold(&self.stars) || in_bold(&self.underscores)
    }

    // What was not closed in time was a star or a tick and nothing more. Not so a fence: whatever
    // its length, the next one must be read as its end.
    fn forget_before(&mut self, at: usize) {
        for bold in [&mut self.stars, &mut self.underscores] {
            while bold.front().is_some_and(|&begin| begin < at) {
                bold.pop_front();
            }
        }
        if matches!(self.code, Code::Inline { at: begin, .. } if begin < at) {
            self.code = Code::Outside;
        }
    }

    fn begin(&mut self, at: usize, c: char) {
        if let Before::Plain(before) = self.before
            && matches!(c, '`' | '~' | '*' | '_')
        {
            self.run = Some(Run { mark: c, marks: 1, at, before, prefix: self.prefix });
        }
        match c {
            '\n' => self.end_line(),
            c if c.is_whitespace() || c == '>' => {}
            '-' | '+' | '*' | '.' | ')' | '0'..='9' => {
                self.prefix = self.prefix.max(Prefix::Marker);
            }
            _ => self.prefix = Prefix::Text,
        }
        if let Code::Fence { line: line @ FenceLine::Closing, .. } = &mut self.code
            && !c.is_whitespace()
        {
            *line = FenceLine::Body;
        }
    }

    fn end_line(&mut self) {
        match &mut self.code {
            Code::Fence { line: FenceLine::Closing, .. } => self.code = Code::Outside,
            Code::Fence { line, .. } => *line = FenceLine::Body,
            Code::Outside | Code::Inline { .. } if self.prefix == Prefix::Indent => {
                self.code = Code::Outside;
                self.stars.clear();
                self.underscores.clear();
            }
            Code::Outside | Code::Inline { .. } => {}
        }
        self.prefix = Prefix::Indent;
    }

    fn end_run(&mut self, run: &Run, next: char) {
        let is_fence =
            run.marks >= FENCE_MARKS_MIN && run.prefix <= Prefix::Marker && "`~".contains(run.mark);
        match &mut self.code {
            Code::Inline { ticks, .. } if run.mark == '`' && *ticks == run.marks => {
                self.code = Code::Outside;
            }
            // A fence at the begin of a line is stronger than a tick before it.
            Code::Outside | Code::Inline { .. } if is_fence => {
                let (at, mark, marks) = (run.at, run.mark, run.marks);
                self.code = Code::Fence { at, mark, marks, line: FenceLine::Opening };
            }
            Code::Inline { .. } => {}
            Code::Outside => match run.mark {
                '`' => self.code = Code::Inline { at: run.at, ticks: run.marks },
                '*' => end_bold_run(&mut self.stars, run, next),
                '_' => end_bold_run(&mut self.underscores, run, next),
                _ => {}
            },
            Code::Fence { at, mark: '`', marks, line: FenceLine::Opening } if run.mark == '`' => {
                // Ticks on the line of the opening ones: it is code within a line after all.
                self.code = if run.marks == *marks {
                    Code::Outside
                } else {
                    Code::Inline { at: *at, ticks: *marks }
                };
            }
            Code::Fence { mark, marks, line: line @ FenceLine::Body, .. } => {
                let closes = run.mark == *mark && run.marks >= *marks;
                if closes && run.prefix == Prefix::Indent {
                    *line = FenceLine::Closing;
                }
            }
            Code::Fence { .. } => {}
        }
    }
}

// The rules of CommonMark for `**` and `__`, a little more willing to open and no more willing to
// close: a cut too few is seen by nobody.
fn end_bold_run(bold: &mut Bold, run: &Run, next: char) {
    if run.marks < 2 {
        return;
    }
    let is_punctuation = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
    let between_words = |c: char| run.mark == '*' || !c.is_alphanumeric();
    let can_open = !next.is_whitespace() && between_words(run.before);
    let can_close = !run.before.is_whitespace()
        && (!is_punctuation(run.before) || !next.is_alphanumeric())
        && between_words(next);
    if can_close && !bold.is_empty() {
        bold.pop_back();
        // `**one****two**` ends a span and begins one.
        if run.marks >= 4 && can_open {
            bold.push_back(run.at);
        }
    } else if can_open {
        bold.push_back(run.at);
    }
}
