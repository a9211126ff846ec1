//! The known name that a misspelt one was most likely meant to be.

use crate::limits;

/// The name with the smallest edit distance; of equally near ones the first. `None` where none is
/// near: more than two in five of the characters would have to be changed.
pub fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = known.into_iter().min_by_key(|name| distance(written, name))?;
    let longest = written.chars().count().max(name.chars().count());
    (5 * distance(written, name) <= 2 * longest).then_some(name)
}

/// How many characters have to be inserted, removed, replaced or swapped with their neighbour to
/// make one of the other.
pub fn distance(a: &str, b: &str) -> usize {
    let [a, b] =
        [a, b].map(|text| text.chars().take(limits::COMPARED_CHARS_MAX).collect::<Vec<_>>());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "ab", 2),
            ("idle", "idle", 0),
            ("idel", "idle", 1),
            ("hots", "hosts", 1),
            ("host", "hosts", 1),
            ("tokan", "token", 1),
            ("kitten", "sitting", 3),
            ("grüße", "gruße", 1),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_name_wins_and_ties_go_to_the_first() {
        assert_eq!(nearest("hots", ["apps", "hosts", "bot"]), Some("hosts"));
        assert_eq!(nearest("ab", []), None);
    }

    #[test]
    fn what_is_not_near_is_no_suggestion() {
        assert_eq!(nearest("tok", ["token"]), Some("token"));
        assert_eq!(nearest("tk", ["token"]), None);
        assert_eq!(nearest("x", ["a", "b"]), None);
        assert_eq!(nearest("banana", ["listen", "public_url"]), None);
    }
}
