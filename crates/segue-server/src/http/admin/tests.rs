//! The table of routes against its documentation.

use std::collections::BTreeSet;

use super::{CODES, routes};

const PAGE: &str = include_str!("../../../../../docs/admin.md");

#[test]
fn every_route_stands_in_the_document_with_its_scope_and_no_other_does() {
    let row = |line: &str| {
        let (route, rest) = line.strip_prefix("| `")?.split_once("` | `")?;
        let (scope, _) = rest.split_once('`')?;
        route.contains(" /admin/v1/").then(|| (route.to_owned(), scope.to_owned()))
    };
    let documented: BTreeSet<(String, String)> = PAGE.lines().filter_map(row).collect();
    let known: BTreeSet<(String, String)> = routes()
        .iter()
        .map(|it| (format!("{} {}", it.method, it.path), it.scope.name().to_owned()))
        .collect();
    assert_eq!(documented, known);
}

/// Whatever is counted has its name in the document, and the other way round.
#[test]
fn every_code_stands_in_the_document_and_no_other_does() {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let status: Option<u16> = cells.get(1).and_then(|it| it.parse().ok());
        // Exit codes have one digit.
        status.filter(|it| *it >= 100).map(|_| cells[2].split(", ").map(|it| it.trim_matches('`')))
    };
    let documented: BTreeSet<&str> = PAGE.lines().filter_map(row).flatten().collect();
    assert_eq!(documented, CODES.iter().copied().collect());
}
