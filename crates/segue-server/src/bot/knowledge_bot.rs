//! The knowledge bot as a bot among others: asks it, and gives its reply piece by piece.

use async_trait::async_trait;
use segue_core::{
    Output, TurnReason,
    ports::{Answer, Bot, BotError, TurnRequest},
};

use super::knowledge::{Ask, Knowledge, Reason};

/// Answers from topics, in this process.
pub struct KnowledgeBot(pub Knowledge);

/// A reply of which the rest is still to be given.
struct Rest(std::vec::IntoIter<Output>);

#[async_trait]
impl Bot for KnowledgeBot {
    async fn answer(&self, request: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        let inputs: Vec<&str> = request.input.iter().map(|it| it.text.as_str()).collect();
        let reason = match request.reason {
            TurnReason::Join => Reason::Join,
            TurnReason::Message => Reason::Message,
            TurnReason::HandoffFailed { .. } => Reason::HandOffFailed,
        };
        let reply = self.0.reply(Ask {
            inputs: &inputs,
            state: request.state.as_deref(),
            may_hand_off: request.may_hand_off,
            reason,
        });
        Ok(Box::new(Rest(reply.outputs.into_iter())))
    }
}

#[async_trait]
impl Answer for Rest {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        Ok(self.0.next())
    }
}
