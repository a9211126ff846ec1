//! A conversation as people read it. What was said stands in quotes, so that nothing in it can look
//! like a part of the document.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use segue_core::{CallAction, EndReason, Entry, Event, Extras, MessageId, Session, TurnOutcome};

use crate::wire;

#[cfg(test)]
mod tests;

/// The whole log of a session; internal entries are marked.
pub fn write(session: &Session, log: &[Entry]) -> String {
    let mut out = Document::default();
    let facts = &session.facts;
    out.line(&format!("# Conversation {}\n", session.id));
    let ended_at = session.ended_at().map(wire::timestamp);
    let first = log.first().map(|it| wire::timestamp(it.at));
    let rows = [
        ("Connector", Some(facts.connector.to_string())),
        ("Begun", first),
        ("Ended", ended_at),
        ("User", segue_store::user_of(facts)),
        ("Platform", Some(facts.platform.clone())),
        ("Language", session.state.language.clone()),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            out.line(&format!("- {name}: {}", code(&value)));
        }
    }
    let chunks = Chunks::of(log);
    let mut begun = BTreeSet::new();
    for entry in log {
        out.entry(entry, session, &chunks, &mut begun);
    }
    out.0
}

/// What the chunks of each message add up to.
struct Chunks<'l>(BTreeMap<MessageId, (String, Option<&'l Extras>)>);

impl<'l> Chunks<'l> {
    fn of(log: &'l [Entry]) -> Self {
        let mut messages: BTreeMap<MessageId, (String, Option<&Extras>)> = BTreeMap::new();
        for entry in log {
            if let Event::BotChunkPosted { message_id, text, extras, is_complete, .. } =
                &entry.event
            {
                let message = messages.entry(*message_id).or_default();
                message.0.push_str(text);
                message.1 = is_complete.then_some(extras).or(message.1);
            }
        }
        Self(messages)
    }
}

#[derive(Default)]
struct Document(String);

impl Document {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn entry(
        &mut self,
        entry: &Entry,
        session: &Session,
        chunks: &Chunks<'_>,
        begun: &mut BTreeSet<MessageId>,
    ) {
        let bot = session.state.bot.as_ref().map_or("Bot", |it| it.name.as_str());
        match &entry.event {
            Event::UserMessagePosted { text, .. } => self.said("User", entry, text),
            Event::BotMessagePosted { text, extras, call_actions, bot, .. } => {
                self.said(&bot.name, entry, text);
                self.extras(extras, call_actions);
            }
            // A message in chunks stands where its first one does.
            Event::BotChunkPosted { message_id, .. } => {
                if begun.insert(*message_id)
                    && let Some((text, extras)) = chunks.0.get(message_id)
                {
                    self.said(bot, entry, text);
                    if let Some(extras) = extras {
                        self.extras(extras, &[]);
                    }
                }
            }
            other => {
                let marked = if other.is_visible() { "" } else { "internal: " };
                let at = wire::timestamp(entry.at);
                self.line(&format!("\n*{at} {marked}{}*", happened(other)));
            }
        }
    }

    fn said(&mut self, who: &str, entry: &Entry, text: &str) {
        self.line(&format!("\n**{}** {}\n", plain(who), wire::timestamp(entry.at)));
        for line in text.split('\n') {
            self.line(format!("> {}", line.trim_end_matches('\r')).trim_end());
        }
    }

    fn extras(&mut self, extras: &Extras, calls: &[CallAction]) {
        if extras.is_empty() && calls.is_empty() {
            return;
        }
        self.line("");
        for it in &extras.attachments {
            self.line(&format!("- attached: {} {}", plain(&it.title), code(&it.content_url)));
        }
        for it in &extras.suggestions {
            self.line(&format!("- suggested: {}", plain(&it.message_text)));
        }
        for it in calls {
            self.line(&format!("- to call: {} {}", plain(&it.title), code(&it.contact_number)));
        }
    }
}

/// In a word or two, what is no message.
fn happened(event: &Event) -> String {
    let mut text = String::new();
    let because = |reason: &Option<String>| {
        reason.as_ref().map_or_else(String::new, |it| format!(": {}", plain(it)))
    };
    let written = match event {
        Event::SessionStarted { .. } => write!(text, "the conversation began"),
        Event::JoinRequested { .. } => write!(text, "the user asked for the bot"),
        Event::BotJoined { bot, .. } => write!(text, "{} joined", plain(&bot.name)),
        Event::TurnStarted { turn, .. } => write!(text, "turn {} began", turn.0),
        Event::TurnEnded { turn, outcome } => {
            write!(text, "turn {} {}", turn.0, outcome_of(*outcome))
        }
        Event::LanguageChanged { language_code, .. } => {
            write!(text, "the language changed to {}", plain(language_code))
        }
        Event::HandoffTriggered => write!(text, "the bot hands off"),
        Event::ClientHandoffRequired { destination, .. } => {
            write!(text, "the application takes over{}", because(destination))
        }
        Event::BotLeft { reason } => write!(text, "the bot left{}", because(reason)),
        Event::HandoffFailed { reason } => write!(text, "nobody took over{}", because(reason)),
        Event::NoticePosted { notice, .. } => write!(text, "{}", wire::notice_message(*notice)),
        Event::EndRequested { .. } => write!(text, "the user ended the conversation"),
        Event::SessionEnded { reason } => {
            write!(text, "the conversation ended: {}", end_of(*reason))
        }
        Event::UserMessagePosted { .. }
        | Event::BotMessagePosted { .. }
        | Event::BotChunkPosted { .. } => Ok(()),
    };
    written.expect("writing to a text cannot fail");
    text
}

fn outcome_of(outcome: TurnOutcome) -> &'static str {
    match outcome {
        TurnOutcome::Finished => "finished",
        TurnOutcome::Failed => "failed",
        TurnOutcome::CutShort => "was cut short",
        TurnOutcome::Stopped => "was stopped by the user",
    }
}

fn end_of(reason: EndReason) -> &'static str {
    match reason {
        EndReason::UserEnd => "the user said so",
        EndReason::UserAbandoned => "the user was gone",
        EndReason::NaturalEnd => "it was over",
        EndReason::Revoked => "an administrator revoked it",
    }
}

/// A text of one line that is nothing but text.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A text of one line as code.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['\n', '\r'], " ").replace('`', "'"))
}
