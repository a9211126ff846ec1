//! Jobs within the writer's transaction: who has which, and until when.

use rusqlite::params;
use segue_core::{
    NodeId, SessionId, Timestamp,
    ports::{ClaimedJob, JobId, JobKind, Settled},
};

use super::codec::{IdBytes, job_from, kind_column, limit_column, to_column};
use super::writer::Writing;

/// Who takes jobs, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    pub node: NodeId,
    pub until: Timestamp,
}

impl Lease {
    fn node_bytes(self) -> IdBytes {
        node_bytes(self.node)
    }
}

fn node_bytes(node: NodeId) -> IdBytes {
    node.0.to_be_bytes()
}

/// Leases the jobs that are free and have been due for the longest time.
pub fn claim(
    writing: &Writing,
    kind: JobKind,
    now: Timestamp,
    lease: Lease,
    limit: usize,
) -> rusqlite::Result<Vec<ClaimedJob>> {
    // Two walks along an index each, both as long as what they find: jobs that nobody has, and jobs
    // whose lease has ended.
    let mut select = writing.connection.prepare_cached(
        "select jobs.id, sessions.id, turn from (
             select * from (
                 select * from jobs
                 where node is null and kind = ?1 and run_at <= ?2 order by run_at, id limit ?3)
             union all
             select * from jobs where node is not null and kind = ?1 and lease_until <= ?2
         ) as jobs
         join sessions on sessions.key = jobs.session
         where run_at <= ?2 order by run_at, jobs.id limit ?3",
    )?;
    let due = params![kind_column(kind), to_column(now), limit_column(limit)];
    let claimed = select
        .query_map(due, |row| {
            Ok(ClaimedJob {
                id: JobId(row.get(0)?),
                session: SessionId(u128::from_be_bytes(row.get(1)?)),
                job: job_from(kind, row.get(2)?)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;

    let mut update = writing
        .connection
        .prepare_cached("update jobs set node = ?2, lease_until = ?3 where id = ?1")?;
    for job in &claimed {
        update.execute(params![job.id.0, lease.node_bytes(), to_column(lease.until)])?;
    }
    Ok(claimed)
}

/// Prolongs the leases that the node still has, all in one statement.
pub fn renew(writing: &Writing, jobs: &[JobId], lease: Lease) -> rusqlite::Result<()> {
    let ids: Vec<i64> = jobs.iter().map(|it| it.0).collect();
    let ids = serde_json::to_string(&ids).expect("numbers are plain data");
    let mut update = writing.connection.prepare_cached(
        "update jobs set lease_until = ?3
         where id in (select value from json_each(?1)) and node = ?2",
    )?;
    update.execute(params![ids, lease.node_bytes(), to_column(lease.until)]).map(drop)
}

/// Removes or frees the jobs that the node still has.
pub fn settle(
    writing: &Writing,
    node: NodeId,
    settled: &[(JobId, Settled)],
) -> rusqlite::Result<()> {
    let node = node_bytes(node);
    for (id, settled) in settled {
        match settled {
            Settled::Done => writing
                .connection
                .prepare_cached("delete from jobs where id = ?1 and node = ?2")?
                .execute(params![id.0, node])?,
            Settled::Again { run_at } => writing
                .connection
                .prepare_cached(
                    "update jobs set node = null, lease_until = null, run_at = ?3
                     where id = ?1 and node = ?2",
                )?
                .execute(params![id.0, node, to_column(*run_at)])?,
        };
    }
    Ok(())
}
