//! The limits against themselves and against their documentation.

use super::*;

const PAGE: &str = include_str!("../../../../docs/limits.md");

/// Cells of the table rows of the documentation.
fn rows() -> Vec<Vec<&'static str>> {
    PAGE.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
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

#[test]
fn every_documented_limit_says_what_is_seen_and_where_it_is_enforced() {
    for cells in rows() {
        assert_eq!(cells.len(), 4, "{cells:?}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{cells:?}");
        assert!(cells[3].contains(".rs`"), "{cells:?}");
    }
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
        HEADERS_BYTES_MAX + REQUEST_BODY_BYTES_MAX + 2 * SOCKET_BUFFER_BYTES,
        2 * FRAME_BYTES_MAX,
        // Commands that wait and those that are executed, with what goes back to their senders.
        2 * (COMMANDS_QUEUED_BYTES_MAX + FRAMES_TOGETHER_BYTES + one_message),
        2 * (COMMANDS_QUEUED_MAX + FRAMES_TOGETHER_MAX) * CUSTOM_BYTES_MAX,
        EARLY_FRAMES_MAX * CUSTOM_BYTES_MAX,
        // What is on its way out: a page that was read, what is held, what waits for the network.
        PAGE_BYTES_MAX + one_message,
        QUEUED_BYTES_MAX + one_message,
        SOCKET_WRITE_BYTES_MAX,
        // Pushes; connections of one session share them.
        PUSHES_QUEUED_MAX * one_message,
    ];
    let sum: usize = parts.iter().sum();
    assert!(sum <= CONNECTION_BYTES_MAX, "{sum}");
    assert!(CONNECTION_BYTES_MAX < 2 * sum, "{sum}");
}
