//! Where a text may be cut. In the texts here, `|` marks each place at which a cut is ever allowed.

use super::super::cut::Cutter;
use super::Cuts;

#[track_caller]
fn check(cuts: Cuts, marked: &str) {
    let text = marked.replace('|', "");
    let mut cutter = Cutter::new(cuts);
    let mut places = Vec::new();
    for c in text.chars() {
        cutter.feed(c);
        places.extend(cutter.allowed().map(|place| place.at));
    }
    places.dedup();
    let mut shown = text.clone();
    for at in places.iter().rev() {
        shown.insert(*at, '|');
    }
    assert_eq!(shown, marked);
}

#[track_caller]
fn words(marked: &str) {
    check(Cuts::Words, marked);
}

#[track_caller]
fn native(marked: &str) {
    check(Cuts::Native, marked);
}

#[test]
fn words_are_cut_after_white_space() {
    words("One |two, |three");
    words("One \n\t|two\n\n|three ");
    words("  One");
    words("日本語\u{3000}|です");
    words("See |https://example.com/a?b=c%20d, |there");
}

#[test]
fn white_space_that_holds_words_together_is_no_cut() {
    words("10\u{a0}000 |people");
    words("10\u{202f}000");
    words("10\u{a0} |000");
    words("10 \u{a0}|000");
}

#[test]
fn bold_is_not_cut() {
    words("a |**b c** |d |__e f__ |g");
    words("a |**b c**, |d");
    words("(**b c**) |d");
    words("**b** |**c**");
    words("**a b****c d** |e");
    words("a |***b c*** |d");
    words("**a __b c__ d** |e");
    words("**a **b** c d** |e");
}

#[test]
fn what_only_looks_like_bold_is_cut() {
    words("2 |** |3 |is |8");
    words("snake__case |name |and__so |on");
    words("* |one |*two |three*");
    words("a |\\**b |c");
    words("_a |b_");
    words("***\n|a |b");
}

#[test]
fn bold_ends_with_its_paragraph() {
    words("**a b\nc\n\n|d |e");
    words("**a b\n > \n|d |e");
}

#[test]
fn code_is_not_cut() {
    words("a |`b c` |d");
    words("a |``b ` c`` |d");
    words("`a **b` |c |d");
    words("`a\\` |b");
    words("a |\\`b |c");
    words("a |\\\\`b c` |d");
    words("a |`b c\n\n|d |e");
}

#[test]
fn fenced_code_is_not_cut() {
    words("a\n|```rust\nlet x = 1;\n\n** ` y\n```\n|b |c");
    words("a\n|~~~\n``` b\n~~~\n|c |d");
    words("- |```\n  a b\n  ```\n|c |d");
    words("```\na b\n``` c\n```` \n|d |e");
    words("```\na b ```\nc d\n```\n|e |f");
    words("~~~\n```\na b\n~~~\n|c |d");
    words("```\na b\n```\r\n|c |d");
    words("```a b``` |c |d");
    words("```a ` b``` |c |d");
    words("a |` b\n```\nc d\n\ne f\n```\n|g |h");
}

#[test]
fn a_marker_that_is_not_closed_blocks_for_a_kibibyte() {
    for marker in ["**", "__", "`", "``", "```\n", "~~~\n"] {
        let blocked = format!("{marker}{}", "x".repeat(1_023 - marker.len()));
        // The last place that is blocked comes 1,024 bytes after the begin of the marker.
        words(&format!("a\n|{blocked} y |z"));
        words(&format!("a\n|{blocked}x |y |z"));
    }
}

#[test]
fn what_was_open_for_too_long_is_forgotten() {
    let long = "x ".repeat(600);
    let last_cut = |text: &str| {
        let mut cutter = Cutter::new(Cuts::Words);
        text.chars().for_each(|c| cutter.feed(c));
        cutter.allowed().map(|place| place.at)
    };
    // A stray marker was text, and the next one is the begin of something.
    for marker in ["**", "`"] {
        let stray = format!("{marker}{long}");
        assert_eq!(last_cut(&format!("{stray}{marker}b c d")), Some(stray.len()), "{marker}");
    }
    let stray = format!("**{long}");
    assert_eq!(last_cut(&format!("{stray}a**b c d")), Some(stray.len()));
    // The end of a long block of code is its end.
    let block = format!("```\n{long}\n```\nb ");
    assert_eq!(last_cut(&format!("{block}c")), Some(block.len()));
    // A stray marker does not use up the end of what began after it.
    let bold = format!("**{}**b c{}** ", "x ".repeat(505), " d".repeat(20));
    assert_eq!(last_cut(&bold), None);
    assert_eq!(last_cut(&format!("{bold}e")), Some(bold.len()));
}

#[test]
fn native_texts_are_cut_before_line_feeds() {
    native("One two.|\n\nThree|\n- four|\n- five");
    native("One|\r\n\r\nTwo\rthree");
    native("\n\nOne|\n\n");
}

#[test]
fn native_texts_are_not_cut_where_a_space_would_change_them() {
    native("One \nTwo");
    native("One  \nTwo");
    native("One\\\nTwo");
    native("One\t\r\nTwo\\\r\nThree");
}

#[test]
fn native_texts_are_not_cut_inside_bold_or_code() {
    native("**One\ntwo**|\nthree");
    native("`One\ntwo`|\nthree");
    native("One|\n```\ntwo\n\nthree\n```|\nfour");
}

#[test]
fn long_paragraphs_are_cut_after_sentences() {
    let long = "This has some eighty characters, and that is enough for a test of paragraphs: one";
    // Beyond 200 characters the last end of a sentence counts, and from then on each.
    let (a, b) = (format!("{long}. "), format!("{long}! "));
    native(&format!("{a}{b}|{a}|Next… |\"So?\" |So"));
    // A short paragraph after a long one.
    native(&format!("{a}{a}|{a}|End.|\nShort. Very short."));
}

#[test]
fn what_only_looks_like_the_end_of_a_sentence_is_no_cut() {
    let x = "x".repeat(250);
    native(&format!("{x} e.g. This, J. Smith, 2. B, v1.2. Then, so... Well"));
    native(&format!("{x} etc. and. so on"));
    native(&format!("{x} end.\tTab. \nLine"));
    native(&format!("{x} **See. That.** |Yes"));
    native(&format!("{x} (Like this.) |Yes, 'that!' |And `a. B` too. |Good"));
}

#[test]
fn a_paragraph_of_two_hundred_characters_is_not_cut() {
    // Characters are counted, not bytes.
    let rest = "É".repeat(200 - "Yes. ".len());
    native(&format!("Yes. {rest}"));
    native(&format!("Yes. |{rest}É"));
}
