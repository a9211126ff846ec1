//! The table of routes against its documentation.

use std::collections::BTreeSet;

use super::routes;

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
