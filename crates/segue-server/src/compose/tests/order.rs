//! What is said, in which form, in which order and when.

use segue_core::{ConnectorId, Facts, HandOff, Output, TokenId};

use super::super::{Composer, Excess};
use super::Step::{Add, EndMessage, Push, Wait};
use super::*;
use crate::limits::TURN_OUTPUTS_MAX;
use Piece::MessageBreak;

#[test]
fn without_streaming_a_message_is_said_whole_when_it_is_complete() {
    check(
        Style::Whole,
        &[
            Push(text("We are ")),
            Wait(500),
            Push(attachment("map")),
            Push(text("open.")),
            Push(suggestion("Book")),
            Push(call("Desk")),
            Wait(5),
            Push(MessageBreak),
            Push(text("Bye.")),
        ],
        End::Finish,
        &["505 1 \"We are open.\" +attachment map +suggestion Book +call Desk", "505 2 \"Bye.\""],
    );
}

#[test]
fn the_first_chunk_goes_at_the_last_cut_and_the_others_at_their_pace() {
    check(
        WORDS,
        &[
            Push(text("We")),
            Push(text(" are open ev")),
            Push(text("ery day ")),
            Wait(100),
            Push(text("from ten to ten.")),
            Push(attachment("map")),
            Wait(150),
            Push(suggestion("Book")),
            Push(text(" Come")),
        ],
        End::Finish,
        &[
            "0 1.1 \"We are open \"",
            "200 1.2 \"every day from ten to \"",
            "250 1.3! \"ten. Come\" +attachment map +suggestion Book",
        ],
    );
}

#[test]
fn a_message_that_is_complete_before_it_is_begun_is_one_chunk() {
    for style in [WORDS, NATIVE] {
        check(
            style,
            &[Add(text("One two\n\nthree.")), Add(attachment("a")), Add(MessageBreak)],
            End::Finish,
            &["0 1.1! \"One two\\n\\nthree.\" +attachment a"],
        );
    }
}

#[test]
fn white_space_at_the_end_is_a_cut_when_nothing_has_followed_for_a_while() {
    check(
        WORDS,
        &[Push(text("One ")), Wait(199), Push(text(" two ")), Wait(1_000), Push(text("three"))],
        End::Finish,
        &["199 1.1 \"One  \"", "399 1.2 \"two \"", "1199 1.3! \"three\""],
    );
    check(
        WORDS,
        &[Push(text("One ")), Wait(1_000)],
        End::Finish,
        &["200 1.1 \"One \"", "1000 1.2! \"\""],
    );
}

#[test]
fn a_pause_is_no_cut_within_a_word_or_for_native_clients() {
    check(WORDS, &[Push(text("One")), Wait(900)], End::Finish, &["900 1.1! \"One\""]);
    check(NATIVE, &[Push(text("One ")), Wait(900)], End::Finish, &["900 1.1! \"One \""]);
}

#[test]
fn native_clients_get_a_line_as_soon_as_it_ends() {
    check(
        NATIVE,
        &[
            Push(text("First line.")),
            Push(text("\n")),
            Push(text("- one\n- two\n- thr")),
            Wait(200),
            Push(text("ee")),
        ],
        End::Finish,
        &["0 1.1 \"First line.\"", "200 1.2 \"\\n- one\\n- two\"", "200 1.3! \"\\n- three\""],
    );
}

#[test]
fn the_first_chunk_of_a_message_waits_for_nothing_but_those_before_it() {
    check(
        WORDS,
        &[
            Push(text("a b")),
            Wait(10),
            Push(MessageBreak),
            Push(text("c d")),
            Push(MessageBreak),
            Push(text("e f")),
            Wait(500),
        ],
        End::Finish,
        &["0 1.1 \"a \"", "200 1.2! \"b\"", "200 2.1! \"c d\"", "200 3.1 \"e \"", "510 3.2! \"f\""],
    );
}

#[test]
fn a_caller_may_keep_the_pace_to_the_last_chunk() {
    check(
        WORDS,
        &[Push(text("a b")), EndMessage, Wait(500)],
        End::Finish,
        &["0 1.1 \"a \"", "200 1.2! \"b\""],
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_a_stream() {
    let mut composer = composer(WORDS);
    composer.push(START, text("a b")).unwrap();
    assert_eq!(composer.ready(START).len(), 1);
    let earlier = START - 60_000;
    composer.push(earlier, text(" c")).unwrap();
    assert_eq!(composer.wake_at(), Some(earlier + INTERVAL_MS));
    assert_eq!(composer.ready(earlier + INTERVAL_MS).len(), 1);
}

#[test]
fn what_shows_nothing_is_not_said() {
    for style in [Style::Whole, WORDS, NATIVE] {
        for end in [End::Finish, End::BreakOff] {
            let blank = [Push(text("")), Push(MessageBreak), Push(text(" \n")), Wait(900)];
            check(style, &blank, end, &[]);
        }
        check(
            style,
            &[Push(text("\n")), Push(MessageBreak), Push(MessageBreak), Push(attachment("a"))],
            End::Finish,
            &["0 1 \"\" +attachment a"],
        );
    }
}

#[test]
fn a_stream_does_not_begin_with_white_space_alone() {
    check(
        WORDS,
        &[Push(text("\n\n ")), Wait(900), Push(text("Hi")), Push(text(" you"))],
        End::Finish,
        &["900 1.1 \"\\n\\n Hi \"", "900 1.2! \"you\""],
    );
    check(
        NATIVE,
        &[Push(text("\n\nHi\n"))],
        End::Finish,
        &["0 1.1 \"\\n\\nHi\"", "0 1.2! \"\\n\""],
    );
}

#[test]
fn without_text_or_with_call_actions_a_message_is_whole_in_a_stream_too() {
    check(
        WORDS,
        &[
            Push(suggestion("Yes")),
            Push(MessageBreak),
            Push(text("Call")),
            Push(call("Desk")),
            Push(text(" us now")),
            Wait(900),
            Push(MessageBreak),
            Push(text("Or stay.")),
        ],
        End::Finish,
        &[
            "0 1 \"\" +suggestion Yes",
            "900 2 \"Call us now\" +call Desk",
            "900 3.1 \"Or \"",
            "900 3.2! \"stay.\"",
        ],
    );
}

#[test]
fn a_call_action_after_the_first_chunk_closes_the_message() {
    check(
        WORDS,
        &[
            Push(text("Call us")),
            Push(attachment("map")),
            Push(call("Desk")),
            Push(call("Sales")),
            Push(suggestion("Later")),
            Wait(300),
            Push(text("Or not.")),
        ],
        End::Finish,
        &[
            "0 1.1 \"Call \"",
            "200 1.2! \"us\" +attachment map",
            "300 2 \"\" +suggestion Later +call Desk +call Sales",
            "300 3.1 \"Or \"",
            "300 3.2! \"not.\"",
        ],
    );
}

#[test]
fn a_language_keeps_its_place_but_not_within_a_message() {
    check(
        WORDS,
        &[
            Push(language("fr")),
            Push(text("Bonjour, on")),
            Push(language("es")),
            Push(text(" continue")),
            Push(MessageBreak),
            Push(language("de")),
        ],
        End::Finish,
        &[
            "0 language fr",
            "0 1.1 \"Bonjour, \"",
            "0 1.2! \"on continue\"",
            "0 language es",
            "0 language de",
        ],
    );
    check(
        Style::Whole,
        &[Push(text("Hi")), Push(language("fr")), Push(attachment("a"))],
        End::Finish,
        &["0 1 \"Hi\" +attachment a", "0 language fr"],
    );
}

#[test]
fn a_broken_stream_is_closed_with_what_had_arrived() {
    check(
        WORDS,
        &[Push(text("One two thr")), Push(suggestion("Go on")), Push(language("fr"))],
        End::BreakOff,
        &["0 1.1 \"One two \"", "0 1.2! \"thr\" +suggestion Go on", "0 language fr"],
    );
}

#[test]
fn a_broken_message_of_which_nothing_was_said_is_left_out() {
    let steps = [Push(language("en")), Push(text("One")), Push(language("fr"))];
    for style in [Style::Whole, WORDS, NATIVE] {
        check(style, &steps, End::BreakOff, &["0 language en"]);
    }
    check(
        Style::Whole,
        &[Add(text("One")), Add(MessageBreak), Add(text("Two three"))],
        End::BreakOff,
        &["0 1 \"One\""],
    );
}

#[test]
fn a_call_action_that_closed_a_stream_is_said_although_the_turn_breaks() {
    check(
        WORDS,
        &[Push(text("Call us")), Push(call("Desk"))],
        End::BreakOff,
        &["0 1.1 \"Call \"", "0 1.2! \"us\"", "0 2 \"\" +call Desk"],
    );
}

#[test]
fn two_hundred_outputs_other_than_text_are_enough() {
    let mut composer = composer(Style::Whole);
    for i in 0..TURN_OUTPUTS_MAX {
        composer.push(START, text("a")).unwrap();
        match i % 3 {
            0 => composer.push(START, MessageBreak).unwrap(),
            1 => composer.push(START, suggestion("s")).unwrap(),
            _ => composer.count().unwrap(),
        }
    }
    assert_eq!(composer.push(START, text("a")), Ok(()));
    assert_eq!(composer.push(START, language("fr")), Err(Excess::Outputs));
    assert_eq!(composer.count(), Err(Excess::Outputs));
    let said = composer.break_off();
    assert_eq!(said.len(), TURN_OUTPUTS_MAX.div_ceil(3));
}

#[test]
fn what_does_not_go_to_the_user_is_no_piece() {
    assert_eq!(Piece::of(Output::Text("a".to_owned())), Ok(text("a")));
    assert_eq!(Piece::of(Output::MessageBreak), Ok(MessageBreak));
    let others = [
        Output::State("{}".to_owned()),
        Output::HandOff(HandOff::default()),
        Output::End,
        Output::Silence,
    ];
    for output in others {
        assert_eq!(Piece::of(output.clone()), Err(output));
    }
}

#[test]
fn the_style_is_that_of_the_session() {
    let style = |streaming, user_agent: Option<&str>| {
        Style::of(&Facts {
            connector: ConnectorId("demo".to_owned()),
            token: TokenId("t".to_owned()),
            expires_at: START,
            streaming,
            platform: "ios".to_owned(),
            device_type: None,
            user_agent: user_agent.map(str::to_owned),
            language: None,
            variant_id: None,
            integration_attributes: None,
        })
    };
    let native = Some("PolyMessaging-iOS/0.9.0 (iOS)");
    assert_eq!(style(false, native), Style::Whole);
    assert_eq!(style(true, native), NATIVE);
    assert_eq!(style(true, Some("Mozilla/5.0 PolyMessaging-iOS")), WORDS);
    assert_eq!(style(true, None), WORDS);
}

#[test]
fn a_composer_can_be_held_across_an_await() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Composer>();
}
