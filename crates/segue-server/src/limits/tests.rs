//! The limits against themselves and against their documentation.

use super::*;

const PAGE: &str = include_str!("../../../../docs/limits.md");

/// Cells of the table rows of the documentation.
fn rows() -> Vec<Vec<&'static str>> {
    rows_in(PAGE).collect()
}

fn rows_in(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

#[test]
fn every_limit_is_documented_with_its_default_and_nothing_else_is() {
    let mut known: Vec<(String, String)> = [Limits::ALL, BotLimits::ALL, ServerLimits::ALL]
        .concat()
        .iter()
        .map(|limit| (format!("`{}`", limit.name), limit.default.to_string()))
        .collect();
    known.extend(
        fixed().into_iter().map(|(name, value)| (format!("`{}`", name.to_lowercase()), value)),
    );
    let mut documented: Vec<(String, String)> = rows()
        .iter()
        // Other crates have limits of their own.
        .filter(|cells| !cells[3].starts_with("segue-"))
        .map(|cells| (cells[0].to_owned(), cells[1].trim_matches('`').to_owned()))
        .collect();
    known.sort();
    documented.sort();
    assert_eq!(documented, known);
}

/// Sections about what a client can run into: there, each limit names its test.
const TESTED: [&str; 7] = [
    "Configurable",
    "The hand-shake",
    "Administration",
    "What a client sends",
    "What the server sends",
    "The bot's turn",
    "The rules",
];

/// The rows of these sections, or of all the others.
fn rows_of(tested: bool) -> Vec<Vec<&'static str>> {
    let sections = PAGE.split("\n## ").skip(1);
    let sections = sections.filter(|it| TESTED.contains(&it.lines().next().unwrap()) == tested);
    sections.flat_map(rows_in).collect()
}

#[test]
fn every_documented_limit_says_what_is_seen_and_where_it_is_enforced() {
    assert_eq!(rows_of(true).len() + rows_of(false).len(), rows().len());
    for (tested, columns) in [(true, 5), (false, 4)] {
        for cells in rows_of(tested) {
            assert_eq!(cells.len(), columns, "{cells:?}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{cells:?}");
            assert!(cells[3].contains(".rs`"), "{cells:?}");
        }
    }
}

/// `None` where the file is not there, or has no such test.
fn find_test(named: &str) -> Option<()> {
    let (file, name) = named.split_once("::")?;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests", "src", "../segue-core/src"];
    let mut texts =
        folders.iter().filter_map(|it| std::fs::read_to_string(root.join(it).join(file)).ok());
    let text = texts.next()?;
    let (before, _) = text.split_once(&format!("fn {name}("))?;
    // Attributes stand right before it: whatever is between the last function and this one.
    let attributes = before.rsplit("\n}\n").next()?;
    (attributes.contains("#[test]") || attributes.contains("#[tokio::test")).then_some(())
}

#[test]
fn every_limit_that_a_client_can_run_into_has_a_test() {
    let mut without = Vec::new();
    for cells in rows_of(true) {
        let named = cells[4].trim_matches('`');
        let is_seen = !cells[2].starts_with("nothing");
        if (named == "–" && is_seen) || (named != "–" && find_test(named).is_none()) {
            without.push((cells[0], named));
        }
    }
    assert_eq!(without, []);
}

#[test]
fn defaults_lie_within_their_own_bounds() {
    for limit in Limits::ALL {
        assert!((limit.min..=limit.max).contains(&limit.default), "{}", limit.name);
        assert_eq!(Limits::default().get(limit.name), Some(limit.default));
    }
    for limit in BotLimits::ALL {
        assert!((limit.min..=limit.max).contains(&limit.default), "{}", limit.name);
        assert_eq!(BotLimits::default().get(limit.name), Some(limit.default));
        assert_eq!(Limits::default().get(limit.name), None, "a name has one meaning");
    }
    for limit in ServerLimits::ALL {
        assert!((limit.min..=limit.max).contains(&limit.default), "{}", limit.name);
        assert_eq!(ServerLimits::default().get(limit.name), Some(limit.default));
        assert_eq!(Limits::default().get(limit.name), None, "a name has one meaning");
    }
    assert_eq!(Limits::default().get("idle"), None);
}

#[test]
fn a_connector_overrides_what_it_names_and_nothing_else() {
    for limit in Limits::ALL {
        let mut overrides = LimitsOverrides::default();
        assert!(overrides.set(limit.name, 4_321));
        let limits = Limits::default().with(&overrides);
        for other in Limits::ALL {
            let expected = if other == limit { 4_321 } else { other.default };
            assert_eq!(limits.get(other.name), Some(expected), "{}", other.name);
        }
    }
    assert!(!LimitsOverrides::default().set("idle", 1));
    assert_eq!(Limits::default().with(&LimitsOverrides::default()), Limits::default());
}

#[test]
fn limits_are_read_by_name_and_a_misspelt_one_is_refused() {
    let limits: Limits = toml::from_str("idle_seconds = 7").unwrap();
    assert_eq!(limits, Limits { idle_seconds: 7, ..Limits::default() });
    assert!(toml::from_str::<Limits>("idle_secnds = 7").is_err());
    let overrides: LimitsOverrides = toml::from_str("idle_seconds = 7").unwrap();
    assert_eq!(overrides, LimitsOverrides { idle_seconds: Some(7), ..LimitsOverrides::default() });
    assert_eq!(toml::to_string(&overrides).unwrap(), "idle_seconds = 7\n");
}

#[test]
fn the_longest_session_ends_before_its_token_does() {
    let life = Limits::ALL.iter().find(|limit| limit.name == "session_life_seconds").unwrap();
    assert_eq!(life.max + ACCESS_TOKEN_MARGIN_SECONDS, ACCESS_TOKEN_SECONDS);
}

/// The worst of everything at once, which no client brings about by itself: its rate of messages is
/// far below this.
#[test]
fn what_one_connection_holds_is_the_sum_of_its_limits() {
    let one_message = MESSAGE_TEXT_BYTES_MAX + CUSTOM_BYTES_MAX;
    let parts = [
        // A request, then the socket's buffers and the message that comes, in a buffer that doubles.
        HEADERS_BYTES_MAX + REQUEST_BODY_BYTES_MAX + SOCKET_BUFFER_BYTES + SOCKET_READ_BYTES,
        2 * FRAME_BYTES_MAX,
        // Commands that wait and those that are executed, with what goes back to their senders.
        2 * (COMMANDS_QUEUED_BYTES_MAX + FRAMES_TOGETHER_BYTES + one_message),
        2 * (COMMANDS_QUEUED_MAX + FRAMES_TOGETHER_MAX) * CUSTOM_BYTES_MAX,
        EARLY_FRAMES_MAX * CUSTOM_BYTES_MAX,
        // What is on its way out: a page that was read, what is held, what waits for the network.
        PAGE_BYTES_MAX + one_message,
        QUEUED_BYTES_MAX + one_message,
        SOCKET_WRITE_BYTES + one_message + CONTROL_WRITE_BYTES_MAX,
        // Pushes; connections of one session share them.
        PUSHES_QUEUED_MAX * one_message,
    ];
    let sum: usize = parts.iter().sum();
    assert!(sum <= CONNECTION_BYTES_MAX, "{sum}");
    assert!(CONNECTION_BYTES_MAX < 2 * sum, "{sum}");
}
