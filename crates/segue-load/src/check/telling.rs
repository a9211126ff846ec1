//! Whether a bot's message arrives as the bot gave it: all pieces, in order, once, and closed.

use crate::{bot, check::Fault, frame::Chunk};

/// The message that a bot is giving in one session.
#[derive(Debug)]
pub struct Telling {
    /// Pieces of one answer.
    outputs: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    message_id: String,
    index: u64,
    text: String,
}

/// What a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The first one of a message of several: the bot gave its first piece at this time.
    First {
        /// On the clock of the bot.
        given_us: u64,
        /// Whether it is the last one too.
        is_complete: bool,
    },
    /// In between.
    More,
    /// The last one; the message is as it was given.
    Complete,
}

impl Telling {
    /// A bot that gives so many pieces in one answer.
    pub fn new(outputs: u64) -> Self {
        Self { outputs, open: None }
    }

    /// Takes the next chunk.
    pub fn take(&mut self, chunk: &Chunk<'_>) -> Result<Told, Fault> {
        let wrong = |what: &str| Err(Fault::BotMessage(what.to_owned()));
        let is_first = self.open.is_none();
        let open = self.open.get_or_insert_with(|| Open {
            message_id: chunk.message_id.to_owned(),
            index: 0,
            text: String::new(),
        });
        if chunk.message_id != open.message_id {
            self.open = None;
            return wrong("was not closed before the next began");
        }
        if chunk.chunk_index != open.index + 1 {
            let what = format!("has chunk {} after {}", chunk.chunk_index, open.index);
            open.index = chunk.chunk_index;
            return wrong(&what);
        }
        open.index += 1;
        open.text.push_str(&chunk.text);
        let Some(given_us) = given_us(&open.text) else {
            self.open = None;
            return wrong("does not begin as the bot began it");
        };
        if chunk.is_complete {
            let expected: String = (0..self.outputs).map(|it| bot::piece(it, given_us)).collect();
            let is_right = open.text.trim_end() == expected.trim_end();
            self.open = None;
            if !is_right {
                return wrong("says something else than the bot");
            }
        }
        match (is_first, chunk.is_complete) {
            (true, is_complete) => Ok(Told::First { given_us, is_complete }),
            (false, false) => Ok(Told::More),
            (false, true) => Ok(Told::Complete),
        }
    }

    /// Whether a message is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

fn given_us(text: &str) -> Option<u64> {
    text.strip_prefix("given=")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(message_id: &str, index: u64, text: &str, is_complete: bool) -> String {
        format!(
            r#"{{"message_id":"{message_id}","text":"{text}","chunk_index":{index},"is_complete":{is_complete},"attachments":[]}}"#
        )
    }

    fn tell(telling: &mut Telling, chunk: &str) -> Result<Told, String> {
        let chunk: Chunk<'_> = serde_json::from_str(chunk).unwrap();
        telling.take(&chunk).map_err(|it| it.to_string())
    }

    fn begun() -> Telling {
        let mut telling = Telling::new(3);
        let first = tell(&mut telling, &chunk("a", 1, "given=70 and then ", false));
        assert_eq!(first, Ok(Told::First { given_us: 70, is_complete: false }));
        telling
    }

    #[test]
    fn a_message_as_it_was_given_is_right() {
        let mut telling = begun();
        let more = tell(&mut telling, &chunk("a", 2, "piece 1 then ", false));
        assert_eq!(more, Ok(Told::More));
        let last = tell(&mut telling, &chunk("a", 3, "piece 2", true));
        assert_eq!(last, Ok(Told::Complete));
        assert!(!telling.is_open());
    }

    #[test]
    fn a_chunk_that_is_missing_repeated_or_of_another_message_is_found() {
        for (index, message_id, what) in [
            (3, "a", "the bot's message has chunk 3 after 1"),
            (1, "a", "the bot's message has chunk 1 after 1"),
            (2, "b", "the bot's message was not closed before the next began"),
        ] {
            let told = tell(&mut begun(), &chunk(message_id, index, "piece ", false));
            assert_eq!(told, Err(what.to_owned()));
        }
    }

    #[test]
    fn a_message_that_was_cut_short_or_altered_is_found() {
        for text in ["piece 1", "piece 1 then piece 3"] {
            let told = tell(&mut begun(), &chunk("a", 2, text, true));
            assert_eq!(told, Err("the bot's message says something else than the bot".to_owned()));
        }
        let told = tell(&mut Telling::new(3), &chunk("a", 1, "piece 1", false));
        assert!(told.is_err());
    }
}
