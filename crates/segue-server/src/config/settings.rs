//! Every setting with its value and where that comes from, for people who ask. Secrets are masked
//! here, so that nobody who prints a setting has to think of it.

use segue_core::ConnectorId;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Problems;
use super::section::Section;
use super::source::{Given, Place, Source, Table, Value};

/// What stands in place of a secret.
const MASK: &str = "***";

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// As it is written: `limits.idle_seconds`, `connectors.shop.token`.
    pub name: String,
    /// What it is; `***` for a secret, `null` for nothing.
    pub value: Json,
    /// Where that comes from.
    #[serde(flatten)]
    #[cfg_attr(test, schemars(with = "OriginFields"))]
    pub origin: Origin,
    /// Whose it is, where it is a connector's.
    #[serde(skip)]
    pub connector: Option<ConnectorId>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody has set it.
    Default,
    /// The configuration file.
    File {
        /// In this line.
        line: usize,
    },
    /// The environment.
    Environment {
        /// This variable.
        variable: String,
    },
    /// The command line of the server.
    Option {
        /// This option.
        option: String,
    },
}

/// `Origin` as its fields are published: one object, so that it can stand within another one.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is of use")]
pub(crate) struct OriginFields {
    /// Where the value comes from; `api` where it was set through the admin API.
    #[schemars(extend("enum" = ["default", "file", "environment", "option", "api"]))]
    from: String,
    /// In which line; with `file`.
    #[schemars(skip_serializing_if = "Option::is_none")]
    line: usize,
    /// By which variable; with `environment`.
    #[schemars(skip_serializing_if = "Option::is_none")]
    variable: String,
    /// By which option of `segue serve`; with `option`.
    #[schemars(skip_serializing_if = "Option::is_none")]
    option: String,
}

/// Whether the text of a file is one that somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// The configuration file.
    Given,
    /// The built-in demonstration.
    BuiltIn,
}

/// All of them, in the order of the documentation. Of a connector or a bot, those that somebody has
/// set: the others have their default, or the server's limit.
pub fn settings(source: &Source, text: Text) -> Vec<Setting> {
    let defaults = Source::read(super::DEFAULT_TOML, &mut Problems::default());
    let mut all = Vec::new();
    for section in Section::ALL {
        match source.tables(section) {
            Tables::One(table) => {
                let Tables::One(default) = defaults.tables(section) else { continue };
                for key in section.keys() {
                    let set = table.values.get(key.name);
                    let given = set.or_else(|| default.values.get(key.name));
                    let name = format!("{}.{}", section.name(), key.name);
                    let origin = set.map_or(Origin::Default, |it| origin(it, text));
                    let value = given.map_or(Json::Null, |it| shown(section, key.name, it));
                    all.push(Setting { name, value, origin, connector: None });
                }
            }
            Tables::Many(tables) => {
                for table in tables {
                    all.extend(of_table(section, table, text));
                }
            }
        }
    }
    all
}

fn of_table(section: Section, table: &Table, text: Text) -> Vec<Setting> {
    let id = table.text("id").map(|(id, _)| ConnectorId(id.to_owned()));
    let connector = id.filter(|_| section == Section::Connectors);
    let keys = section.keys().into_iter().filter(|key| key.name != "id");
    let set = keys.filter_map(|key| Some((key.name, table.values.get(key.name)?)));
    set.map(|(key, given)| Setting {
        name: format!("{}.{key}", table.path),
        value: shown(section, key, given),
        origin: origin(given, text),
        connector: connector.clone(),
    })
    .collect()
}

fn origin(given: &Given, text: Text) -> Origin {
    match (&given.place, text) {
        // No variable is called so, and an option stands among them under its own name.
        (Place::Variable(option), _) if option.starts_with("--") => {
            Origin::Option { option: option.clone() }
        }
        (Place::Variable(variable), _) => Origin::Environment { variable: variable.clone() },
        (Place::Line(line), Text::Given) => Origin::File { line: *line },
        (Place::Line(_), Text::BuiltIn) | (Place::Program, _) => Origin::Default,
    }
}

fn shown(section: Section, key: &str, given: &Given) -> Json {
    match &given.value {
        Value::Text(text) if text.is_empty() => json!(""),
        Value::Text(_) if is_secret(section, key) => json!(MASK),
        Value::Text(text) if key == "url" => json!(without_query(text)),
        Value::Text(text) => json!(text),
        Value::Flag(flag) => json!(flag),
        Value::Whole(number) => json!(number),
        Value::Texts(texts) => json!(texts),
        Value::Reported => Json::Null,
    }
}

/// Whether nobody may see the value: everything that may hold a secret, except names of files.
pub(super) fn is_secret(section: Section, key: &str) -> bool {
    let may_hold_one = ["token", "secret", "password", "header", "command"];
    let is_key = section == Section::Secrets && key == "key";
    is_key || (may_hold_one.iter().any(|it| key.contains(it)) && !key.ends_with("_file"))
}

/// The query of an address may hold a key.
fn without_query(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => format!("{before}?{MASK}"),
        None => url.to_owned(),
    }
}

/// The tables of a section.
pub(super) enum Tables<'s> {
    One(&'s Table),
    Many(&'s [Table]),
}

impl Source {
    fn tables(&self, section: Section) -> Tables<'_> {
        if section.is_array() {
            Tables::Many(self.many(section))
        } else {
            Tables::One(self.one(section))
        }
    }
}
