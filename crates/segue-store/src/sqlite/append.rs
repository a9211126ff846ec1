//! One commit within the writer's transaction. Everything that could refuse it is looked at before
//! anything of it is written, so that its refusal leaves its neighbours in the group alone.

use rusqlite::{OptionalExtension, params};
use segue_core::TokenId;

use super::codec::{
    ClaimColumns, CommitRows, Counted, EntryRow, IdBytes, JobColumns, STATE_VERSION,
};
use super::read::session_key;
use super::segments::{self, Fingerprint};
use super::writer::Writing;
use crate::limits::{POSITION_MAX, SESSION_KEY_MAX};

/// What became of a commit; `Appended` before it is decoded.
#[derive(Debug)]
pub enum Verdict {
    Recorded,
    Conflict,
    Duplicate(EntryRow),
    Taken,
    /// There are too many of these for the numbers of the index.
    TooMany(&'static str),
}

/// A session as the writer knows it.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its integer key.
    pub key: i64,
    /// Where its log ends.
    pub head: i64,
}

/// Writes all of a commit, or nothing of it. An error leaves the transaction to be rolled back.
pub fn append(writing: &mut Writing, commit: &CommitRows) -> rusqlite::Result<Verdict> {
    let known = known(writing, &commit.session)?;
    if let Some(known) = known
        && let Some(entry) = find_duplicate(writing, known.key, commit)?
    {
        return Ok(Verdict::Duplicate(entry));
    }
    if known.map_or(0, |it| it.head) != commit.seen {
        return Ok(Verdict::Conflict);
    }
    for claim in &commit.claims {
        if !holds(writing, commit, claim)? {
            return Ok(Verdict::Taken);
        }
    }
    if commit.head > POSITION_MAX {
        return Ok(Verdict::TooMany("entries of a session"));
    }
    if known.is_none() && writing.newest_session_key() >= SESSION_KEY_MAX {
        return Ok(Verdict::TooMany("sessions"));
    }

    let key = match known {
        Some(known) => known.key,
        None => create(writing, commit)?,
    };
    for entry in &commit.entries {
        writing.index.append(&writing.connection, key, commit.session, entry)?;
    }
    writing.keys.note(key, commit.message_keys());
    write_state(writing, key, commit)?;
    for job in &commit.jobs {
        insert_job(writing, key, *job)?;
    }
    for claim in &commit.claims {
        if let Counted::OfToken(token) = &claim.counted {
            take(writing, token)?;
        }
    }
    let is_new = known.is_none();
    let created_at = is_new.then(|| commit.entries.first().map_or(0, |it| it.at));
    writing.counts.note(&commit.connector, created_at, commit.ended_at);
    writing.remember(commit.session, Known { key, head: commit.head });
    Ok(Verdict::Recorded)
}

fn known(writing: &mut Writing, session: &IdBytes) -> rusqlite::Result<Option<Known>> {
    if let Some(known) = writing.known.get(session) {
        return Ok(Some(*known));
    }
    let Some(key) = session_key(&writing.connection, session)? else { return Ok(None) };
    let head = match writing.index.head(session) {
        Some(head) => head,
        None => segments::head(&writing.connection, key)?,
    };
    let known = Known { key, head };
    writing.remember(*session, known);
    Ok(Some(known))
}

fn find_duplicate(
    writing: &mut Writing,
    key: i64,
    commit: &CommitRows,
) -> rusqlite::Result<Option<EntryRow>> {
    // What a bot says has none, and those of its session need not be known.
    if commit.message_keys().next().is_none() {
        return Ok(None);
    }
    let Writing { connection, index, keys, .. } = writing;
    let unindexed =
        || index.of_session(&commit.session).into_iter().filter_map(|it| it.message_key);
    let known = keys.of_session(connection, key, unindexed)?;
    for digest in commit.message_keys().filter(|it| known.contains(&Fingerprint::of(*it))) {
        let found = match index.message(&commit.session, digest) {
            None => segments::message(connection, key, digest)?,
            found => found,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn holds(
    writing: &mut Writing,
    commit: &CommitRows,
    claim: &ClaimColumns,
) -> rusqlite::Result<bool> {
    let Writing { connection, counts, .. } = writing;
    let count = match &claim.counted {
        Counted::OfToken(token) => {
            let mut select =
                connection.prepare_cached("select sessions from tokens where token = ?1")?;
            select.query_row([&token.0], |row| row.get(0)).optional()?.unwrap_or(0)
        }
        Counted::Live => counts.live(connection, &commit.connector)?,
        Counted::CreatedSince(since) => counts.created(connection, &commit.connector, *since)?,
    };
    Ok(count < claim.sessions_max)
}

fn take(writing: &Writing, token: &TokenId) -> rusqlite::Result<()> {
    let mut insert = writing.connection.prepare_cached(
        "insert into tokens (token, sessions) values (?1, 1)
         on conflict (token) do update set sessions = sessions + 1",
    )?;
    insert.execute([&token.0]).map(drop)
}

fn create(writing: &mut Writing, commit: &CommitRows) -> rusqlite::Result<i64> {
    let key = writing.next_session_key();
    let facts = commit.facts.as_ref().expect("a commit that creates a session has its facts");
    let first_at = commit.entries.first().map_or(0, |it| it.at);
    let connection = &writing.connection;
    connection
        .prepare_cached(
            "insert into sessions (key, id, facts, connector, user_id, created_at)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key,
            commit.session,
            facts.facts,
            commit.connector,
            facts.user_id,
            first_at
        ])?;
    connection
        .prepare_cached("insert into presence (session, seen_at) values (?1, ?2)")?
        .execute([key, first_at])?;
    writing.keys.begin(key);
    Ok(key)
}

fn write_state(writing: &Writing, session: i64, commit: &CommitRows) -> rusqlite::Result<()> {
    if let Some(state) = &commit.state {
        let sql = if commit.seen == 0 {
            "insert into states (session, head, version, state) values (?1, ?2, ?3, ?4)"
        } else {
            "update states set head = ?2, version = ?3, state = ?4 where session = ?1"
        };
        let mut write = writing.connection.prepare_cached(sql)?;
        write.execute(params![session, commit.head, STATE_VERSION, state])?;
    }
    if let Some(ended_at) = commit.ended_at {
        writing
            .connection
            .prepare_cached("update sessions set ended_at = ?2 where key = ?1")?
            .execute([session, ended_at])?;
    }
    if let Some(state) = &commit.bot_state {
        let mut write = writing.connection.prepare_cached(
            "insert into bot_states (session, state) values (?1, ?2)
             on conflict (session) do update set state = excluded.state",
        )?;
        write.execute(params![session, state])?;
    }
    Ok(())
}

fn insert_job(writing: &mut Writing, session: i64, job: JobColumns) -> rusqlite::Result<()> {
    let id = writing.next_job_id();
    let mut insert = writing.connection.prepare_cached(
        "insert into jobs (id, session, kind, turn, run_at) values (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![id, session, job.kind, job.turn, job.run_at]).map(drop)
}
