//! One topic: a Markdown file with YAML front matter (bots.md, `kind = "knowledge"`). Whatever is
//! wrong with a file is said with its name, the line and the field; nothing is silently skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use segue_core::{Attachment, ContentType, HandOff, HandOffMode, HandOffReason};

use super::language::Language;
use crate::limits::{TOPIC_BYTES_MAX, TOPIC_EXAMPLES_MAX, TOPIC_EXTRAS_MAX, TOPICS_MAX};

const FIELDS: &[&str] = &["name", "examples", "suggestions", "attachments", "action", "language"];
const ATTACHMENT_FIELDS: &[&str] =
    &["title", "content_url", "content_type", "preview_image_url", "call_to_action_text"];
const HANDOFF_FIELDS: &[&str] = &["destination", "reason", "mode"];

/// Something that the bot has an answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The file's name without its ending.
    pub stem: String,
    /// What it is written in.
    pub language: Language,
    /// What the topic is called, also where it is offered as a guess.
    pub name: String,
    /// Questions that it answers.
    pub examples: Vec<String>,
    /// What the user may want to ask next.
    pub suggestions: Vec<String>,
    /// What is shown beside the answer.
    pub attachments: Vec<Attachment>,
    /// What is done after the answer.
    pub action: Option<Action>,
    /// The answer, in Markdown. Empty only beside an action.
    pub answer: String,
}

impl Topic {
    /// The handoff that this topic asks for, if it does.
    pub fn hand_off(&self) -> Option<&HandOff> {
        match &self.action {
            Some(Action::HandOff(hand_off)) => Some(hand_off),
            Some(Action::End) | None => None,
        }
    }
}

/// What a topic does beyond its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Gives the user to somebody else.
    HandOff(HandOff),
    /// Ends the conversation.
    End,
}

/// Why a folder of topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The folder, or a file in it, cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// What was read.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is not one topic.
    #[error("no topics in {folder}: expected files with names ending in .md")]
    Empty {
        /// Where they were looked for.
        folder: String,
    },
    /// There are more topics than `TOPICS_MAX`.
    #[error("too many topics in {folder}: {count}, at most {TOPICS_MAX}")]
    TooMany {
        /// Where they are.
        folder: String,
        /// How many there are.
        count: usize,
    },
    /// A file is not laid out as a topic.
    #[error("{file}:{line}: {problem}")]
    Layout {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A field of the front matter is wrong.
    #[error("{file}:{line}: field \"{field}\": {problem}")]
    Field {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// The field, with those around it: `attachments.content_url`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The files of a folder's topics: every `*.md` directly in it and in the folders directly in it,
/// hidden ones excepted, in the order of their names.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, TopicError> {
    let mut files = Vec::new();
    for (path, is_folder) in visible(folder)? {
        if is_folder {
            let inner = visible(&path)?.into_iter().filter(|(_, is_folder)| !is_folder);
            files.extend(inner.map(|(path, _)| path));
        } else {
            files.push(path);
        }
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    files.sort();
    if files.len() > TOPICS_MAX {
        let folder = folder.display().to_string();
        return Err(TopicError::TooMany { folder, count: files.len() });
    }
    Ok(files)
}

/// What is in a folder and not hidden, and whether it is a folder.
fn visible(folder: &Path) -> Result<Vec<(PathBuf, bool)>, TopicError> {
    let unreadable = |source| TopicError::Unreadable { path: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        // A link counts as what it leads to: in a mounted config map everything is one.
        let is_folder = match entry.file_type().map_err(unreadable)? {
            kind if kind.is_symlink() => path.is_dir(),
            kind => kind.is_dir(),
        };
        found.push((path, is_folder));
    }
    Ok(found)
}

/// Reads the topics of a folder, as pairs of a file's path and its text.
pub fn read_dir(folder: &Path) -> Result<Vec<(String, String)>, TopicError> {
    let mut texts = Vec::new();
    for path in files(folder)? {
        let file = path.display().to_string();
        let unreadable = |source| TopicError::Unreadable { path: file.clone(), source };
        let size = fs::metadata(&path).map_err(unreadable)?.len();
        Source { file: &file }.check_size(size)?;
        let bytes = fs::read(&path).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            Source { file: &file }.layout(line, "not UTF-8")
        })?;
        texts.push((file, text));
    }
    Ok(texts)
}

/// Reads topics from their files' names and texts. `folder` is what an error calls the whole.
pub fn parse_all(folder: &str, texts: &[(&str, &str)]) -> Result<Vec<Topic>, TopicError> {
    if texts.is_empty() {
        return Err(TopicError::Empty { folder: folder.to_owned() });
    }
    if texts.len() > TOPICS_MAX {
        return Err(TopicError::TooMany { folder: folder.to_owned(), count: texts.len() });
    }
    let mut topics = Vec::new();
    let mut names: BTreeMap<(Language, Vec<String>), &str> = BTreeMap::new();
    for (file, text) in texts {
        let (topic, name_line) = parse(file, text)?;
        // A guess is offered by its name, so the name has to lead to one topic.
        let words = topic.language.words(&topic.name).collect();
        if let Some(other) = names.insert((topic.language, words), file) {
            let problem = format!("already the name of {other}");
            return Err(Source { file }.field(name_line, "name", problem));
        }
        topics.push(topic);
    }
    Ok(topics)
}

/// One topic, and the line of its name.
fn parse(file: &str, text: &str) -> Result<(Topic, usize), TopicError> {
    let source = Source { file };
    source.check_size(text.len() as u64)?;
    let (front, answer) = source.split(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    let fields = source.fields(&front)?;
    let Some(name) = fields.get("name") else {
        return Err(source.field(1, "name", "missing"));
    };
    let topic = Topic {
        stem: Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        language: fields
            .get("language")
            .map_or(Ok(Language::English), |node| source.language(node))?,
        name: source.text("name", name)?,
        examples: source.texts("examples", &fields, TOPIC_EXAMPLES_MAX)?,
        suggestions: source.texts("suggestions", &fields, TOPIC_EXTRAS_MAX)?,
        attachments: source.attachments(&fields)?,
        action: fields.get("action").map(|node| source.action(node)).transpose()?,
        answer,
    };
    if topic.answer.is_empty() && topic.action.is_none() {
        return Err(source.layout(text.lines().count(), "no answer after the front matter"));
    }
    Ok((topic, name.span.start.line()))
}

type Fields<'a, 'input> = BTreeMap<&'a str, &'a MarkedYaml<'input>>;

/// The file that is being read, for its errors.
#[derive(Clone, Copy)]
struct Source<'a> {
    file: &'a str,
}

impl Source<'_> {
    fn layout(self, line: usize, problem: impl Into<String>) -> TopicError {
        TopicError::Layout { file: self.file.to_owned(), line, problem: problem.into() }
    }

    fn field(self, line: usize, field: &str, problem: impl Into<String>) -> TopicError {
        let (file, field) = (self.file.to_owned(), field.to_owned());
        TopicError::Field { file, line, field, problem: problem.into() }
    }

    fn check_size(self, bytes: u64) -> Result<(), TopicError> {
        if bytes > TOPIC_BYTES_MAX {
            return Err(self.layout(1, format!("{bytes} bytes, at most {TOPIC_BYTES_MAX}")));
        }
        Ok(())
    }

    /// The front matter, as a YAML document whose lines count as the file's, and what follows it.
    fn split(self, text: &str) -> Result<(MarkedYaml<'static>, String), TopicError> {
        let mut lines = text.lines();
        if lines.next().map(str::trim_end) != Some("---") {
            return Err(self.layout(1, "expected --- and front matter"));
        }
        // In the place of the fence an empty line, so that the parser's lines are the file's.
        let mut front = String::from("\n");
        let mut closed = false;
        for line in lines.by_ref() {
            closed = line.trim_end() == "---";
            if closed {
                break;
            }
            front.push_str(line);
            front.push('\n');
        }
        if !closed {
            return Err(self.layout(1, "the front matter is not closed by a line ---"));
        }
        let answer = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
        let documents = MarkedYaml::load_from_str(&front)
            .map_err(|error| self.layout(error.marker().line(), error.info()))?;
        match <[_; 1]>::try_from(documents) {
            Ok([document]) => Ok((document, answer)),
            Err(_) => Err(self.layout(1, "the front matter is empty")),
        }
    }

    fn fields<'a, 'i>(self, front: &'a MarkedYaml<'i>) -> Result<Fields<'a, 'i>, TopicError> {
        let YamlData::Mapping(_) = &front.data else {
            return Err(self.layout(front.span.start.line(), "expected fields such as name: …"));
        };
        self.mapping("", front, FIELDS)
    }

    /// The entries of a mapping, all of them among `known`.
    fn mapping<'a, 'i>(
        self,
        field: &str,
        node: &'a MarkedYaml<'i>,
        known: &[&str],
    ) -> Result<Fields<'a, 'i>, TopicError> {
        let YamlData::Mapping(entries) = &node.data else {
            let problem = format!("expected a mapping with {}", known.join(", "));
            return Err(self.field(node.span.start.line(), field, problem));
        };
        let mut fields = Fields::new();
        for (key, value) in entries {
            let line = key.span.start.line();
            let YamlData::Value(Scalar::String(name)) = &key.data else {
                return Err(self.layout(line, "expected the name of a field"));
            };
            if !known.contains(&name.as_ref()) {
                let problem = format!("unknown, expected one of {}", known.join(", "));
                return Err(self.field(line, &path(field, name), problem));
            }
            fields.insert(name.as_ref(), value);
        }
        Ok(fields)
    }

    fn text(self, field: &str, node: &MarkedYaml<'_>) -> Result<String, TopicError> {
        let line = node.span.start.line();
        match &node.data {
            YamlData::Value(Scalar::String(text)) if text.trim().is_empty() => {
                Err(self.field(line, field, "must not be blank"))
            }
            YamlData::Value(Scalar::String(text)) => Ok(text.trim().to_owned()),
            YamlData::Value(Scalar::Null) => Err(self.field(line, field, "must not be empty")),
            // YAML reads 10 as a number and true as a truth value.
            YamlData::Value(_) => Err(self.field(line, field, "must be text, put it in quotes")),
            _ => Err(self.field(line, field, "must be text")),
        }
    }

    fn list<'a, 'i>(
        self,
        field: &str,
        fields: &Fields<'a, 'i>,
        count_max: usize,
    ) -> Result<&'a [MarkedYaml<'i>], TopicError> {
        let Some(node) = fields.get(field) else {
            return Ok(&[]);
        };
        let line = node.span.start.line();
        let YamlData::Sequence(items) = &node.data else {
            return Err(self.field(line, field, "must be a list"));
        };
        if items.len() > count_max {
            let problem = format!("{} of them, at most {count_max}", items.len());
            return Err(self.field(line, field, problem));
        }
        Ok(items)
    }

    fn texts(
        self,
        field: &str,
        fields: &Fields<'_, '_>,
        count_max: usize,
    ) -> Result<Vec<String>, TopicError> {
        self.list(field, fields, count_max)?.iter().map(|node| self.text(field, node)).collect()
    }

    fn optional_text(
        self,
        parent: &str,
        name: &str,
        fields: &Fields<'_, '_>,
    ) -> Result<Option<String>, TopicError> {
        fields.get(name).map(|node| self.text(&path(parent, name), node)).transpose()
    }

    fn attachments(self, fields: &Fields<'_, '_>) -> Result<Vec<Attachment>, TopicError> {
        let nodes = self.list("attachments", fields, TOPIC_EXTRAS_MAX)?;
        nodes.iter().map(|node| self.attachment(node)).collect()
    }

    fn attachment(self, node: &MarkedYaml<'_>) -> Result<Attachment, TopicError> {
        const PARENT: &str = "attachments";
        let line = node.span.start.line();
        let fields = self.mapping(PARENT, node, ATTACHMENT_FIELDS)?;
        let missing = |name| self.field(line, &path(PARENT, name), "missing");
        let content_type = match self.optional_text(PARENT, "content_type", &fields)?.as_deref() {
            None | Some("url") => ContentType::Url,
            Some("image") => ContentType::Image,
            Some(_) => {
                let line = fields["content_type"].span.start.line();
                let field = path(PARENT, "content_type");
                return Err(self.field(line, &field, "must be url or image"));
            }
        };
        Ok(Attachment {
            title: self.optional_text(PARENT, "title", &fields)?.ok_or_else(|| missing("title"))?,
            preview_image_url: self.url(PARENT, "preview_image_url", &fields)?,
            content_url: self
                .url(PARENT, "content_url", &fields)?
                .ok_or_else(|| missing("content_url"))?,
            content_type,
            call_to_action_text: self.optional_text(PARENT, "call_to_action_text", &fields)?,
        })
    }

    /// An absolute URL, percent-encoded as it has to be on the wire (protocol, section 3).
    fn url(
        self,
        parent: &str,
        name: &str,
        fields: &Fields<'_, '_>,
    ) -> Result<Option<String>, TopicError> {
        let Some(url) = self.optional_text(parent, name, fields)? else {
            return Ok(None);
        };
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let absolute = host.is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric()));
        if absolute && url.chars().all(|c| c.is_ascii_graphic()) {
            return Ok(Some(url));
        }
        let problem = "must be an absolute http or https URL, percent-encoded";
        Err(self.field(fields[name].span.start.line(), &path(parent, name), problem))
    }

    fn action(self, node: &MarkedYaml<'_>) -> Result<Action, TopicError> {
        let problem = "must be end, or handoff with destination and reason";
        match &node.data {
            YamlData::Value(Scalar::String(word)) if word == "end" => Ok(Action::End),
            YamlData::Mapping(_) => {
                let fields = self.mapping("action", node, &["handoff"])?;
                let Some(node) = fields.get("handoff") else {
                    return Err(self.field(node.span.start.line(), "action", problem));
                };
                self.hand_off(node).map(Action::HandOff)
            }
            _ => Err(self.field(node.span.start.line(), "action", problem)),
        }
    }

    fn hand_off(self, node: &MarkedYaml<'_>) -> Result<HandOff, TopicError> {
        const PARENT: &str = "action.handoff";
        let fields = self.mapping(PARENT, node, HANDOFF_FIELDS)?;
        let wrong = |name: &str, problem: &str| {
            self.field(fields[name].span.start.line(), &path(PARENT, name), problem)
        };
        let reason = match self.optional_text(PARENT, "reason", &fields)?.as_deref() {
            Some("COMPLEX_QUERY") => HandOffReason::ComplexQuery,
            None | Some("AGENT_DECISION") => HandOffReason::AgentDecision,
            Some("POLICY") => HandOffReason::Policy,
            Some(_) => {
                let problem = "must be COMPLEX_QUERY, AGENT_DECISION or POLICY";
                return Err(wrong("reason", problem));
            }
        };
        let mode = match self.optional_text(PARENT, "mode", &fields)?.as_deref() {
            None => None,
            Some("server") => Some(HandOffMode::Server),
            Some("client") => Some(HandOffMode::Client),
            Some(_) => return Err(wrong("mode", "must be server or client")),
        };
        let destination = self.optional_text(PARENT, "destination", &fields)?;
        Ok(HandOff { destination, reason, mode, data: None })
    }

    fn language(self, node: &MarkedYaml<'_>) -> Result<Language, TopicError> {
        let tag = self.text("language", node)?;
        Language::of_tag(&tag).ok_or_else(|| {
            let known: Vec<&str> = Language::ALL.iter().map(|it| it.code()).collect();
            let problem = format!("{tag} is not supported, expected one of {}", known.join(", "));
            self.field(node.span.start.line(), "language", problem)
        })
    }
}

fn path(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
