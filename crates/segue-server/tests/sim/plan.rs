//! What kind of world a seed makes: every seed is another kind, not only another run of one.

use std::sync::Arc;

use segue_server::limits::Limits;

use crate::{
    dice::Dice,
    talk::{Character, Hush},
};

/// How calls and messages fare.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub fails_before_permille: u64,
    pub fails_after_permille: u64,
    pub slow_permille: u64,
    pub slow_ms_max: u64,
    pub loses_permille: u64,
    pub repeats_permille: u64,
    pub delay_ms_max: u64,
}

/// What is special about a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Whoever takes a turn over from a worker that hangs dies of it.
    TakersDie,
    /// What is loaded is often an old state by the time it arrives.
    LateLoads,
    /// Once nothing misbehaves any more, clients only listen: nothing wakes their connections.
    Listens,
}

/// What is fixed of a world from its beginning.
#[derive(Debug, Clone)]
pub struct Plan {
    pub nodes: usize,
    pub sessions: u64,
    pub limits: Arc<Limits>,
    pub weather: Weather,
    /// Something happens to a node about this often; zero for never.
    pub chaos_ms: u64,
    pub has_greeting: bool,
    /// So many of a thousand things that a client does are a stop of the bot.
    pub stops_permille: u64,
    pub kind: Kind,
    /// Until then everything may misbehave.
    pub active_ms: u64,
    /// Until then everything comes to rest.
    pub end_ms: u64,
    /// Of it, how long silent sessions have to end.
    pub ending_ms: u64,
}

impl Plan {
    pub fn new(seed: u64, dice: &Dice) -> Self {
        // Not for the dice to say: worlds that found a fault before there were these kinds have to
        // stay what they were.
        let kind = match seed % 10 {
            3 => Kind::TakersDie,
            5 => Kind::LateLoads,
            8 => Kind::Listens,
            _ => Kind::Plain,
        };
        let mut nodes = usize::try_from(dice.pick(&[1, 2, 2, 3])).unwrap();
        let mut limits = limits(dice, nodes);
        let mut active_ms = dice.pick(&[15_000, 30_000, 50_000, 50_000]);
        if kind == Kind::TakersDie {
            // Others to take turns over, and turns that outlive two leases.
            nodes = nodes.max(2);
            (limits.turn_silence_seconds, limits.turn_seconds) = (60, 60);
            active_ms = 120_000;
        }
        // The longest turn, or the longest pause before a greeting is tried again, and some rest.
        let rest_ms = (limits.turn_seconds * 1_000).max(60_000) + 45_000;
        let ending_ms = ending_ms(dice, &limits);
        let mut weather = weather(dice);
        if kind == Kind::Listens {
            weather.loses_permille = 300;
            limits.idle_seconds = 660;
            (limits.ping_after_seconds, limits.ping_timeout_seconds) = (120, 40);
        }
        if kind == Kind::LateLoads {
            // What fails is forgotten, and then an old state can be remembered.
            weather.fails_before_permille = 200;
        }
        Self {
            nodes,
            sessions: dice.within(2, 4),
            weather,
            chaos_ms: dice.pick(&[0, 6_000, 12_000, 12_000, 25_000]),
            has_greeting: dice.percent(30),
            stops_permille: if seed % 5 == 1 { 150 } else { 0 },
            kind,
            active_ms,
            end_ms: active_ms + rest_ms + ending_ms,
            ending_ms,
            limits: Arc::new(limits),
        }
    }

    /// How one of its users behaves.
    pub fn character(&self, dice: &Dice) -> Character {
        let limits = &self.limits;
        let is_short = limits.idle_seconds.min(limits.silence_seconds) <= 60;
        let hush = if limits.silence_seconds < limits.idle_seconds && dice.percent(50) {
            Hush::Beats
        } else {
            dice.pick(&[
                Hush::Leaves,
                Hush::Sleeps,
                Hush::SpeaksAtTheEdge,
                Hush::SpeaksAtTheEdge,
                Hush::SpeaksAtTheEdge,
                Hush::ReturnsAtTheEdge,
            ])
        };
        let hush_at_ms = match () {
            () if is_short && dice.percent(60) => dice.within(3_000, self.active_ms),
            () if self.ending_ms > 0 && dice.percent(70) => self.end_ms - self.ending_ms,
            () => u64::MAX,
        };
        Character {
            clients: dice.within(1, 3),
            pause_ms_max: dice.pick(&[700, 2_000, 6_000]),
            ends_permille: dice.pick(&[0, 5, 25]),
            hush_at_ms,
            hush,
        }
    }
}

fn weather(dice: &Dice) -> Weather {
    let (fails, slow) = (dice.pick(&[0, 10, 60, 150]), dice.pick(&[0, 50, 300]));
    Weather {
        fails_before_permille: fails,
        fails_after_permille: fails,
        slow_permille: slow,
        slow_ms_max: dice.pick(&[10, 100, 1_500]),
        loses_permille: dice.pick(&[0, 50, 300]),
        repeats_permille: dice.pick(&[0, 100]),
        delay_ms_max: dice.pick(&[0, 30, 300]),
    }
}

fn limits(dice: &Dice, nodes: usize) -> Limits {
    let mut limits = Limits::default();
    (limits.turn_silence_seconds, limits.turn_seconds) =
        if dice.percent(4) { (60, 300) } else { (dice.pick(&[5, 9]), dice.pick(&[12, 20])) };
    // A node writes down once a minute whom it has heard: with several, no session should be idle
    // sooner, or it ends under its user. One world in some tries it all the same.
    if nodes == 1 || dice.percent(20) {
        limits.idle_seconds = dice.pick(&[15, 25, 40, 660]);
    } else {
        limits.idle_seconds = dice.pick(&[150, 660]);
    }
    limits.silence_seconds = dice.pick(&[20, 40, 300, 3_600, 3_600]);
    limits.restart_grace_seconds = dice.pick(&[3, 3, 120]);
    limits.session_life_seconds = dice.pick(&[25, 60, 82_800, 82_800, 82_800, 82_800]);
    limits.connection_idle_seconds = dice.pick(&[12, 600, 600, 600]);
    (limits.ping_after_seconds, limits.ping_timeout_seconds) = dice.pick(&[(40, 40), (3, 2)]);
    limits.sessions_per_token = dice.pick(&[20, 20, 2]);
    limits
}

/// Long enough for silent sessions to end, where that does not take too long.
fn ending_ms(dice: &Dice, limits: &Limits) -> u64 {
    if limits.idle_seconds.min(limits.silence_seconds) <= 60 || dice.percent(10) {
        ending_ms_of(limits)
    } else {
        0
    }
}

fn ending_ms_of(limits: &Limits) -> u64 {
    let ms = limits.idle_seconds.min(limits.silence_seconds) * 1_000;
    ms.min(700_000) + 60_000
}
