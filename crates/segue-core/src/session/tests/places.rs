//! Where events take their place: positions, sequences, times, and what goes along in one write.

use super::*;

/// Covers 3.7.
#[test]
fn time_within_a_session_never_runs_backwards() {
    let mut stage = Stage::new();
    for line in steps("@5000 user joins\n@4000 a starts 1\n@0 a says hello\n@5001 a finishes") {
        stage.play(line);
    }
    let times: Vec<Timestamp> = stage.log.iter().map(|it| it.at).collect();
    assert_eq!(times, [0, 5_000, 5_000, 5_000, 5_000, 5_001]);
}

/// Covers 3.4.
#[test]
fn only_what_the_user_may_see_has_a_sequence() {
    let mut stage = Stage::new();
    for line in steps("user joins\na starts 1\na says hello\na finishes\nuser ends") {
        stage.play(line);
    }
    let sequences: Vec<Option<u64>> =
        stage.log.iter().map(|it| it.sequence().map(|it| it.0)).collect();
    let seen = [Some(1), Some(2), Some(3), None, Some(4), None, Some(5), Some(6)];
    assert_eq!(sequences, seen);
    let reached: Vec<u64> = stage.log.iter().map(|it| it.reached.0).collect();
    assert_eq!(reached, [1, 2, 3, 3, 4, 4, 5, 6]);
}

/// Commands that are decided together see what the ones before them lead to.
#[test]
fn several_commands_are_one_write_and_one_job() {
    let mut stage = Stage::new();
    let join = Command::Join { bot: bot(), retry_ms: 5_000, custom: None };
    let says = |text: &str| Command::PostMessage {
        message_id: MessageId(0),
        text: text.into(),
        key: None,
        custom: None,
    };
    let together = stage.run(Actor::User, &[join, says("one"), says("two")]);
    assert_eq!(together, "2 join@0, 3 joined, 4 user:one, 5 user:two +1@0");
    let ended = stage.run(Actor::User, &[says("three"), Command::End { custom: None }]);
    assert_eq!(ended, "6 user:three, 7! turn 1 cut short, 8 end, 9 UserEnd");
    stage.assert_consistent();
}

#[test]
fn nothing_to_write_is_no_commit() {
    assert!(Commit::begin(&Stage::new().session).finish().is_none());
}

/// Covers 1.28.
#[test]
fn a_session_claims_a_place_of_its_token_where_there_is_a_limit() {
    let session = Session::new(SessionId(1), facts());
    let claims = |sessions_max| {
        let start = Command::Start { expire_at: 9, sessions_max };
        let decision = session.decide(7_300_000, Actor::System, &start).unwrap();
        assert_eq!(decision.jobs, [NewJob { job: Job::ExpireIdle, run_at: 9 }]);
        decision.claims
    };
    let slot = Claim::TokenSlot { token: TokenId("token".into()), sessions_max: 20 };
    let max = SessionsMax { per_token: Some(20), ..SessionsMax::default() };
    assert_eq!(claims(max), std::slice::from_ref(&slot));
    assert_eq!(claims(SessionsMax::default()), []);
    // The same for its connector: of those that live, and of those of this hour.
    let connector = ConnectorId("demo".into());
    let live = Claim::LiveSlot { connector: connector.clone(), sessions_max: 3 };
    let since = 7_200_000;
    let created = Claim::CreationSlot { connector, since, sessions_max: 4 };
    let max = SessionsMax { per_token: Some(20), live: Some(3), per_hour: Some(4) };
    assert_eq!(claims(max), [slot, live, created]);
}

#[test]
fn a_log_that_begins_with_something_else_is_no_session() {
    assert!(Session::fold(SessionId(1), &[]).is_none());
    let session = Session::new(SessionId(1), facts());
    let log = session.place(0, vec![Event::HandoffTriggered], || EntryId(1));
    assert!(Session::fold(SessionId(1), &log).is_none());
}

/// Older rows are read by newer versions: what is stored must come back as it was.
#[test]
fn the_state_survives_being_stored() {
    let mut stage = Stage::new();
    let script = "user joins\na starts 1\na streams m1.1 hi\nuser says more\nuser ends";
    for line in steps(script) {
        let stored = serde_json::to_string(&stage.session.state).unwrap();
        let read: State = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, stage.session.state, "before {line}");
        stage.play(line);
    }
}
