//! Whether the server still owes an answer. The protocol has no event that ends a turn, so who
//! waits for answers (a script, not a person) looks at what is under way, and then for silence.

use super::frame::{Event, What};
use crate::limits;

/// What is known about answers. Times are milliseconds since the start of this program.
#[derive(Debug, Default)]
pub struct Answers {
    is_due: bool,
    is_streaming: bool,
    thinking_until: u64,
    last_sign_at: u64,
}

impl Answers {
    /// Something of ours is in the log and calls for an answer.
    pub fn ask(&mut self, now: u64) {
        self.is_due = true;
        self.last_sign_at = now;
    }

    /// The connection is lost: what was true of the moment may not be any more.
    pub fn lose(&mut self) {
        self.thinking_until = 0;
    }

    /// The connection is back, and whatever was missed is on its way.
    pub fn resume(&mut self, now: u64) {
        self.last_sign_at = now;
    }

    /// Takes in what happened.
    pub fn take(&mut self, now: u64, event: &Event) {
        match &event.what {
            What::BotThinking => self.thinking_until = now + limits::CHAT_THINKING_MS,
            What::BotChunk(chunk) => {
                self.thinking_until = 0;
                self.is_streaming = !chunk.is_complete;
                self.is_due &= self.is_streaming;
            }
            What::BotMessage(_) if event.sequence.is_none() => return,
            // A refusal answers a message of ours, but nothing that the bot was asked.
            What::System(_) if event.sequence.is_none() => return,
            What::BotMessage(_) | What::LiveAgentMessage(_) | What::System(_) => self.answer(),
            // Nobody is left to answer, or a person, who may take any time.
            What::ClientHandoffRequired(_) | What::HandoffAccepted(_) | What::SessionEnd(_) => {
                self.answer();
            }
            What::Heartbeat | What::Other => return,
            _ => {}
        }
        self.last_sign_at = now;
    }

    fn answer(&mut self) {
        self.is_due = false;
        self.is_streaming = false;
        self.thinking_until = 0;
    }

    /// Whether something is known to be missing.
    pub fn are_due(&self) -> bool {
        self.is_due || self.is_streaming
    }

    /// When everything has been answered, as far as can be told; `None` while an answer is coming
    /// in.
    pub fn settled_at(&self) -> Option<u64> {
        if self.is_streaming {
            return None;
        }
        let wait_ms = if self.is_due {
            limits::CHAT_UNANNOUNCED_ANSWER_MS
        } else {
            limits::CHAT_SETTLED_AFTER_MS
        };
        Some(self.thinking_until.max(self.last_sign_at + wait_ms))
    }
}

#[cfg(test)]
mod tests;
