//! The loop of a conversation: frames from the server, lines from the person, time. All rules are
//! in `Conversation`; here is only what becomes of them.

use std::{future::Future, io, pin::Pin, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{
    conversation::Conversation,
    input::Line,
    link::{Link, Loss, News},
    screen::Screen,
};
use crate::limits;

/// Why the conversation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It was kept as long as the server keeps them.
    #[error("the server does not know this conversation any more")]
    Unknown,
    /// The socket is refused for good.
    #[error("the server refused to open the conversation: {status}, {message}")]
    Refused {
        /// With this status.
        status: u16,
        /// And these words.
        message: String,
    },
    /// An administrator has ended it.
    #[error("the server took this conversation away (close code {code})")]
    Revoked {
        /// The code that says so.
        code: u16,
    },
    /// What was said may be lost.
    #[error("messages that the server has not confirmed: {messages}")]
    Unconfirmed {
        /// How many.
        messages: usize,
    },
    /// The bot has nothing to say.
    #[error("no answer within {} s", limits::CHAT_ANSWERS_MS_MAX / 1_000)]
    Unanswered,
}

/// Who is at the other end of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Says what they like, when they like, and leaves at once.
    Person,
    /// Lines of a file, each said when the one before has been answered, as a person would.
    Script,
    /// Another program: says everything at once, reads the frames, and leaves when all has been
    /// answered.
    Program,
}

/// Where it is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Talk,
    /// Away, once everything has been answered.
    Leave,
    /// To the end of the conversation, once everything has been answered.
    End,
    /// The end was asked for.
    Ending,
}

/// Whether the connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    None,
    Told,
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    GoOn,
    /// The conversation has ended, or goes on without us.
    Over,
}

/// Ends when the person wants to leave at once.
pub type Interrupt = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A conversation and everything around it.
pub struct Talk {
    started: Instant,
    manner: Manner,
    conversation: Conversation,
    link: Link,
    screen: Screen,
    lines: mpsc::Receiver<Line>,
    interrupt: Interrupt,
    outage: Outage,
    goal: Goal,
    /// When something was last done about the goal from this side.
    waiting_since: u64,
    /// Until when a sign that somebody is at work may be on the screen.
    busy_until: Option<u64>,
}

impl Talk {
    /// A conversation in which nothing has been said. It ends when `interrupt` does.
    pub fn new(
        manner: Manner,
        link: Link,
        screen: Screen,
        lines: mpsc::Receiver<Line>,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            started: Instant::now(),
            manner,
            conversation: Conversation::default(),
            link,
            screen,
            lines,
            interrupt,
            outage: Outage::None,
            goal: Goal::Talk,
            waiting_since: 0,
            busy_until: None,
        }
    }

    /// Holds it.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let driven = self.drive().await;
        self.link.close().await;
        let left = self.screen.leave();
        let result = driven.and_then(|()| {
            left?;
            match self.conversation.unconfirmed() {
                0 => Ok(()),
                messages => Err(Stopped::Unconfirmed { messages }.into()),
            }
        });
        match result {
            // Whoever reads our output has had enough of it.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            result => result,
        }
    }

    async fn drive(&mut self) -> anyhow::Result<()> {
        if self.manner == Manner::Person {
            self.screen
                .note("type to say something; /end ends the conversation, /quit leaves it")?;
        }
        self.link.open(self.conversation.cursor());
        loop {
            if self.advance()? == Step::Over {
                return Ok(());
            }
            let now = self.now();
            if self.busy_until.take_if(|it| now >= *it).is_some() {
                self.screen.idle()?;
            }
            self.transmit().await?;
            let wake = Duration::from_millis(self.wake_at().saturating_sub(self.now()));
            let takes_lines = self.takes_lines();
            tokio::select! {
                biased;
                () = &mut self.interrupt => return Ok(()),
                news = self.link.next() => {
                    if self.take_news(news).await? == Step::Over {
                        return Ok(());
                    }
                }
                line = self.lines.recv(), if takes_lines => {
                    self.waiting_since = self.now();
                    match line {
                        Some(line) => self.take_line(line)?,
                        None => self.goal = Goal::Leave,
                    }
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends what is due.
    async fn transmit(&mut self) -> anyhow::Result<()> {
        if self.conversation.is_dead(self.now()) {
            return self.lose();
        }
        while let Some(frame) = self.conversation.next_frame(self.now()) {
            match self.link.send(frame.clone()).await {
                Ok(()) => self.screen.send(&frame)?,
                Err(_) => return self.lose(),
            }
        }
        Ok(())
    }

    /// Comes nearer to where it is going.
    fn advance(&mut self) -> anyhow::Result<Step> {
        let now = self.now();
        if self
            .conversation
            .ended_at()
            .is_some_and(|it| now >= it + limits::CHAT_CLOSE_AFTER_END_MS_MAX)
        {
            return Ok(Step::Over);
        }
        // A person does not wait for answers; everybody else does.
        let may_go = self.manner == Manner::Person || self.is_settled();
        match self.goal {
            Goal::Leave if may_go => return Ok(Step::Over),
            Goal::End if may_go => {
                self.conversation.end();
                self.goal = Goal::Ending;
            }
            Goal::Talk | Goal::Leave | Goal::End | Goal::Ending => {}
        }
        if self.gives_up_at().is_some_and(|it| now >= it) {
            return Err(match self.conversation.unconfirmed() {
                0 => Stopped::Unanswered.into(),
                messages => Stopped::Unconfirmed { messages }.into(),
            });
        }
        Ok(Step::GoOn)
    }

    /// When this side has waited long enough for the other. Never while it is this side's turn.
    fn gives_up_at(&self) -> Option<u64> {
        let is_waiting = match (self.manner, self.goal) {
            (Manner::Person, _) | (Manner::Program, Goal::Talk) => false,
            (Manner::Script, Goal::Talk) => !self.is_settled(),
            (Manner::Script | Manner::Program, Goal::Leave | Goal::End | Goal::Ending) => true,
        };
        is_waiting.then_some(self.waiting_since + limits::CHAT_ANSWERS_MS_MAX)
    }

    fn is_settled(&self) -> bool {
        self.conversation.settled_at().is_some_and(|it| self.now() >= it)
    }

    fn takes_lines(&self) -> bool {
        self.goal == Goal::Talk
            && self.conversation.has_room()
            && (self.manner != Manner::Script || self.is_settled())
    }

    fn wake_at(&self) -> u64 {
        let now = self.now();
        let settled_at = self.conversation.settled_at().filter(|it| *it > now);
        let closed_at =
            self.conversation.ended_at().map(|it| it + limits::CHAT_CLOSE_AFTER_END_MS_MAX);
        let moments = [
            self.conversation.wake_at(now),
            self.gives_up_at(),
            self.busy_until,
            settled_at,
            closed_at,
        ];
        moments.into_iter().flatten().min().unwrap_or(u64::MAX).min(now + limits::CHAT_WAKE_MS_MAX)
    }

    async fn take_news(&mut self, news: News) -> anyhow::Result<Step> {
        match news {
            News::Opened => self.conversation.opened(self.now()),
            News::Frame(frame) => {
                self.link.heard();
                if self.outage == Outage::Told {
                    self.outage = Outage::None;
                    self.screen.note("back")?;
                }
                let now = self.now();
                self.busy_until = Some(now + limits::CHAT_BUSY_MS);
                let seen = self.conversation.receive(now, &frame);
                self.screen.receive(&frame, seen)?;
            }
            News::Lost(loss) => return self.take_loss(loss).await,
            News::Due => self.link.open(self.conversation.cursor()),
        }
        Ok(Step::GoOn)
    }

    /// A loss is no reason to give up, unless the server says so (protocol, sections 1 and 8).
    async fn take_loss(&mut self, loss: Loss) -> anyhow::Result<Step> {
        if let Loss::Closed { .. } = loss {
            // Our answer to it.
            self.link.close().await;
        }
        if self.conversation.ended_at().is_some() {
            return Ok(Step::Over);
        }
        match loss {
            Loss::Closed { code: 1000 } => {
                self.screen.note("the server has closed the conversation")?;
                Ok(Step::Over)
            }
            Loss::Closed { code: code @ (4000 | 4001) } => Err(Stopped::Revoked { code }.into()),
            Loss::Refused { status: 404, .. } => Err(Stopped::Unknown.into()),
            Loss::Refused { status: status @ (101 | 400 | 401 | 403), message } => {
                let message = message.unwrap_or_else(|| "without a reason".to_owned());
                Err(Stopped::Refused { status, message }.into())
            }
            // Whatever else a proxy in between may answer, it passes.
            Loss::Closed { .. } | Loss::Refused { .. } | Loss::Broken => {
                self.lose()?;
                Ok(Step::GoOn)
            }
        }
    }

    fn lose(&mut self) -> anyhow::Result<()> {
        self.conversation.lose();
        self.link.wait(rand::random());
        if self.outage == Outage::None {
            self.outage = Outage::Told;
            self.screen.note("connection lost, reconnecting")?;
        }
        Ok(())
    }

    fn take_line(&mut self, line: Line) -> anyhow::Result<()> {
        let Line::Text(line) = line else {
            return Ok(self.screen.note("that line was too long to be sent")?);
        };
        self.screen.entered();
        match line.as_str() {
            "/quit" => self.goal = Goal::Leave,
            "/end" => self.goal = Goal::End,
            blank if blank.trim().is_empty() => {}
            _ => {
                let text = self.screen.read(line)?;
                let local_id = format!("{:032x}", rand::random::<u128>());
                if let Err(error) = self.conversation.say(local_id, text) {
                    self.screen.note(&format!("not sent: {error}"))?;
                }
            }
        }
        Ok(())
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
