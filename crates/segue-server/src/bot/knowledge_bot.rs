//! The knowledge bot as a bot among others: asks it, and gives its reply piece by piece.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use segue_core::{
    Output, TurnReason,
    ports::{Answer, Bot, BotError, TurnRequest},
};

use tokio::time::Instant;

use super::{
    knowledge::{Ask, Reason},
    topics::Topics,
};
use crate::limits;

/// Answers from topics, in this process.
pub struct KnowledgeBot(pub Arc<Topics>);

/// A reply of which the rest is still to be given.
struct Rest {
    outputs: std::iter::Peekable<std::vec::IntoIter<Output>>,
    /// The pause before each piece but the first; none where nobody watches.
    pause: Option<Duration>,
    /// The next piece has its time then.
    next_at: Option<Instant>,
}

#[async_trait]
impl Bot for KnowledgeBot {
    async fn answer(&self, request: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        let inputs: Vec<&str> = request.input.iter().map(|it| it.text.as_str()).collect();
        let reason = match request.reason {
            TurnReason::Join => Reason::Join,
            TurnReason::Message => Reason::Message,
            TurnReason::HandoffFailed { .. } => Reason::HandOffFailed,
        };
        let reply = self.0.now().reply(Ask {
            inputs: &inputs,
            language: request.language.as_deref(),
            state: request.state.as_deref(),
            may_hand_off: request.may_hand_off,
            reason,
        });
        // All at once would be no stream: the pieces come at the pace of a quick reader.
        let pause = Duration::from_millis(limits::KNOWLEDGE_PIECE_MS);
        Ok(Box::new(Rest {
            outputs: reply.outputs.into_iter().peekable(),
            pause: request.is_streamed.then_some(pause),
            next_at: None,
        }))
    }
}

#[async_trait]
impl Answer for Rest {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        if let (Some(pause), Some(Output::Text(_))) = (self.pause, self.outputs.peek()) {
            if let Some(next_at) = self.next_at {
                tokio::time::sleep_until(next_at).await;
            }
            self.next_at = Some(Instant::now() + pause);
        }
        Ok(self.outputs.next())
    }
}
