//! One connection of a crowd: talks when it is told to, reads everything, judges it.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    account::{Account, Noted},
    board::{Board, Phase},
    check::{Fault, Reading, Telling, Told},
    frame::{self, Chunk, Frame},
    target::Web,
};

/// What a user does when it is its turn.
#[derive(Debug)]
pub enum Habit {
    /// Says something that is echoed.
    Speak,
    /// Says something that a bot answers, in chunks.
    Ask {
        /// The answer, while it comes.
        telling: Telling,
        /// When the message was due that is being answered.
        due_us: Option<u64>,
    },
    /// Says that it is there; when those were due that are not answered.
    Beat(VecDeque<u64>),
}

/// A connected user.
pub struct User {
    /// Its socket.
    pub web: Web,
    /// Its books.
    pub account: Account,
    /// What it does.
    pub habit: Habit,
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
        dues.close();
        let mut given_up = self.account.give_up() + self.give_up();
        while dues.try_recv().is_ok() {
            given_up += 1;
        }
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
        // A run may have begun before this task did.
        if now == Phase::Saturate {
            self.fill().await?;
        }
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
                let (board, habit, user) = (&self.board, &mut self.habit, self.account.user);
                self.account.take(&text, |noted| match noted {
                    Noted::Echo(key) => board.answered(key.due_us),
                    Noted::Heard(key) => board.heard(key.due_us),
                    Noted::Event(event) | Noted::Signal(event) => {
                        if let Err(fault) = habit.take(event, board) {
                            board.faults.note(format_args!("user {user}"), &fault);
                        }
                    }
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
            && self.board.due_if_open()
        {
            is_fed = true;
            self.say(self.board.now_us(), false).await?;
        }
        if is_fed { self.flush().await } else { Ok(()) }
    }

    /// Says something that counts as in flight already.
    async fn say(&mut self, due_us: u64, is_paced: bool) -> Result<(), Gone> {
        if is_paced {
            self.board.sent_late(due_us);
        }
        match &mut self.habit {
            Habit::Speak => {}
            Habit::Ask { due_us: busy, .. } => {
                if busy.is_some() {
                    self.account.fault(&Fault::StillBusy);
                    self.board.gave_up(1);
                    return Ok(());
                }
                *busy = Some(due_us);
                self.board.turn(false);
            }
            Habit::Beat(dues) => {
                dues.push_back(due_us);
                return self.feed(frame::HEARTBEAT.to_owned()).await;
            }
        }
        let Some(sending) = &mut self.account.sending else {
            self.board.gave_up(1);
            return Ok(());
        };
        let frame = sending.send(due_us).frame();
        self.feed(frame).await
    }

    async fn feed(&mut self, frame: String) -> Result<(), Gone> {
        self.web.feed(Message::text(frame)).await.map_err(|error| Gone(error.to_string()))
    }

    /// What was begun and did not come to its end, besides echoes.
    fn give_up(&mut self) -> usize {
        match &mut self.habit {
            Habit::Speak => 0,
            Habit::Ask { due_us: None, .. } => 0,
            Habit::Ask { due_us: Some(_), .. } => {
                self.account.fault(&Fault::BotMessage("was never completed".to_owned()));
                1
            }
            Habit::Beat(dues) => {
                for _ in dues.iter() {
                    self.account.fault(&Fault::HeartbeatLost);
                }
                dues.len()
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.web.flush().await.map_err(|error| Gone(error.to_string()))
    }
}

impl Habit {
    /// Takes an event that is no echo of a message.
    fn take(&mut self, event: &Frame<'_>, board: &Board) -> Result<(), Fault> {
        match self {
            Habit::Speak => Ok(()),
            Habit::Beat(dues) => {
                if event.kind == frame::HEARTBEAT_ECHO
                    && let Some(due_us) = dues.pop_front()
                {
                    board.answered(due_us);
                }
                Ok(())
            }
            Habit::Ask { telling, due_us } => {
                if event.kind != frame::CHUNK {
                    return Ok(());
                }
                let chunk: Chunk<'_> = serde_json::from_str(event.payload.get())
                    .map_err(|_| Fault::BotMessage("has a chunk that is none".to_owned()))?;
                let is_complete = match telling.take(&chunk)? {
                    Told::First { given_us, is_complete } => {
                        board.turn_begun(given_us, due_us.unwrap_or(given_us));
                        is_complete
                    }
                    Told::More => false,
                    Told::Complete => true,
                };
                if is_complete && due_us.take().is_some() {
                    board.turn(true);
                }
                Ok(())
            }
        }
    }
}
