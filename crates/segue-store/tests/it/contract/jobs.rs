//! Jobs: there with their commit, claimed by one node at a time, never forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use segue_core::{
    NodeId, SessionId, Timestamp, Turn,
    ports::{ClaimedJob, Due, Job, JobId, JobKind, Settled, Store},
};
use tokio::task::JoinSet;

use crate::support::{NODE_A, NODE_B, create, draft, record, says};

fn run_bot(turn: u64) -> Job {
    Job::RunBot { turn: Turn(turn) }
}

/// A session of its own with one job.
async fn add(store: &Arc<dyn Store>, job: Job, run_at: Timestamp) -> SessionId {
    let session = create(store.as_ref(), 1).await;
    let commit = draft(&session, 2, vec![says("x")]).job(job, run_at).commit();
    record(store.as_ref(), commit).await.id
}

async fn claim(store: &Arc<dyn Store>, node: NodeId, now: Timestamp) -> Vec<ClaimedJob> {
    store.claim_jobs(node, JobKind::Turns, now, now + 10, 100).await.unwrap()
}

async fn claim_one(store: &Arc<dyn Store>, node: NodeId, now: Timestamp) -> JobId {
    let claimed = claim(store, node, now).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed[0].id
}

async fn settle(store: &Arc<dyn Store>, node: NodeId, job: JobId, settled: Settled) {
    store.settle_jobs(node, &[(job, settled)]).await.unwrap();
}

pub async fn a_job_is_there_with_its_commit_only(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let commit = draft(&session, 2, vec![says("x")]).job(run_bot(1), 5).commit();
    assert_eq!(claim(store, NODE_A, 100).await, []);
    record(store.as_ref(), commit).await;
    let claimed = claim(store, NODE_A, 100).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].session, claimed[0].job), (session.id, run_bot(1)));
}

pub async fn a_job_is_claimed_when_it_is_due(store: &Arc<dyn Store>) {
    let id = add(store, run_bot(1), 50).await;
    assert_eq!(claim(store, NODE_A, 49).await, []);
    assert_eq!(claim(store, NODE_A, 50).await[0].session, id);
}

pub async fn the_longest_due_go_first(store: &Arc<dyn Store>) {
    let mut ids = Vec::new();
    for (turn, run_at) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 99)] {
        add(store, run_bot(turn), run_at).await;
        ids.push(turn);
    }
    let turns = |claimed: Vec<ClaimedJob>| claimed.iter().map(|it| it.job).collect::<Vec<_>>();
    let first = store.claim_jobs(NODE_A, JobKind::Turns, 50, 60, 3).await.unwrap();
    assert_eq!(turns(first), [run_bot(2), run_bot(4), run_bot(3)]);
    let rest = store.claim_jobs(NODE_A, JobKind::Turns, 50, 60, 3).await.unwrap();
    assert_eq!(turns(rest), [run_bot(1)]);
    assert_eq!(store.claim_jobs(NODE_A, JobKind::Turns, 50, 60, 0).await, Ok(vec![]));

    // Leases that ended and jobs that nobody had are one queue.
    add(store, run_bot(6), 15).await;
    let all = store.claim_jobs(NODE_B, JobKind::Turns, 60, 70, 4).await.unwrap();
    assert_eq!(turns(all), [run_bot(2), run_bot(4), run_bot(6), run_bot(3)]);
}

pub async fn kinds_are_claimed_apart(store: &Arc<dyn Store>) {
    let waiting = add(store, run_bot(7), 1).await;
    let idle = add(store, Job::ExpireIdle, 1).await;
    let turns = store.claim_jobs(NODE_A, JobKind::Turns, 9, 19, 10).await.unwrap();
    let timers = store.claim_jobs(NODE_A, JobKind::Timers, 9, 19, 10).await.unwrap();
    let what = |claimed: &[ClaimedJob]| claimed.iter().map(|it| (it.session, it.job)).collect();
    let (turns, timers): (Vec<_>, Vec<_>) = (what(&turns), what(&timers));
    assert_eq!(turns, [(waiting, run_bot(7))]);
    assert_eq!(timers, [(idle, Job::ExpireIdle)]);
}

pub async fn a_claimed_job_is_taken_until_its_lease_ends(store: &Arc<dyn Store>) {
    add(store, run_bot(1), 1).await;
    let job = claim_one(store, NODE_A, 100).await;
    for now in [100, 109] {
        assert_eq!(claim(store, NODE_B, now).await, []);
        assert_eq!(claim(store, NODE_A, now).await, []);
    }
    assert_eq!(claim_one(store, NODE_B, 110).await, job);
}

pub async fn a_renewed_lease_goes_on(store: &Arc<dyn Store>) {
    add(store, run_bot(1), 1).await;
    add(store, run_bot(2), 1).await;
    let jobs: Vec<_> = claim(store, NODE_A, 100).await.iter().map(|it| it.id).collect();
    assert_eq!(jobs.len(), 2);
    store.renew_jobs(NODE_A, &jobs[..1], 150).await.unwrap();
    store.renew_jobs(NODE_A, &[], 900).await.unwrap();
    store.renew_jobs(NODE_A, &[JobId(987_654)], 900).await.unwrap();
    assert_eq!(claim_one(store, NODE_B, 149).await, jobs[1]);
    assert_eq!(claim_one(store, NODE_B, 150).await, jobs[0]);
}

pub async fn a_lease_that_ended_is_kept_until_somebody_takes_the_job(store: &Arc<dyn Store>) {
    add(store, run_bot(1), 1).await;
    let job = claim_one(store, NODE_A, 100).await;
    // Nobody looked for it while the lease had ended, for instance because the store was down.
    store.renew_jobs(NODE_A, &[job], 500).await.unwrap();
    assert_eq!(claim(store, NODE_B, 499).await, []);
    // Nor does it free a job that somebody looked for others.
    store.claim_jobs(NODE_B, JobKind::Timers, 600, 610, 10).await.unwrap();
    settle(store, NODE_A, job, Settled::Done).await;
    assert_eq!(claim(store, NODE_B, 600).await, []);
}

pub async fn a_lost_job_is_left_alone(store: &Arc<dyn Store>) {
    add(store, run_bot(1), 1).await;
    let job = claim_one(store, NODE_A, 100).await;
    assert_eq!(claim_one(store, NODE_B, 110).await, job);

    store.renew_jobs(NODE_A, &[job], 900).await.unwrap();
    settle(store, NODE_A, job, Settled::Done).await;
    settle(store, NODE_A, job, Settled::Again { run_at: 5 }).await;
    assert_eq!(claim(store, NODE_A, 119).await, []);
    assert_eq!(claim_one(store, NODE_A, 120).await, job);
}

pub async fn a_job_may_run_again(store: &Arc<dyn Store>) {
    let session = add(store, run_bot(1), 1).await;
    let job = claim_one(store, NODE_A, 100).await;
    settle(store, NODE_A, job, Settled::Again { run_at: 105 }).await;
    assert_eq!(claim(store, NODE_B, 104).await, []);
    let again = ClaimedJob { id: job, session, job: run_bot(1) };
    assert_eq!(claim(store, NODE_B, 105).await, [again]);
    settle(store, NODE_B, job, Settled::Done).await;
    assert_eq!(claim(store, NODE_B, 1_000).await, []);

    // It is nobody's in between: whoever had it has no say any more.
    add(store, run_bot(2), 1).await;
    let job = claim_one(store, NODE_A, 100).await;
    settle(store, NODE_A, job, Settled::Again { run_at: 105 }).await;
    settle(store, NODE_A, job, Settled::Done).await;
    assert_eq!(claim_one(store, NODE_A, 105).await, job);
}

pub async fn a_finished_jobs_name_is_not_given_again(store: &Arc<dyn Store>) {
    add(store, run_bot(1), 1).await;
    let finished = claim_one(store, NODE_A, 100).await;
    settle(store, NODE_A, finished, Settled::Done).await;
    add(store, run_bot(2), 1).await;
    let newer = claim_one(store, NODE_A, 100).await;
    assert_ne!(newer, finished);
    settle(store, NODE_A, finished, Settled::Done).await;
    assert_eq!(claim_one(store, NODE_B, 110).await, newer);
}

pub async fn many_nodes_claim_every_job_once(store: &Arc<dyn Store>) {
    for turn in 1..=60 {
        add(store, run_bot(turn), 1).await;
    }
    let mut tasks = JoinSet::new();
    for node in 0..12 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            store.claim_jobs(NodeId(node), JobKind::Turns, 10, 20, 7).await.unwrap()
        });
    }
    let claimed = tasks.join_all().await.concat();
    let distinct: BTreeSet<JobId> = claimed.iter().map(|it| it.id).collect();
    assert_eq!((claimed.len(), distinct.len()), (60, 60));
}

pub async fn what_is_due_and_free_is_counted(store: &Arc<dyn Store>) {
    for run_at in [30, 10, 20, 99] {
        add(store, run_bot(1), run_at).await;
    }
    add(store, Job::ExpireIdle, 25).await;
    let nothing = Due::default();
    let figures = store.figures(9).await.unwrap();
    assert_eq!((figures.turns, figures.timers), (nothing, nothing));
    let figures = store.figures(30).await.unwrap();
    assert_eq!(figures.turns, Due { jobs: 3, since: Some(10) });
    assert_eq!(figures.timers, Due { jobs: 1, since: Some(25) });
    // Somebody is at them; then their leases end.
    assert_eq!(store.claim_jobs(NODE_A, JobKind::Turns, 20, 40, 100).await.unwrap().len(), 2);
    let figures = store.figures(39).await.unwrap();
    assert_eq!(figures.turns, Due { jobs: 1, since: Some(30) });
    let figures = store.figures(40).await.unwrap();
    assert_eq!(figures.turns, Due { jobs: 3, since: Some(10) });
}

pub async fn a_live_session_is_one_with_a_timer(store: &Arc<dyn Store>) {
    let live = || async { store.figures(100).await.unwrap().sessions_live };
    assert_eq!(live().await, 0);
    add(store, run_bot(1), 5).await;
    add(store, Job::ExpireIdle, 50).await;
    add(store, Job::ExpireIdle, 500).await;
    assert_eq!(live().await, 2);
    let claimed = store.claim_jobs(NODE_A, JobKind::Timers, 50, 200, 1).await.unwrap();
    assert_eq!(live().await, 2);
    settle(store, NODE_A, claimed[0].id, Settled::Done).await;
    assert_eq!(live().await, 1);
}
