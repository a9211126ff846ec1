//! Promises about when a session ends: not too early, not much too late, and only for a reason.

use std::sync::atomic::Ordering;

use segue_core::{EndReason, Event, Session, SessionId, ports::Commit};

use crate::{chronicle::Committed, situations::Situation, store::Life, talk::Talk, world::World};

/// Clocks of two nodes differ by less than this.
const SKEW_MS: u64 = 6_000;

/// A write of a slow store takes less than this.
const SLOW_MS: u64 = 4_000;

/// That a user is back is written down within this.
const TOLD_MS: u64 = 2_500;

/// A timer that is due is looked after within this, once everything works.
const LATE_MS: u64 = 20_000;

/// Looks at the end of a session in the moment in which it is committed.
pub fn check_end(world: &World, life: &Life, commit: &Commit) {
    let ended = commit.entries.iter().find_map(|entry| match &entry.event {
        Event::SessionEnded { reason } => Some((*reason, entry.at)),
        _ => None,
    });
    let Some((reason, at)) = ended else { return };
    let session = &commit.session;
    tell_race(world, session.id, reason);
    match reason {
        EndReason::UserEnd => {
            let is_asked = |it: &segue_core::Entry| matches!(it.event, Event::EndRequested { .. });
            if !commit.entries.iter().any(is_asked) {
                violated(world, session, "ended by the user, who did not ask for it");
            }
        }
        EndReason::NaturalEnd => {
            let is_finished = |it: &segue_core::Entry| {
                matches!(
                    it.event,
                    Event::TurnEnded { outcome: segue_core::TurnOutcome::Finished, .. }
                )
            };
            let is_by_bot = commit.entries.iter().any(is_finished);
            if !is_by_bot && at < session.facts.expires_at {
                violated(world, session, "ended before its time, and not by the bot");
            }
        }
        EndReason::UserAbandoned => check_abandoned(world, life, session),
        EndReason::Revoked => {
            world.count(Situation::EndedByAdministrator);
            let asked = talk(world, session.id).and_then(|it| it.known.lock().asked_to_revoke_ms);
            if asked.is_none() {
                violated(world, session, "revoked, and nobody asked for it");
            }
        }
    }
}

fn check_abandoned(world: &World, life: &Life, session: &Session) {
    let now_ms = world.ms();
    let limits = &world.plan.limits;
    let grace_ms = limits.restart_grace_seconds * 1_000;
    let started_ms = life.started_at.saturating_sub(World::on_clock(life, 0));
    if now_ms + 100 < started_ms + grace_ms {
        violated(world, session, "abandoned right after a start");
    }
    let Some(talk) = talk(world, session.id) else { return };
    // What this node heard itself, and what the others had written down.
    let heard_ms = talk.known.lock().signs.get(&life.number).copied().unwrap_or(0);
    let stored_ms = world.stored_signs.lock().get(&session.id).copied().unwrap_or(0);
    let (created_ms, (_, said_ms)) = said(world, session.id);
    let seen_ms = heard_ms.max(stored_ms).max(created_ms).max(returned_ms(world, &talk));
    // A frame that came while the write was slow, or hung, is too late: it is not in the log, so
    // nothing is in the way of the write.
    let is_frozen = life.frozen_until_ms.load(Ordering::Relaxed) > seen_ms;
    if is_frozen || now_ms < seen_ms + SLOW_MS {
        return;
    }
    let lasted = |from_ms: u64, wanted_ms: u64| {
        let (down_ms, downs) = down_since(world, from_ms);
        let slack_ms = SKEW_MS * (1 + downs);
        now_ms + slack_ms >= from_ms + down_ms + wanted_ms
    };
    let is_absent = lasted(seen_ms, limits.idle_seconds * 1_000);
    let is_silent = lasted(said_ms, limits.silence_seconds * 1_000);
    match (is_absent, is_silent) {
        (true, _) => world.count(Situation::EndedForAbsence),
        (false, true) => world.count(Situation::EndedForSilence),
        (false, false) => {
            let (idle, silence) = (limits.idle_seconds, limits.silence_seconds);
            let what = format!(
                "abandoned too early: heard {heard_ms}, known {stored_ms}, idle after {idle} s; \
                 said {said_ms}, silent after {silence} s; now {now_ms}"
            );
            violated(world, session, &what);
        }
    }
}

/// When the user came to a node that had not heard of them for a while: the others know soon, where
/// nothing is in the way.
fn returned_ms(world: &World, talk: &Talk) -> u64 {
    let returned_ms = talk.known.lock().returned_ms;
    let is_calm = returned_ms > world.plan.active_ms + 5_000;
    let is_known = world.ms() > returned_ms + TOLD_MS;
    if is_calm && is_known {
        world.count(Situation::ReturnAgainstExpiry);
        returned_ms
    } else {
        0
    }
}

/// No time counts as downtime in which a node ran, if it has said so.
pub async fn check_downtimes(world: &World) {
    let lives = world.stored_lives.lock().clone();
    for (from_ms, to_ms) in world.stored_downtimes().await {
        for (number, life) in &lives {
            let both_ms = to_ms.min(life.1).saturating_sub(from_ms.max(life.0));
            if both_ms > SKEW_MS {
                world.violated(format!(
                    "{from_ms} to {to_ms} counts as downtime, though {number} ran {life:?}"
                ));
            }
        }
    }
}

/// Looks at a session that lives when everything is at rest: whether it should have ended.
pub fn check_still_alive(world: &World, session: &Session) {
    let now_ms = world.ms();
    let limits = &world.plan.limits;
    let Some(talk) = talk(world, session.id) else { return };
    let heard_ms = talk.known.lock().signs.values().max().copied().unwrap_or(0);
    let (created_ms, (said_ms, _)) = said(world, session.id);
    let (recorded_ms, start_ms) = {
        let down = world.down.lock();
        (down.recorded_ms, down.newest_start_ms)
    };
    let grace_ms = start_ms + limits.restart_grace_seconds * 1_000;
    let is_late = |from_ms: u64, wanted_ms: u64| {
        let due_ms = (from_ms + wanted_ms + recorded_ms).max(grace_ms).max(world.plan.active_ms);
        now_ms > due_ms + LATE_MS
    };
    if is_late(heard_ms.max(created_ms), limits.idle_seconds * 1_000) {
        violated(world, session, "the user is gone, and it has not ended");
    }
    if is_late(said_ms, limits.silence_seconds * 1_000) {
        violated(world, session, "nothing is said, and it has not ended");
    }
    let life = limits.session_life_seconds * 1_000;
    if now_ms > (created_ms + life).max(world.plan.active_ms) + LATE_MS {
        violated(world, session, "its life is over, and it has not ended");
    }
}

/// When a session was created, and when something was last said in it: when it was written, and
/// when it was decided, which is earlier where the write hung.
fn said(world: &World, id: SessionId) -> (u64, (u64, u64)) {
    let is_said = |event: &Event| {
        matches!(
            event,
            Event::SessionStarted { .. }
                | Event::JoinRequested { .. }
                | Event::BotJoined { .. }
                | Event::UserMessagePosted { .. }
                | Event::BotMessagePosted { .. }
        ) || matches!(event, Event::BotChunkPosted { text, .. } if !text.is_empty())
    };
    world.chronicle(|it| {
        let commits = &it.commits[&id];
        let is_it = |it: &&Committed| it.entries.iter().any(|it| is_said(&it.event));
        let newest = commits.iter().rev().find(is_it);
        let said = newest.map_or((0, 0), |it| {
            let stamp_ms = it.entries[0].at.saturating_sub(World::on_clock(&it.life, 0));
            (it.at_ms, stamp_ms.min(it.at_ms))
        });
        (commits[0].at_ms, said)
    })
}

/// For how long no node was up since then, and how often.
fn down_since(world: &World, from_ms: u64) -> (u64, u64) {
    let down = world.down.lock();
    let later = down.spans.iter().filter(|(_, to)| *to > from_ms);
    let spans: Vec<u64> = later.map(|(from, to)| to - from.max(&from_ms)).collect();
    (spans.iter().sum(), spans.len() as u64)
}

/// While a turn lasts, clients are told again and again that the bot is thinking.
pub fn check_thinking(world: &World, commit: &Commit) {
    let ends = |it: &segue_core::Entry| matches!(it.event, Event::TurnEnded { .. });
    if !commit.entries.iter().any(ends) {
        return;
    }
    let id = commit.session.id;
    let Some((_, started_ms)) = world.chronicle(|it| it.workers.get(&id).cloned()) else { return };
    let repeat_ms = world.plan.limits.thinking_repeat_seconds * 1_000;
    let now_ms = world.ms();
    // Told of by pushes that nobody loses, on sockets that were there before.
    let calm_ms = world.plan.active_ms + 5_000;
    if started_ms < calm_ms || now_ms < started_ms + repeat_ms + 1_000 {
        return;
    }
    let Some(talk) = talk(world, id) else { return };
    let known = talk.known.lock();
    for (number, client) in &known.clients {
        let was_there = client.sound_since_ms.is_some_and(|it| it + 5_000 < started_ms);
        if was_there && client.thinking_ms + repeat_ms + 100 < now_ms {
            let since_ms = now_ms - client.thinking_ms;
            let session = id.0 & 0xff;
            world.violated(format!("s{session:x} client {number}: no thinking for {since_ms} ms"));
        }
    }
}

fn tell_race(world: &World, id: SessionId, reason: EndReason) {
    let Some(talk) = talk(world, id) else { return };
    let now_ms = world.ms();
    let known = talk.known.lock();
    let is_near =
        |it: &&crate::talk::Sent| it.copies.iter().any(|(at, ..)| now_ms.abs_diff(*at) <= 1_000);
    let is_raced = known.messages.values().any(|it| is_near(&it));
    drop(known);
    match reason {
        EndReason::UserEnd if is_raced => world.count(Situation::EndAgainstMessage),
        EndReason::UserAbandoned if is_raced => world.count(Situation::MessageAgainstExpiry),
        _ => {}
    }
}

fn talk(world: &World, id: SessionId) -> Option<std::sync::Arc<Talk>> {
    world.talks.lock().iter().find(|it| it.id == id).cloned()
}

fn violated(world: &World, session: &Session, what: &str) {
    world.violated(format!("s{:x}: {what}", session.id.0 & 0xff));
}
