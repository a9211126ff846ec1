//! One connection of a crowd: talks when it is told to, reads everything, judges it.

use std::sync::Arc;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    account::{Account, Noted},
    board::{Board, Phase},
    check::{Fault, Reading},
    target::Web,
};

/// A connected user.
pub struct User {
    /// Its socket.
    pub web: Web,
    /// Its books.
    pub account: Account,
    /// Messages that it keeps in flight while it saturates.
    pub depth: usize,
    /// What it shares.
    pub board: Arc<Board>,
}

/// Why a socket is read no further.
struct Gone(String);

impl User {
    /// Lives until the crowd is over; then says how far it read.
    ///
    /// `dues` gives the moments at which a message has to leave, on the clock of the board.
    pub async fn run(
        mut self,
        mut phase: watch::Receiver<Phase>,
        mut dues: mpsc::Receiver<u64>,
    ) -> Option<Reading> {
        if let Err(Gone(how)) = self.live(&mut phase, &mut dues).await {
            self.account.fault(&Fault::Closed(how));
        }
        let given_up = self.account.give_up();
        self.board.gave_up(given_up);
        // A close is not answered when the socket is gone; nothing depends on it.
        let _ = self.web.close(None).await;
        self.account.reading
    }

    async fn live(
        &mut self,
        phase: &mut watch::Receiver<Phase>,
        dues: &mut mpsc::Receiver<u64>,
    ) -> Result<(), Gone> {
        let mut now = *phase.borrow_and_update();
        loop {
            tokio::select! {
                biased;
                changed = phase.changed() => {
                    now = if changed.is_ok() { *phase.borrow_and_update() } else { Phase::Over };
                    match now {
                        Phase::Over => return Ok(()),
                        Phase::Saturate => self.fill().await?,
                        Phase::Rest | Phase::Paced => {}
                    }
                }
                Some(due_us) = dues.recv() => {
                    self.say(due_us, true).await?;
                    while let Ok(due_us) = dues.try_recv() {
                        self.say(due_us, true).await?;
                    }
                    self.flush().await?;
                }
                frame = self.web.next() => {
                    self.take(frame)?;
                    // All that is here already, before anything is written.
                    while let Some(frame) = self.web.next().now_or_never() {
                        self.take(frame)?;
                    }
                    if now == Phase::Saturate {
                        self.fill().await?;
                    }
                }
            }
        }
    }

    fn take(&mut self, frame: Option<Result<Message, tungstenite::Error>>) -> Result<(), Gone> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                let board = &self.board;
                self.account.take(&text, |noted| match noted {
                    Noted::Echo(key) => board.answered(key.due_us),
                    Noted::Heard(key) => board.heard(key.due_us),
                    Noted::Event(_) | Noted::Signal(_) => {}
                });
                Ok(())
            }
            Some(Ok(Message::Close(frame))) => {
                Err(Gone(frame.map_or("without a code".to_owned(), |it| it.to_string())))
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(Gone(error.to_string())),
            None => Err(Gone("without a close".to_owned())),
        }
    }

    /// Says so much that `depth` messages are in flight, unless the run is over.
    async fn fill(&mut self) -> Result<(), Gone> {
        let mut is_fed = false;
        while self.account.sending.as_ref().is_some_and(|it| it.in_flight() < self.depth)
            && self.board.is_open()
        {
            is_fed = true;
            self.say(self.board.now_us(), false).await?;
        }
        if is_fed { self.flush().await } else { Ok(()) }
    }

    async fn say(&mut self, due_us: u64, is_paced: bool) -> Result<(), Gone> {
        let Some(sending) = &mut self.account.sending else { return Ok(()) };
        let frame = sending.send(due_us).frame();
        self.board.sent(due_us, is_paced);
        self.web.feed(Message::text(frame)).await.map_err(|error| Gone(error.to_string()))
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.web.flush().await.map_err(|error| Gone(error.to_string()))
    }
}
