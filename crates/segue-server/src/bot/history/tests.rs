use std::sync::Arc;

use segue_core::{
    AttemptId, BotProfile, ConnectorId, EntryId, Extras, Facts, Json, Level, Sequence, TokenId,
    Turn, TurnOutcome, TurnReason,
};

use super::*;

/// A log, one entry a line: `start`, `join NAME`, `user TEXT`, `bot TEXT` (by Ada), `chunk MESSAGE
/// INDEX TEXT`, `files` (a message without text), `notice`, `turn`, `ended`.
fn log(script: &str) -> Vec<Entry> {
    let mut reached = Sequence(0);
    let mut entries = Vec::new();
    for (position, line) in (1..).zip(script.lines()) {
        let event = event(line.trim_start(), u128::from(position));
        reached.0 += u64::from(event.is_visible());
        let (id, at) = (EntryId(u128::from(position)), position * 10);
        entries.push(Entry { id, position: Position(position), reached, at, event });
    }
    entries
}

fn event(line: &str, id: u128) -> Event {
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (token, message_id) = (Position(0), MessageId(id));
    let bot = BotProfile { name: "Ada".into(), avatar_url: String::new() };
    let whole = |text: &str| Event::BotMessagePosted {
        token,
        message_id,
        text: text.into(),
        extras: Extras::default(),
        call_actions: vec![],
        bot: bot.clone(),
    };
    match kind {
        "start" => Event::SessionStarted { facts: facts() },
        "join" => {
            Event::BotJoined { bot: BotProfile { name: rest.into(), ..bot }, why: TurnReason::Join }
        }
        "user" => {
            Event::UserMessagePosted { message_id, text: rest.into(), key: None, custom: None }
        }
        "bot" => whole(rest),
        "files" => whole(""),
        "chunk" => {
            let mut words = rest.splitn(3, ' ');
            Event::BotChunkPosted {
                token,
                message_id: MessageId(words.next().unwrap().parse().unwrap()),
                index: words.next().unwrap().parse().unwrap(),
                text: words.next().unwrap_or_default().into(),
                extras: Extras::default(),
                is_complete: false,
            }
        }
        "notice" => Event::NoticePosted { level: Level::Error, notice: Notice::HighLoad },
        "turn" => {
            let (turn, attempt) = (Turn(1), AttemptId(1));
            Event::TurnStarted { turn, attempt, input_to: Position(0) }
        }
        "ended" => Event::TurnEnded { turn: Turn(1), outcome: TurnOutcome::Finished },
        unknown => panic!("no such entry: {unknown}"),
    }
}

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        connector: ConnectorId("demo".into()),
        token: TokenId("t".into()),
        expires_at: 0,
        streaming: true,
        platform: "web".into(),
        device_type: None,
        user_agent: None,
        language: None,
        variant_id: None,
        integration_attributes: None,
    })
}

fn words(notice: Notice) -> &'static str {
    match notice {
        Notice::HighLoad => "high load",
        _ => "something else",
    }
}

const NO_LIMITS: HistoryLimits = HistoryLimits { messages_max: usize::MAX, bytes_max: usize::MAX };

/// What the bot is told: `< TEXT` for the input, `#SEQUENCE BY NAME: TEXT` for the history, `…`
/// where it is truncated.
fn told(entries: &[Entry], answers: (u64, u64), limits: HistoryLimits) -> Vec<String> {
    let (after, to) = (Position(answers.0), Position(answers.1));
    let conversation = conversation(entries, after, to, limits, words);
    let mut lines = Vec::new();
    lines.extend(conversation.truncated.then(|| "…".to_owned()));
    for it in conversation.history {
        let name = it.name.map_or(String::new(), |name| format!(" {name}"));
        lines.push(format!("#{} {:?}{name}: {}", it.sequence.0, it.by, it.text));
    }
    lines.extend(conversation.input.into_iter().map(|it| format!("< {}", it.text)));
    lines
}

fn check(script: &str, answers: (u64, u64), expected: &[&str]) {
    assert_eq!(told(&log(script), answers, NO_LIMITS), expected, "{script}");
}

#[test]
fn a_conversation_is_told_as_input_and_history() {
    // A greeting answers nothing, and what was said meanwhile has a turn of its own.
    check("start\njoin Ada\nuser hi", (0, 0), &[]);
    check("start\njoin Ada\nuser hi\nuser there", (0, 4), &["< hi", "< there"]);
    check(
        "start\njoin Ada\nbot Hello\nuser one\nbot 1\nuser two",
        (4, 6),
        &["#3 Bot Ada: Hello", "#4 User: one", "#5 Bot Ada: 1", "< two"],
    );
    // What is after the input is the next turn's, on a repeat of the turn, too.
    check("start\njoin Ada\nuser one\nuser two\nturn\nuser three", (0, 4), &["< one", "< two"]);
    // Said while the last turn ran, and answered now: the end of that turn stands in the history.
    check(
        "start\njoin Ada\nuser one\nturn\nuser two\nbot 1\nended",
        (3, 5),
        &["#3 User: one", "#5 Bot Ada: 1", "< two"],
    );
    // Internal entries count as positions, not as sequences.
    check(
        "start\njoin Ada\nuser one\nturn\nnotice\nended\nuser two",
        (3, 7),
        &["#3 User: one", "#4 System: high load", "< two"],
    );
    // Attachments alone are nothing that was said.
    check("start\njoin Ada\nfiles\nuser one", (0, 4), &["< one"]);
}

#[test]
fn chunks_of_one_message_are_told_as_one() {
    check(
        "start\njoin Ada\nchunk 9 1 We \nchunk 9 2 are\nchunk 9 3\nuser hi",
        (0, 6),
        &["#5 Bot Ada: We are", "< hi"],
    );
    // One after the other, and of another bot.
    check(
        "start\njoin Ada\nchunk 8 1 a\nchunk 8 2\njoin Bob\nchunk 9 1 b\nchunk 9 2\nbot c\nuser hi",
        (0, 9),
        &["#4 Bot Ada: a", "#7 Bot Bob: b", "#8 Bot Ada: c", "< hi"],
    );
    // The user spoke in between: the message stands where it was complete.
    check(
        "start\njoin Ada\nuser one\nchunk 9 1 a \nuser two\nchunk 9 2 b\nuser three",
        (5, 7),
        &["#3 User: one", "#5 User: two", "#6 Bot Ada: a b", "< three"],
    );
    // A bot without a name has none, instead of an empty one.
    check("start\njoin \nchunk 9 1 a\nuser hi", (0, 4), &["#3 Bot: a", "< hi"]);
}

#[test]
fn a_joined_message_has_the_time_of_its_last_chunk() {
    let entries = log("start\nchunk 9 1 a\nchunk 9 2 b");
    let told = conversation(&entries, Position(0), Position(0), NO_LIMITS, words);
    assert_eq!(told.history.iter().map(|it| it.at).collect::<Vec<_>>(), [30]);
}

#[test]
fn the_input_is_the_users_to_the_letter() {
    let mut entries = log("start\nuser  a\tb ");
    let Event::UserMessagePosted { custom, .. } = &mut entries[1].event else { unreachable!() };
    *custom = Some(Json(r#"{ "n": 1.0 }"#.into()));
    let told = conversation(&entries, Position(0), Position(2), NO_LIMITS, words);
    let expected = InputMessage {
        message_id: MessageId(2),
        text: " a\tb ".into(),
        custom: Some(r#"{ "n": 1.0 }"#.into()),
        at: 20,
    };
    assert_eq!(told.input, [expected]);
}

#[test]
fn the_newest_of_the_history_is_told_within_its_limits() {
    let entries = log("start\nuser aaaa\nbot bb\nuser cc\nbot d\nuser input, which is not counted");
    let all = ["#2 User: aaaa", "#3 Bot Ada: bb", "#4 User: cc", "#5 Bot Ada: d"];
    let table: &[(usize, usize, usize)] = &[
        (200, 9, 4),
        (200, 8, 3),
        (200, 5, 3),
        (200, 4, 2),
        (200, 1, 1),
        (200, 0, 0),
        (4, 100, 4),
        (3, 100, 3),
        (3, 4, 2),
        (0, 100, 0),
    ];
    for (messages_max, bytes_max, kept) in table {
        let limits = HistoryLimits { messages_max: *messages_max, bytes_max: *bytes_max };
        let mut expected = Vec::new();
        expected.extend((*kept < all.len()).then_some("…"));
        expected.extend(&all[all.len() - kept..]);
        expected.push("< input, which is not counted");
        assert_eq!(told(&entries, (4, 6), limits), expected, "{limits:?}");
    }
}

#[test]
fn the_limits_are_those_of_the_contract() {
    let limits = HistoryLimits::default();
    assert_eq!((limits.messages_max, limits.bytes_max), (200, 262_144));
}

#[test]
fn the_newest_part_of_a_log_tells_no_half_message_and_says_that_it_is_a_part() {
    let entries = log("start\njoin Ada\nchunk 9 1 We \nchunk 9 2 are\nuser one\nbot 1\nuser two");
    let expected = ["…", "#5 User: one", "#6 Bot Ada: 1", "< two"];
    assert_eq!(told(&entries[3..], (5, 7), NO_LIMITS), expected);
    assert_eq!(told(&[], (0, 0), NO_LIMITS), Vec::<String>::new());
}

#[test]
fn the_input_goes_as_far_as_it_fits() {
    let script = "start\njoin Ada\nuser aaa\nbot b\nuser cc\nnotice\nuser d\nbot e";
    let table = [
        // Nothing said, nothing to answer.
        (7, 100, 7),
        (8, 100, 8),
        // At least one, however big.
        (0, 0, 3),
        (0, 3, 3),
        (0, 4, 3),
        (0, 5, 5),
        (0, 6, 7),
        (3, 2, 5),
        (3, 3, 7),
        (5, 0, 7),
    ];
    for (after, bytes_max, expected) in table {
        let to = input_to(&log(script), Position(after), bytes_max);
        assert_eq!(to, Position(expected), "after {after}, {bytes_max} bytes");
    }
    assert_eq!(input_to(&[], Position(3), 10), Position(3));
}

#[test]
fn metadata_counts_as_input_and_a_small_message_does_not_overtake_a_big_one() {
    let mut entries = log("start\nuser a\nuser b\nuser c");
    let Event::UserMessagePosted { custom, .. } = &mut entries[2].event else { unreachable!() };
    *custom = Some(Json("{\"k\":1}".into()));
    let table = [(1, 2), (8, 2), (9, 3), (10, 4)];
    for (bytes_max, expected) in table {
        assert_eq!(input_to(&entries, Position(0), bytes_max), Position(expected), "{bytes_max}");
    }
}
