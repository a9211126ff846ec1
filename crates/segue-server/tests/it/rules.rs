//! Every rule of `docs/protocol.md` has a test that names it, and every test names rules that exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The sections whose rules have to be covered here, in tests over a socket.
const SECTIONS_OVER_SOCKETS: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The sections whose rules about time have to be covered on a clock that the test moves: beside
/// the code, or in the simulator.
const SECTIONS_IN_VIRTUAL_TIME: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];

/// Where tests speak to a real server over a real socket.
const OVER_SOCKETS: [&str; 3] = ["/tests/it/", "/tests/proxy/", "/tests/crash/"];

/// Section and number.
type RuleId = (u32, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Real,
    Virtual,
}

/// A line that names rules, and whether it stands above a test over a socket.
struct Claim {
    at: String,
    ids: Vec<RuleId>,
    clock: Clock,
}

#[test]
fn every_rule_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let rules = rules(&fs::read_to_string(root.join("docs/protocol.md")).unwrap());
    let (claims, mut problems) = claims(root);
    for claim in &claims {
        for id in claim.ids.iter().filter(|id| !rules.contains_key(id)) {
            problems.push(format!("{}: there is no rule {}.{}", claim.at, id.0, id.1));
        }
    }
    for (&id, &clock) in &rules {
        let (sections, place) = match clock {
            Clock::Real => (SECTIONS_OVER_SOCKETS, "the tests over sockets"),
            Clock::Virtual => (SECTIONS_IN_VIRTUAL_TIME, "the tests beside the code or tests/sim"),
        };
        let covers = |it: &Claim| it.clock == clock && it.ids.contains(&id);
        if sections.contains(&id.0) && !claims.iter().any(covers) {
            problems.push(format!("rule {}.{} has no test in {place}", id.0, id.1));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_rule_is_found_by_its_id() {
    let text = "- **[1.2]** A.\n- **[10.31]** (virtual time) B.\nSee **[7.7]**.\n";
    let expected = BTreeMap::from([((1, 2), Clock::Real), ((10, 31), Clock::Virtual)]);
    assert_eq!(rules(text), expected);
    assert_eq!(claim("    /// Covers 1.2, 10.31."), Some(Ok(vec![(1, 2), (10, 31)])));
    assert_eq!(claim("/// Covers 1.2 and more."), Some(Err(())));
    assert_eq!(claim("/// Says hello."), None);
}

/// The rules of the protocol's page.
fn rules(page: &str) -> BTreeMap<RuleId, Clock> {
    let mut rules = BTreeMap::new();
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("- **[") else { continue };
        let (name, rest) = rest.split_once("]** ").unwrap_or_else(|| panic!("no id in {line}"));
        let id = id(name).unwrap_or_else(|| panic!("no id in {line}"));
        let clock = if rest.starts_with("(virtual time) ") { Clock::Virtual } else { Clock::Real };
        assert_eq!(rules.insert(id, clock), None, "two rules have the id {name}");
    }
    rules
}

/// What the tests of all crates claim to cover, and claims that cannot be read.
fn claims(root: &Path) -> (Vec<Claim>, Vec<String>) {
    let mut claims = Vec::new();
    let mut problems = Vec::new();
    for path in test_files(root) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let is_over_sockets = OVER_SOCKETS.iter().any(|it| name.contains(it));
        let clock = if is_over_sockets { Clock::Real } else { Clock::Virtual };
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let at = format!("{name}:{}", number + 1);
            let attribute = lines.get(number + 1).map_or("", |it| it.trim_start());
            match claim(line) {
                None => {}
                Some(Err(())) => problems.push(format!("{at}: cannot be read")),
                Some(Ok(_)) if !is_test_attribute(attribute) => {
                    problems.push(format!("{at}: does not stand directly above a test"));
                }
                Some(Ok(ids)) => claims.push(Claim { at, ids, clock }),
            }
        }
    }
    (claims, problems)
}

/// The rules that a line names, if it is of the kind that does.
fn claim(line: &str) -> Option<Result<Vec<RuleId>, ()>> {
    let list = line.trim_start().strip_prefix("/// Covers ")?;
    let ids = list.strip_suffix('.').map(|list| list.split(", ").map(id).collect());
    Some(ids.flatten().ok_or(()))
}

fn id(text: &str) -> Option<RuleId> {
    let (section, number) = text.split_once('.')?;
    Some((section.parse().ok()?, number.parse().ok()?))
}

fn is_test_attribute(line: &str) -> bool {
    line.starts_with("#[test]") || line.starts_with("#[tokio::test")
}

/// The sources of all tests: `crates/*/tests/**`, and `tests.rs` or `tests/**` in `crates/*/src`.
fn test_files(root: &Path) -> Vec<PathBuf> {
    let mut files = BTreeSet::new();
    for krate in fs::read_dir(root.join("crates")).unwrap() {
        let krate = krate.unwrap().path();
        for file in sources(&krate) {
            let within = file.strip_prefix(&krate).unwrap();
            let is_test = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
            if within.iter().any(is_test) {
                files.insert(file);
            }
        }
    }
    files.into_iter().collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}
