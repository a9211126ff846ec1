//! Bots that are slow, late, silent, overloaded, broken, too talkative, or that kill their node.
//! Everything that one gives begins with the number of its call, so that the log tells whose words
//! it holds.

use std::{collections::VecDeque, future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use segue_core::{
    Attachment, CallAction, HandOff, HandOffMode, MessageId, Output, SessionId, Suggestion, Turn,
    TurnReason,
    ports::{Answer, Bot, BotError, TurnRequest},
};
use tokio::time::Instant;

use crate::{
    dice::{Dice, mixed},
    store::Life,
    world::World,
};

/// What a bot was asked, and what it has given so far.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about one answer")]
pub struct Call {
    pub session: SessionId,
    pub turn: Turn,
    pub reason: TurnReason,
    pub may_hand_off: bool,
    pub input: Vec<MessageId>,
    pub state_before: Option<String>,
    pub text: String,
    pub attachments: usize,
    pub suggestions: usize,
    pub calls_to_make: usize,
    pub state: Option<String>,
    pub is_end: bool,
    pub is_hand_off: bool,
    /// It gave all it had.
    pub is_complete: bool,
}

/// A bot as one node asks it.
pub struct SimBot {
    pub world: Arc<World>,
    pub life: Arc<Life>,
}

enum Step {
    Give(Output),
    Fail(BotError),
    Hang,
}

struct SimAnswer {
    world: Arc<World>,
    life: Arc<Life>,
    call: usize,
    /// What is left, each so many milliseconds after the one before.
    steps: VecDeque<(u64, Step)>,
    next_at: Instant,
}

#[async_trait]
impl Bot for SimBot {
    async fn answer(&self, request: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        let (world, dice) = (&self.world, &self.world.dice);
        let call = world.called(Call {
            session: request.session_id,
            turn: request.turn,
            reason: request.reason.clone(),
            may_hand_off: request.may_hand_off,
            input: request.input.iter().map(|it| it.message_id).collect(),
            state_before: request.state.clone(),
            text: String::new(),
            attachments: 0,
            suggestions: 0,
            calls_to_make: 0,
            state: None,
            is_end: false,
            is_hand_off: false,
            is_complete: false,
        });
        if dice.percent(30) {
            tokio::time::sleep(Duration::from_millis(dice.within(1, 2_000))).await;
        }
        if world.is_active() && is_poison(world.seed, request) {
            World::crash(world, &self.life);
            return pending().await;
        }
        if world.is_active() && greets_badly(world.seed, request) {
            return Err(BotError::Failed("simulated, cannot greet".to_owned()));
        }
        match dice.below(100) {
            0..5 => return Err(BotError::Overloaded("simulated".to_owned())),
            5..9 => return Err(BotError::Failed("simulated".to_owned())),
            // Not even the beginning of an answer.
            9..11 if !world.is_resting() => return pending().await,
            _ => {}
        }
        let steps = steps(world, call);
        let next_at = Instant::now();
        let (world, life) = (Arc::clone(world), Arc::clone(&self.life));
        Ok(Box::new(SimAnswer { world, life, call, steps, next_at: next_at.max(Instant::now()) }))
    }
}

#[async_trait]
impl Answer for SimAnswer {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        let Some((after_ms, step)) = self.steps.front() else {
            self.world.calls(|calls| calls[self.call].is_complete = true);
            return Ok(None);
        };
        // Cancel safe: the time is fixed, and nothing is taken before it has come.
        let at = self.next_at + Duration::from_millis(*after_ms);
        tokio::time::sleep_until(at).await;
        if self.life.is_dead() || matches!(step, Step::Hang) {
            pending::<()>().await;
        }
        self.next_at = at;
        match self.steps.pop_front() {
            Some((_, Step::Give(output))) => {
                self.world.calls(|calls| calls[self.call].note(&output));
                Ok(Some(output))
            }
            Some((_, Step::Fail(error))) => Err(error),
            Some((_, Step::Hang)) | None => Ok(None),
        }
    }
}

impl Call {
    fn note(&mut self, output: &Output) {
        match output {
            Output::Text(text) => self.text.push_str(text),
            Output::Attachment(_) => self.attachments += 1,
            Output::Suggestion(_) => self.suggestions += 1,
            Output::CallAction(_) => self.calls_to_make += 1,
            Output::State(state) => self.state = Some(state.clone()),
            Output::End => self.is_end = true,
            Output::HandOff(_) if self.may_say_hand_off() => self.is_hand_off = true,
            Output::HandOff(_) | Output::Language(_) | Output::MessageBreak | Output::Silence => {}
        }
    }

    fn may_say_hand_off(&self) -> bool {
        !matches!(self.reason, TurnReason::HandoffFailed { .. })
    }
}

/// Turns that kill whoever runs them, each time.
fn is_poison(seed: u64, request: &TurnRequest) -> bool {
    let session = u64::try_from(request.session_id.0 & u128::from(u64::MAX)).unwrap();
    mixed(seed ^ session ^ request.turn.0).is_multiple_of(25)
}

/// Sessions in which no greeting works for long.
fn greets_badly(seed: u64, request: &TurnRequest) -> bool {
    let session = u64::try_from(request.session_id.0 & u128::from(u64::MAX)).unwrap();
    request.reason == TurnReason::Join && mixed(seed ^ session).is_multiple_of(3)
}

fn steps(world: &World, call: usize) -> VecDeque<(u64, Step)> {
    let dice = &world.dice;
    // Towards the end of the world nobody begins what would outlast it.
    let pace_ms = if world.is_resting() { 5 } else { dice.pick(&[0, 5, 60, 400]) };
    let mut steps = VecDeque::new();
    let mut give = |output| {
        let after_ms = if pace_ms == 0 { 0 } else { dice.within(0, pace_ms) };
        steps.push_back((after_ms, Step::Give(output)));
    };
    let is_silent = dice.percent(6);
    if is_silent {
        give(Output::Silence);
    } else {
        let messages = if dice.percent(4) { 30 } else { dice.pick(&[1, 1, 1, 2, 3]) };
        for message in 0..messages {
            if message > 0 {
                give(Output::MessageBreak);
            }
            for piece in pieces(dice, &words(dice, call, message)) {
                give(Output::Text(piece));
            }
            beside(dice, &mut give);
        }
    }
    if dice.percent(40) {
        give(Output::State(format!("{{\"call\":{call}}}")));
    }
    match dice.below(100) {
        0..7 => give(Output::End),
        7..15 => give(Output::HandOff(HandOff {
            mode: dice.pick(&[None, Some(HandOffMode::Client), Some(HandOffMode::Server)]),
            ..HandOff::default()
        })),
        _ => {}
    }
    if !is_silent && !world.is_resting() {
        spoil(dice, &mut steps);
    }
    steps
}

/// What goes wrong with an answer on its way.
fn spoil(dice: &Dice, steps: &mut VecDeque<(u64, Step)>) {
    let place = usize::try_from(dice.below(steps.len() as u64 + 1)).unwrap();
    let failed = || BotError::Failed("simulated, midway".to_owned());
    match dice.below(100) {
        0..7 => {
            steps.truncate(place);
            steps.push_back((dice.within(0, 500), Step::Fail(failed())));
        }
        7..9 => {
            steps.truncate(place);
            let error = BotError::Overloaded("simulated, midway".to_owned());
            steps.push_back((dice.within(0, 500), Step::Fail(error)));
        }
        9..13 => {
            steps.truncate(place);
            steps.push_back((0, Step::Hang));
        }
        13 => steps.push_back((0, Step::Give(Output::Text("much ".repeat(60_000))))),
        14 => {
            let suggestion = || Suggestion { message_text: "one".to_owned(), payload: None };
            let many = |_| (0, Step::Give(Output::Suggestion(suggestion())));
            steps.extend((0..220).map(many));
        }
        // Nothing at all.
        15..17 => steps.clear(),
        // One that never comes to its end.
        17..19 => {
            // It has to bear its number.
            let drip = |_| (700, Step::Give(Output::Text("and so on ".to_owned())));
            steps.extend((0..1_000).map(drip));
        }
        // A long thought in the middle.
        19..30 => {
            if let Some((after_ms, _)) = steps.get_mut(place) {
                *after_ms += dice.within(1_000, 9_000);
            }
        }
        _ => {}
    }
}

fn beside(dice: &Dice, give: &mut impl FnMut(Output)) {
    if dice.percent(20) {
        give(Output::Language(dice.pick(&["de", "en", "es"]).to_owned()));
    }
    if dice.percent(10) {
        give(Output::CallAction(CallAction {
            title: "Call".to_owned(),
            contact_number: "+100".to_owned(),
        }));
    }
    if dice.percent(20) {
        give(Output::Attachment(Attachment {
            title: "Picture".to_owned(),
            ..Attachment::default()
        }));
    }
    for _ in 0..dice.pick(&[0, 0, 2]) {
        give(Output::Suggestion(Suggestion { message_text: "More".to_owned(), payload: None }));
    }
}

fn words(dice: &Dice, call: usize, message: u64) -> String {
    let mut text = format!("[c{call}] message {message}");
    for _ in 0..dice.pick(&[0, 3, 20, 60]) {
        text.push_str(dice.pick(&[
            " and",
            " so on.",
            "\n\nthen",
            " **bold words** ",
            " `code`",
            ",",
        ]));
    }
    text.push('.');
    text
}

fn pieces(dice: &Dice, text: &str) -> Vec<String> {
    let length = usize::try_from(dice.pick(&[2, 7, 30, 10_000])).unwrap();
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(length).map(|it| it.iter().collect()).collect()
}
