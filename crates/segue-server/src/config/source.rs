//! Reads keys and values, from the file and then from the environment, before they mean anything.
//!
//! Knows which keys there are and of which type, so that a misspelt key, a wrong type and a
//! variable that sets nothing are found here, each with its place. Never prints a value: it may
//! be a secret.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::{distance, nearest};
use super::section::{Key, Kind, Section};
use super::{Environment, Problems};

/// Variables that belong to the program but are no keys of the configuration.
pub const VARIABLES_OF_THE_PROGRAM: &[&str] =
    &["SEGUE_CONFIG", "SEGUE_LOG", "SEGUE_LOG_FORMAT", "SEGUE_URL", "SEGUE_ADMIN_KEY", "SEGUE_CA"];

/// Options of `segue serve` that set what a variable sets, and go before it: each stands in the
/// environment under its own name, so that messages name what was written.
pub const OPTIONS: &[(&str, &str)] =
    &[(LISTEN_OPTION, "SEGUE_SERVER_LISTEN"), ("--ephemeral", "SEGUE_STORE_URL")];

const LISTEN_OPTION: &str = "--listen";

const PREFIX: &str = "SEGUE_";

/// Where a value comes from: the beginning of every message about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Line(usize),
    Variable(String),
    /// Neither: a value of the program, or one that is missing altogether.
    Program,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Flag(bool),
    Whole(u64),
    Texts(Vec<String>),
    /// Given, but of the wrong type: reported where it was read, and not again as missing.
    Reported,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub value: Value,
    pub place: Place,
}

/// The values of one table, by the names of `Section::keys`.
#[derive(Debug)]
pub struct Table {
    /// The table as messages name it: `server`, `connectors.demo`, `connectors[2]`.
    pub path: String,
    pub place: Place,
    pub values: BTreeMap<&'static str, Given>,
}

impl Table {
    fn new(path: impl Into<String>, place: Place) -> Self {
        Self { path: path.into(), place, values: BTreeMap::new() }
    }

    pub fn text(&self, name: &str) -> Option<(&str, &Place)> {
        match self.values.get(name)? {
            Given { value: Value::Text(text), place } => Some((text, place)),
            _ => None,
        }
    }

    pub fn texts(&self, name: &str) -> Option<(&[String], &Place)> {
        match self.values.get(name)? {
            Given { value: Value::Texts(texts), place } => Some((texts, place)),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.values.get(name)? {
            Given { value: Value::Flag(flag), .. } => Some(*flag),
            _ => None,
        }
    }

    pub fn whole(&self, name: &str) -> Option<(u64, &Place)> {
        match self.values.get(name)? {
            Given { value: Value::Whole(number), place } => Some((*number, place)),
            _ => None,
        }
    }
}

/// All that was given.
#[derive(Debug)]
pub struct Source {
    /// The sections that are a single table; all of them are there.
    singles: BTreeMap<Section, Table>,
    /// Those that are an array of tables; all of them are there.
    arrays: BTreeMap<Section, Vec<Table>>,
    /// Tables of the file could not be read, so there may be more than these.
    is_torn: bool,
}

impl Source {
    /// What the text of a file says. Where its syntax is wrong, only that is reported.
    pub fn read(text: &str, problems: &mut Problems) -> Self {
        let (arrays, singles): (Vec<_>, Vec<_>) =
            Section::ALL.into_iter().partition(|it| it.is_array());
        let table = |it: Section| (it, Table::new(it.name(), Place::Program));
        let mut source = Self {
            singles: singles.into_iter().map(table).collect(),
            arrays: arrays.into_iter().map(|it| (it, Vec::new())).collect(),
            is_torn: false,
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        let lines = Lines(text);
        for error in &errors {
            // The message only: the whole error quotes the line, which may hold a token.
            let place = error.span().map_or(Place::Program, |span| lines.place(span.start));
            problems.add(&place, error.message().replace('\n', " "));
        }
        source.is_torn = !errors.is_empty();
        if errors.is_empty() {
            for (name, value) in document.get_ref() {
                source.read_section(name, value, &lines, problems);
            }
        }
        source
    }

    fn read_section(
        &mut self,
        name: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        lines: &Lines<'_>,
        problems: &mut Problems,
    ) {
        let place = lines.place(name.span().start);
        let name = name.get_ref();
        let Some(section) = Section::ALL.into_iter().find(|section| section.name() == name) else {
            let text = match Section::ALL.iter().find(|section| section.key(name).is_some()) {
                Some(owner) => {
                    format!("{name} is a key of [{}]: it has to stand there", owner.name())
                }
                None => unknown("section", name, &Section::ALL.map(Section::name)),
            };
            problems.add(&place, text);
            self.is_torn = true;
            return;
        };
        match (value.get_ref(), section.is_array()) {
            (DeValue::Table(content), false) => {
                let table = self.one_mut(section);
                table.place = place;
                read_table(table, section, content, lines, problems);
            }
            (DeValue::Array(elements), true) => {
                for (index, element) in elements.iter().enumerate() {
                    let place = lines.place(element.span().start);
                    let DeValue::Table(content) = element.get_ref() else {
                        problems.add(&place, format!("{name}[{index}]: expected a table"));
                        self.is_torn = true;
                        continue;
                    };
                    let mut table = Table::new(format!("{name}[{index}]"), place);
                    if let Some(id) = content.get("id").and_then(|id| id.get_ref().as_str())
                        && super::check::is_id(id)
                    {
                        table.path = format!("{name}.{id}");
                    }
                    read_table(&mut table, section, content, lines, problems);
                    self.is_torn |= table.text("id").is_none();
                    self.many_mut(section).push(table);
                }
            }
            (_, false) => problems.add(&place, format!("{name}: expected a table: write [{name}]")),
            (_, true) => {
                self.is_torn = true;
                problems.add(&place, format!("{name}: expected tables: write [[{name}]] for each"));
            }
        }
    }

    /// The table of a section that is one.
    pub fn one(&self, section: Section) -> &Table {
        self.singles.get(&section).expect("the section is a single table")
    }

    /// The tables of a section that is an array of them.
    pub fn many(&self, section: Section) -> &[Table] {
        self.arrays.get(&section).expect("the section is an array of tables")
    }

    fn one_mut(&mut self, section: Section) -> &mut Table {
        self.singles.get_mut(&section).expect("the section is a single table")
    }

    pub fn many_mut(&mut self, section: Section) -> &mut Vec<Table> {
        self.arrays.get_mut(&section).expect("the section is an array of tables")
    }

    /// Lays the environment over what the file says.
    pub fn overlay(&mut self, env: &Environment, problems: &mut Problems) {
        let settable = self.settable();
        for (name, value) in env {
            let option = OPTIONS.iter().find(|(option, _)| option == name);
            let variable = option.map_or(name.as_str(), |(_, variable)| variable);
            if !belongs_here(variable) {
                continue;
            }
            let place = Place::Variable(name.clone());
            let targets: Vec<_> = settable.iter().filter(|s| s.variable == variable).collect();
            match targets[..] {
                // The table that it means may be the one that could not be read.
                [] if self.is_torn && is_of_array(name) => {}
                [] => {
                    let known: Vec<&str> = settable.iter().map(|s| s.variable.as_str()).collect();
                    problems.add(&place, unknown_variable(name, &known));
                }
                [target] => {
                    let value = from_variable(target.key.kind, value).unwrap_or_else(|| {
                        // Only numbers and flags can be of the wrong type here.
                        problems.add(&place, format!("expected {}", target.key.kind));
                        Value::Reported
                    });
                    let table = match target.index {
                        None => self.one_mut(target.section),
                        Some(index) => &mut self.many_mut(target.section)[index],
                    };
                    table.values.insert(target.key.name, Given { value, place });
                }
                _ => problems.add(
                    &place,
                    format!("ambiguous: several {} have this name", targets[0].section.name()),
                ),
            }
        }
    }

    /// Whoever says on the command line where to listen is reached there, unless somebody has said
    /// otherwise.
    pub fn follow_option(&mut self) {
        let is_tls =
            self.one(Section::Tls).text("certificate").is_some_and(|(it, _)| !it.is_empty());
        let scheme = if is_tls { "https" } else { "http" };
        let server = self.one_mut(Section::Server);
        let Some((listen, place)) = server.text("listen") else { return };
        if *place != Place::Variable(LISTEN_OPTION.to_owned())
            || server.values.contains_key("public_url")
        {
            return;
        }
        let value = Value::Text(format!("{scheme}://{listen}"));
        let given = Given { value, place: place.clone() };
        server.values.insert("public_url", given);
    }

    /// Every variable that sets something in these tables.
    fn settable(&self) -> Vec<Settable> {
        let mut settable = Vec::new();
        for section in Section::ALL {
            let tables = if section.is_array() {
                ids(self.many(section))
            } else {
                vec![(None, String::new())]
            };
            for (index, id) in tables {
                // An id names its table, so it cannot be set from where it is the name.
                let keys = section.keys().into_iter().filter(|key| key.name != "id");
                settable.extend(keys.map(|key| Settable {
                    variable: variable(section, &id, key.name),
                    section,
                    index,
                    key,
                }));
            }
        }
        settable
    }
}

/// What can be set of a connector that is made at run time. Its id, token and state are not settings.
pub fn connector_keys() -> Vec<Key> {
    let mut keys = Section::Connectors.keys();
    keys.retain(|key| !matches!(key.name, "id" | "token" | "disabled"));
    keys
}

/// What somebody wants to set of a connector that is made at run time.
pub fn table_of_json(
    path: &str,
    given: &serde_json::Map<String, serde_json::Value>,
    problems: &mut Problems,
) -> Table {
    let mut table = Table::new(path, Place::Program);
    let keys = connector_keys();
    for (name, value) in given {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
            let text = unknown("key", name, &known);
            problems.add(&Place::Program, format!("{path}: {text}"));
            continue;
        };
        let value = from_json(key.kind, value).unwrap_or_else(|| {
            problems.add(&Place::Program, format!("{path}.{name}: expected {}", key.kind));
            Value::Reported
        });
        table.values.insert(key.name, Given { value, place: Place::Program });
    }
    table
}

fn from_json(kind: Kind, value: &serde_json::Value) -> Option<Value> {
    match kind {
        Kind::Text => value.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::Flag => value.as_bool().map(Value::Flag),
        Kind::Whole { .. } => value.as_u64().map(Value::Whole),
        Kind::Texts => value
            .as_array()?
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map(Value::Texts),
    }
}

/// A variable and the value that it sets.
struct Settable {
    variable: String,
    section: Section,
    /// Which table of an array.
    index: Option<usize>,
    key: Key,
}

fn ids(tables: &[Table]) -> Vec<(Option<usize>, String)> {
    let id = |table: &Table| table.text("id").map(|(id, _)| format!("{id}_"));
    tables.iter().enumerate().filter_map(|(i, table)| Some((Some(i), id(table)?))).collect()
}

/// `SEGUE_CONNECTORS_MY_SHOP_TOKEN` for the token of the connector `my-shop`.
fn variable(section: Section, id: &str, key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{PREFIX}{}_{id}{key}", section.name()).chars().map(plain).collect()
}

/// Whether a variable is meant for the configuration. Others that merely begin with the prefix are
/// left alone: orchestrators invent such names (`SEGUE_PORT_8080_TCP`) for a service called segue.
fn belongs_here(name: &str) -> bool {
    let section = family(name).and_then(|it| nearest_section(&it));
    !VARIABLES_OF_THE_PROGRAM.contains(&name) && section.is_some()
}

/// The word of a variable that names its section.
fn family(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    Some(rest.split('_').next().unwrap_or(rest).to_ascii_lowercase())
}

fn is_of_array(name: &str) -> bool {
    family(name).and_then(|it| nearest_section(&it)).is_some_and(Section::is_array)
}

fn nearest_section(family: &str) -> Option<Section> {
    Section::ALL.into_iter().find(|section| distance(family, section.name()) <= 1)
}

fn unknown(what: &str, written: &str, known: &[&str]) -> String {
    format!("unknown {what} {}; {}", written.escape_debug(), hint(written, known))
}

/// What was meant, or what could have been.
pub fn hint(written: &str, known: &[&str]) -> String {
    match nearest(written, known.iter().copied()) {
        Some(name) => format!("the nearest known one is {name}"),
        None => format!("known are {}", known.join(", ")),
    }
}

/// Ditto for a variable. All of them would be too many: those of its section.
fn unknown_variable(name: &str, known: &[&str]) -> String {
    let bare = |it: &str| it.strip_prefix(PREFIX).unwrap_or(it).to_owned();
    let bare_known: Vec<String> = known.iter().map(|it| bare(it)).collect();
    if let Some(near) = nearest(&bare(name), bare_known.iter().map(String::as_str)) {
        return format!("sets nothing; the nearest known variable is {PREFIX}{near}");
    }
    let family = family(name).and_then(|it| nearest_section(&it));
    let prefix = family.map_or(PREFIX.to_owned(), |it| variable(it, "", ""));
    let of_section: Vec<&str> =
        known.iter().filter(|it| it.starts_with(&prefix)).copied().collect();
    match of_section[..] {
        [] => "sets nothing: the file has no such table".to_owned(),
        _ => format!("sets nothing; known are {}", of_section.join(", ")),
    }
}

fn read_table(
    table: &mut Table,
    section: Section,
    content: &DeTable<'_>,
    lines: &Lines<'_>,
    problems: &mut Problems,
) {
    for (name, value) in content {
        let place = lines.place(name.span().start);
        let name = name.get_ref();
        let Some(key) = section.key(name) else {
            let known: Vec<&str> = section.keys().iter().map(|key| key.name).collect();
            let text = unknown("key", name, &known);
            problems.add(&place, format!("{}: {text}", table.path));
            continue;
        };
        let value = from_file(key.kind, value.get_ref()).unwrap_or_else(|| {
            let found = match (key.kind, value.get_ref()) {
                // A number in the place of a number is no secret.
                (Kind::Whole { .. }, DeValue::Integer(number)) => number.as_str(),
                (_, other) => other.type_str(),
            };
            let text = format!("{}.{name}: expected {}, found {found}", table.path, key.kind);
            problems.add(&place, text);
            Value::Reported
        });
        table.values.insert(key.name, Given { value, place });
    }
}

fn from_file(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match (kind, value) {
        (Kind::Text, DeValue::String(text)) => Some(Value::Text(text.to_string())),
        (Kind::Flag, DeValue::Boolean(flag)) => Some(Value::Flag(*flag)),
        (Kind::Whole { .. }, DeValue::Integer(number)) => {
            u64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Whole)
        }
        (Kind::Texts, DeValue::Array(elements)) => elements
            .iter()
            .map(|element| element.get_ref().as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map(Value::Texts),
        _ => None,
    }
}

fn from_variable(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::Text(text.to_owned())),
        Kind::Flag => text.parse().ok().map(Value::Flag),
        Kind::Whole { .. } => text.parse().ok().map(Value::Whole),
        Kind::Texts => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Texts(parts.map(str::to_owned).collect()))
        }
    }
}

/// Finds the line of a byte of the text.
struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn place(&self, byte: usize) -> Place {
        let before = &self.0.as_bytes()[..byte.min(self.0.len())];
        Place::Line(before.split(|b| *b == b'\n').count())
    }
}
