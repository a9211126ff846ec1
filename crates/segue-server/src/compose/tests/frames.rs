//! No frame grows too large, and no text takes too long.

use segue_core::{BotProfile, Entry, EntryId, Event, Extras, Position, Say, Sequence};

use super::super::Excess;
use super::super::split::{self, CONTENT_BYTES_MAX};
use super::*;
use crate::limits::{SENT_FRAME_BYTES_MAX, TURN_TEXT_BYTES_MAX};
use crate::wire;

/// The event as a replay sends it: alone in a batch, for a bot with a long name.
pub(super) fn frame_bytes(say: &Say) -> usize {
    let name = "\"Ada\"".repeat(500);
    let avatar_url = "https://example.com/avatar".repeat(130);
    let (token, bot) = (Position(u64::MAX), BotProfile { name, avatar_url });
    let event = match say.clone() {
        Say::Message { message_id, text, extras, call_actions } => {
            Event::BotMessagePosted { token, message_id, text, extras, call_actions, bot }
        }
        Say::Chunk { message_id, index, text, extras, is_complete } => {
            Event::BotChunkPosted { token, message_id, index, text, extras, is_complete }
        }
        Say::Language(language_code) => Event::LanguageChanged { token, language_code },
    };
    let id = EntryId(u128::MAX);
    let reached = Sequence(1 << 31);
    let entry = Entry { id, position: token, reached, at: START, event };
    wire::batch(id, START, &[wire::event(&entry).unwrap()]).len()
}

#[track_caller]
fn sizes(style: Style, pieces: &[Piece]) -> Vec<String> {
    let steps = pieces.iter().cloned().map(Step::Add).collect::<Vec<_>>();
    let said = run(style, &steps, End::Finish);
    said.iter()
        .map(|it| {
            assert!(frame_bytes(&it.say) <= SENT_FRAME_BYTES_MAX, "{}", frame_bytes(&it.say));
            match &it.say {
                Say::Message { message_id, text, extras, call_actions } => {
                    let (attachments, suggestions) =
                        (extras.attachments.len(), extras.suggestions.len());
                    let (id, text, actions) = (message_id.0, text.len(), call_actions.len());
                    format!("{id} {text} {attachments}/{suggestions}/{actions}")
                }
                Say::Chunk { message_id, index, text, extras, is_complete } => {
                    let (attachments, suggestions) =
                        (extras.attachments.len(), extras.suggestions.len());
                    let last = if *is_complete { "!" } else { "" };
                    let (id, text) = (message_id.0, text.len());
                    format!("{id}.{index}{last} {text} {attachments}/{suggestions}")
                }
                Say::Language(code) => code.clone(),
            }
        })
        .collect()
}

#[test]
fn text_is_measured_as_the_wire_writes_it() {
    let all = (0..=0x2_ffff).filter_map(char::from_u32).collect::<String>();
    assert_eq!(split::text_bytes(&all), serde_json::to_string(&all).unwrap().len() - 2);
}

#[test]
fn the_reserve_is_there_for_name_and_picture() {
    let text = "a".repeat(CONTENT_BYTES_MAX);
    let id = MessageId(u128::MAX);
    let (extras, call_actions) = (Extras::default(), vec![]);
    let full = frame_bytes(&Say::Message { message_id: id, text, extras, call_actions });
    assert!(full <= SENT_FRAME_BYTES_MAX, "{full}");
}

#[test]
fn a_long_message_without_streaming_becomes_several() {
    assert_eq!(
        sizes(Style::Whole, &[text(&"word ".repeat(40_000))]),
        ["1 122875 0/0/0", "2 77125 0/0/0"]
    );
    assert_eq!(
        sizes(Style::Whole, &[text(&"words ".repeat(40_001)), call("Desk"), suggestion("Yes")]),
        ["1 122874 0/0/0", "2 117132 0/1/1"]
    );
}

#[test]
fn a_word_longer_than_a_frame_is_torn_apart() {
    let solid = "é".repeat(100_000);
    assert_eq!(sizes(Style::Whole, &[text(&solid)]), ["1 122880 0/0/0", "2 77120 0/0/0"]);
    for style in [WORDS, NATIVE] {
        assert_eq!(
            sizes(style, &[text(&solid), attachment("a")]),
            ["1.1! 122880 0/0", "2.1! 77120 1/0"]
        );
    }
    // Rather between words, though not at an allowed cut.
    let lines = format!("{} {}", "é".repeat(50_000), "é".repeat(50_000));
    assert_eq!(sizes(NATIVE, &[text(&lines)]), ["1.1! 100001 0/0", "2.1! 100000 0/0"]);
}

#[test]
fn no_message_is_made_of_white_space() {
    let lines = format!("é\n{}", "\u{1}".repeat(CONTENT_BYTES_MAX / 6));
    for style in [Style::Whole, WORDS, NATIVE] {
        let steps = [Step::Add(call("Desk")), Step::Add(text(&lines))];
        for it in run(style, &steps, End::Finish) {
            let text = text_of(&it.say);
            assert!(text.is_empty() || !text.trim().is_empty(), "{style:?}");
        }
    }
}

#[test]
fn a_long_message_is_cut_into_chunks_of_a_frame() {
    assert_eq!(
        sizes(WORDS, &[text(&"word ".repeat(40_000)), attachment("a")]),
        ["1.1 122875 0/0", "1.2! 77125 1/0"]
    );
    // Six bytes on the wire for each.
    assert_eq!(
        sizes(WORDS, &[text(&format!("a {}", "\u{1}".repeat(50_000)))]),
        ["1.1 2 0/0", "1.2! 20480 0/0", "2.1! 20480 0/0", "3.1! 9040 0/0"]
    );
}

#[test]
fn a_torn_message_is_broken_off_as_one() {
    let steps = [Step::Push(text(&"é".repeat(80_000)))];
    for style in [Style::Whole, WORDS, NATIVE] {
        let said = run(style, &steps, End::BreakOff);
        let all = said.iter().map(|it| text_of(&it.say).len()).collect::<Vec<_>>();
        assert_eq!(all, [122_880, 37_120]);
        assert!(matches!(said[1].say, Say::Message { .. } | Say::Chunk { is_complete: true, .. }));
    }
}

#[test]
fn a_frame_of_white_space_is_left_out() {
    let blank = " ".repeat(CONTENT_BYTES_MAX + 10);
    for style in [WORDS, NATIVE] {
        assert_eq!(sizes(style, &[text(&blank), text("a")]), ["1.1! 11 0/0"]);
    }
    assert_eq!(sizes(Style::Whole, &[text(&blank), text("a")]), ["1 11 0/0/0"]);
}

fn large(bytes: usize) -> Piece {
    let title = "a".repeat(bytes - 192);
    Piece::Attachment(Attachment { title, ..Attachment::default() })
}

#[test]
fn extras_that_do_not_fit_get_frames_of_their_own() {
    let half = || large(CONTENT_BYTES_MAX / 2);
    let extras = [half(), half(), half(), suggestion("a"), suggestion("b")];
    assert_eq!(sizes(Style::Whole, &extras), ["1 0 2/0/0", "2 0 1/2/0"]);
    assert_eq!(
        sizes(WORDS, &[&[text("Look")][..], &extras].concat()),
        ["1.1 4 0/0", "1.2! 0 2/0", "2 0 1/2/0"]
    );
    assert_eq!(
        sizes(Style::Whole, &[&[text("Look")][..], &extras, &[call("Desk")]].concat()),
        ["1 4 1/0/0", "2 0 2/0/0", "3 0 0/2/1"]
    );
}

#[test]
fn suggestions_stay_together_as_long_as_they_can() {
    let long = || suggestion(&"s".repeat(50_000));
    assert_eq!(
        sizes(Style::Whole, &[long(), text(&"t".repeat(50_000)), long()]),
        ["1 50000 0/0/0", "2 0 0/2/0"]
    );
    assert_eq!(
        sizes(Style::Whole, &[long(), long(), long(), text("t")]),
        ["1 1 0/2/0", "2 0 0/1/0"]
    );
}

#[test]
fn an_output_that_no_frame_holds_is_refused() {
    let mut composer = composer(WORDS);
    composer.push(START, text("a b")).unwrap();
    assert_eq!(composer.push(START, large(CONTENT_BYTES_MAX)), Ok(()));
    assert_eq!(composer.push(START, large(CONTENT_BYTES_MAX + 1)), Err(Excess::Size));
    let too_long = "a".repeat(CONTENT_BYTES_MAX + 1);
    for piece in [suggestion(&too_long), call(&too_long), language(&too_long)] {
        assert_eq!(composer.push(START, piece), Err(Excess::Size));
    }
    let url = "ü".repeat(CONTENT_BYTES_MAX / 6);
    let preview_image_url = Some(url);
    let encoded = Attachment { preview_image_url, ..Attachment::default() };
    assert_eq!(composer.push(START, Piece::Attachment(encoded)), Err(Excess::Size));
    assert_eq!(composer.finish().len(), 2);
}

#[test]
fn a_turn_has_at_most_256_kib_of_text() {
    let mut composer = composer(WORDS);
    composer.push(START, text(&"a ".repeat(TURN_TEXT_BYTES_MAX / 2 - 1))).unwrap();
    composer.push(START, Piece::MessageBreak).unwrap();
    assert_eq!(composer.push(START, text("é!")), Err(Excess::Text));
    composer.push(START, text("é")).unwrap();
    assert_eq!(composer.push(START, text("")), Ok(()));
    assert_eq!(composer.push(START, text("!")), Err(Excess::Text));
    let said = composer.finish();
    assert_eq!(said.iter().map(|say| text_of(say).len()).sum::<usize>(), TURN_TEXT_BYTES_MAX);
}

pub(super) fn text_of(say: &Say) -> &str {
    match say {
        Say::Message { text, .. } | Say::Chunk { text, .. } => text,
        Say::Language(_) => "",
    }
}

/// Characters looked at and bytes moved for one message of 256 KiB, given byte by byte.
fn work(style: Style, text: &str) -> usize {
    let mut composer = composer(style);
    let mut said = 0;
    for (ms, c) in text.chars().cycle().take(TURN_TEXT_BYTES_MAX).enumerate() {
        let now = START + ms as u64 * 50;
        composer.push(now, Piece::Text(c.to_string())).unwrap();
        said += composer.ready(now).iter().map(|say| text_of(say).len()).sum::<usize>();
    }
    let work = composer.draft.cutter.work;
    let rest = composer.finish();
    said += rest.iter().map(|say| text_of(say).len()).sum::<usize>();
    assert_eq!(said, TURN_TEXT_BYTES_MAX);
    work
}

#[test]
fn work_grows_with_the_text_and_no_faster() {
    let long = "All of this is one sentence and a little more of it. ".repeat(8);
    let texts =
        ["a", "a ", "`a ", "**a ", "a\n", "a. B", "```\na\n", "\\", &long, &format!("{long}\n")];
    for style in [Style::Whole, WORDS, NATIVE] {
        for text in texts {
            let work = work(style, text);
            let least = TURN_TEXT_BYTES_MAX / 4;
            assert!(
                (least..=3 * TURN_TEXT_BYTES_MAX).contains(&work),
                "{style:?} {text:?}: {work}"
            );
        }
    }
}
