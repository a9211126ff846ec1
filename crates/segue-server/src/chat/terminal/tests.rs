use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn terminal(look: Look) -> (Terminal, Paper) {
    let paper = Paper::default();
    (Terminal::new(Box::new(paper.clone()), look), paper)
}

fn check(look: Look, items: &[Item], written: &str) {
    let (mut terminal, paper) = terminal(look);
    for item in items {
        terminal.show(item).unwrap();
    }
    terminal.leave().unwrap();
    assert_eq!(String::from_utf8(paper.0.lock().unwrap().clone()).unwrap(), written);
}

fn piece(text: &str) -> Item {
    Item::Piece { by: "Ada".to_owned(), text: text.to_owned() }
}

fn busy() -> Item {
    Item::Busy { by: "Ada".to_owned() }
}

fn note(text: &str) -> Item {
    Item::Note(text.to_owned())
}

#[test]
fn a_pipe_gets_lines_and_nothing_else() {
    let said = Item::Said { by: "Ada".to_owned(), text: "Hello.\nYou!\n".to_owned() };
    check(
        Look::Plain,
        &[
            note("Ada joined"),
            busy(),
            said,
            Item::Extra("[1] Hi".to_owned()),
            Item::Own("Hi".to_owned()),
            Item::Idle,
        ],
        "* Ada joined\nAda: Hello.\nYou!\n  [1] Hi\nYou: Hi\n",
    );
}

#[test]
fn pieces_are_put_together() {
    let all = [piece("We are "), piece("open.\n"), piece("\nAlways."), Item::PieceEnd, note("x")];
    check(Look::Plain, &all, "Ada: We are open.\n\nAlways.\n* x\n");
    check(
        Look::Plain,
        &[piece("Yes.\n"), piece(""), Item::PieceEnd, note("x")],
        "Ada: Yes.\n* x\n",
    );
    check(Look::Plain, &[piece(""), Item::PieceEnd], "");
}

#[test]
fn a_message_that_is_interrupted_goes_on_on_a_line_of_its_own() {
    check(
        Look::Plain,
        &[piece("We are "), note("connection lost"), note("back"), piece("open."), Item::PieceEnd],
        "Ada: We are \n* connection lost\n* back\nAda: open.\n",
    );
}

#[test]
fn on_a_terminal_a_sign_of_work_passes() {
    let shown = "\x1b[2mAda …\x1b[0m";
    let gone = "\r\x1b[K";
    let name = "\x1b[1mAda:\x1b[0m ";
    let all = [busy(), busy(), piece("Yes."), busy(), Item::PieceEnd];
    check(Look::Terminal, &all, &format!("{shown}{gone}{name}Yes.\n"));
    check(Look::Terminal, &[busy(), Item::Idle, Item::Idle], &format!("{shown}{gone}"));
    check(Look::Terminal, &[busy()], &format!("{shown}{gone}"));
    check(Look::Plain, &[busy(), piece("Yes."), Item::PieceEnd], "Ada: Yes.\n");
}

#[test]
fn enter_moves_the_cursor_so_nothing_is_erased() {
    let (mut terminal, paper) = terminal(Look::Terminal);
    terminal.show(&busy()).unwrap();
    terminal.entered();
    terminal.show(&note("x")).unwrap();
    let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert_eq!(written, "\x1b[2mAda …\x1b[0m\x1b[2m* x\x1b[0m\n");
}

#[test]
fn nobody_steers_the_terminal_from_afar() {
    let evil = "a\x1b[2Jb\x07c\rd\u{9b}31me\u{202e}f";
    let clean = "a[2Jbcd31mef";
    check(Look::Plain, &[piece(evil), Item::PieceEnd], &format!("Ada: {clean}\n"));
    let said = Item::Said { by: evil.to_owned(), text: evil.to_owned() };
    // A carriage return is white space, and in a name white space is a space.
    check(Look::Plain, &[said], &format!("a[2Jbc d31mef: {clean}\n"));
    check(Look::Plain, &[note("one\ntwo\tthree")], "* one two three\n");
    check(Look::Plain, &[Item::Extra("a\n* b".to_owned())], "  a * b\n");
}
