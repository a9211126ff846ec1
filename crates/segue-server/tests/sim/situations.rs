//! What must have happened often enough in a run for it to prove anything.

/// Situations per 2,000 worlds, at the least.
pub const PER_2000_WORLDS: u64 = 50;

macro_rules! situations {
    ($($name:ident,)+) => {
        /// Something that goes wrong in the world, or comes together at a bad moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Situation {
            $($name,)+
        }

        impl Situation {
            pub const ALL: &'static [Situation] = &[$(Situation::$name,)+];
        }
    };
}

situations! {
    CrashInStream,
    CrashInTurn,
    StopInTurn,
    AllNodesDown,
    RepeatOfTurn,
    SecondWorker,
    TakerDied,
    PoisonTurnGivenUp,
    CutStreamClosedByNextWorker,
    CommitOfUnknownFate,
    FailedBeforeCommit,
    Conflict,
    DuplicateFoundAtAppend,
    LostPush,
    LostLastPush,
    FoundByLook,
    RepeatedPush,
    DuplicateDuringReplay,
    DuplicateOnTwoSockets,
    DuplicateOnTwoNodes,
    DuplicateAfterCrash,
    JoinAgainstJoin,
    MessageBeforeJoin,
    BurstDuringTurn,
    EndAgainstStream,
    EndAgainstMessage,
    MessageAgainstExpiry,
    MessageAfterEnd,
    ReturnAgainstExpiry,
    MessageAfterHandoff,
    ReconnectInStream,
    ReconnectToOtherNode,
    CursorBeyondEnd,
    ReadAfterEnd,
    SlowReader,
    SilentHole,
    CaughtUpInBatches,
    GreetingFailed,
    GreetingAgain,
    TurnFailed,
    TurnTooLate,
    StopInStream,
    StopOfSilentTurn,
    StopOfDueTurn,
    StopBeforeWaitingMessage,
    StopOfNothing,
    HandoffToClient,
    HandoffFailed,
    EndedByUser,
    EndedByBot,
    EndedByAdministrator,
    EndOfBotOutlived,
    EndedForAbsence,
    EndedForSilence,
    EndedForAge,
    TokenUsedUp,
    Thinking,
}

/// How often each has happened.
#[derive(Debug, Clone)]
pub struct Tally([u64; Situation::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Situation::ALL.len()])
    }
}

impl Tally {
    pub fn count(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }

    pub fn add(&mut self, other: &Tally) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    pub fn times(&self, situation: Situation) -> u64 {
        self.0[situation as usize]
    }

    /// Those that have happened too seldom in so many worlds.
    pub fn too_seldom(&self, worlds: u64) -> Vec<(Situation, u64)> {
        let times_min = PER_2000_WORLDS * worlds / 2_000;
        let all = Situation::ALL.iter().map(|it| (*it, self.times(*it)));
        all.filter(|(_, times)| *times < times_min).collect()
    }
}
