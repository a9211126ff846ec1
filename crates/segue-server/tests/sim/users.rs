//! Users: several clients of one conversation, each with its cursor, who retry, repeat, fall silent,
//! come back and end it. Each checks what it is sent, on the spot.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::{
    frames::{Frame, parse},
    plan::Kind,
    situations::Situation,
    socket::{Heard, Link, is_end},
    talk::{Hush, Key, Progress, Sent, Talk},
    world::World,
};

/// One application of the user: a tab, a telephone.
pub struct Client {
    pub world: Arc<World>,
    pub talk: Arc<Talk>,
    pub number: u64,
    pub cursor: u64,
    pub place: usize,
}

/// So long before the session may end, at the least and at the most, a user comes back.
const RETURN_MS: (u64, u64) = (3_000, 8_000);

/// A look comes every 30 s, a moment later what it has found. One that failed, and a read that did, is tried
/// again within 4 s.
pub const LATE_MS_MAX: u64 = 40_000;

/// What a client expects of one socket.
struct Expected {
    life: u64,
    next: u64,
    opened_with: u64,
    is_first_batch: bool,
    is_live: bool,
    is_ended: bool,
    /// Tags of what was sent here.
    sent: BTreeSet<String>,
    newest_at: String,
    /// The same of what has no place in the log.
    stamped_at: String,
}

impl Client {
    pub async fn run(mut self) {
        self.pause(1_500).await;
        while !self.world.is_over() {
            if self.is_hushed() && self.talk.character.hush == Hush::Leaves {
                break;
            }
            if self.is_gone() {
                let ms = self.world.dice.within(RETURN_MS.0, RETURN_MS.1);
                let wait_ms = self.edge_ms().saturating_sub(self.world.ms() + ms);
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                self.talk.known.lock().has_returned = true;
            }
            let Some(link) = self.open() else {
                self.pause(1_500).await;
                continue;
            };
            let is_final = self.converse(link).await;
            self.note(|it| it.sound_since_ms = None);
            if is_final && !self.world.dice.percent(20) {
                break;
            }
            // Some stay away for long.
            let is_long = self.world.is_active() && self.world.dice.percent(10);
            self.pause(if is_long { 20_000 } else { 2_000 }).await;
        }
    }

    async fn pause(&self, ms_max: u64) {
        let ms = self.world.dice.below(ms_max + 1);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn is_hushed(&self) -> bool {
        self.world.ms() >= self.talk.character.hush_at_ms
    }

    /// Away, until shortly before the session may end.
    fn is_gone(&self) -> bool {
        let returns = self.talk.character.hush == Hush::ReturnsAtTheEdge;
        returns && self.is_hushed() && !self.talk.known.lock().has_returned
    }

    fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(self.talk.known.lock().clients.entry(self.number).or_default());
    }

    /// Opens a socket at any node that is up.
    fn open(&mut self) -> Option<(Link, Expected)> {
        let world = Arc::clone(&self.world);
        let place = world.place_up()?;
        if place != self.place && self.cursor > 0 {
            world.count(Situation::ReconnectToOtherNode);
        }
        self.place = place;
        if world.is_active() && world.dice.percent(10) {
            // A cold start.
            self.cursor = 0;
        }
        let claimed =
            if world.is_active() && world.dice.percent(3) { 1_000_000 } else { self.cursor };
        if claimed > self.cursor {
            world.count(Situation::CursorBeyondEnd);
        }
        if world.has_open_stream(self.talk.id) {
            world.count(Situation::ReconnectInStream);
        }
        if world.has_ended(self.talk.id) {
            world.count(Situation::ReadAfterEnd);
        }
        let (link, life) = World::upgrade(&world, place, &self.talk, claimed)?;
        let expected = Expected {
            life,
            next: claimed + 1,
            opened_with: claimed,
            is_first_batch: true,
            is_live: false,
            is_ended: false,
            sent: BTreeSet::new(),
            newest_at: String::new(),
            stamped_at: String::new(),
        };
        Some((link, expected))
    }

    /// Talks until the socket ends. `true` when there is no reason to come back.
    async fn converse(&mut self, (mut link, mut expected): (Link, Expected)) -> bool {
        let world = Arc::clone(&self.world);
        let mut act_at = self.first_act();
        let mut beat_at = Instant::now() + Duration::from_secs(5);
        let spoil_at = Instant::now() + Duration::from_millis(world.dice.within(100, 20_000));
        let mut is_spoilt = !world.is_active() || world.dice.percent(25);
        // Who claims more than there is gets what is missing on the next socket only.
        let is_honest = expected.opened_with < 1_000_000;
        self.note(|it| it.sound_since_ms = is_honest.then(|| world.ms()));
        while !world.is_over() {
            tokio::select! {
                biased;
                heard = link.from_node.recv() => {
                    if world.dice.percent(5) {
                        self.pause(40).await;
                    }
                    match heard {
                        None => return false,
                        Some(Heard::Frame(text)) => self.take(&text, &mut expected),
                        Some(Heard::Ping) => {
                            let _ = link.to_node.send(Message::Pong(bytes::Bytes::new()));
                        }
                        Some(Heard::Closed(code)) => return self.closed(code, &expected),
                        Some(Heard::Refused(why)) => return self.refused(why),
                    }
                }
                () = tokio::time::sleep_until(act_at) => {
                    self.act(&link, &mut expected);
                    act_at = Instant::now() + self.until_next_act();
                }
                () = tokio::time::sleep_until(beat_at) => {
                    let is_quiet = self.is_hushed() && matches!(
                        self.talk.character.hush, Hush::Sleeps | Hush::SpeaksAtTheEdge);
                    let listens = world.plan.kind == Kind::Listens && !world.is_active();
                    if !is_quiet && !listens {
                        send(&link, "HEARTBEAT", "{}");
                    }
                    beat_at = Instant::now() + Duration::from_secs(5);
                }
                () = tokio::time::sleep_until(spoil_at), if !is_spoilt => {
                    is_spoilt = true;
                    if !world.is_active() {
                        continue;
                    }
                    self.note(|it| it.sound_since_ms = None);
                    if !self.spoil(&link).await {
                        return false;
                    }
                }
            }
            if self.is_hushed() && self.talk.character.hush == Hush::Leaves {
                return true;
            }
            if self.is_gone() {
                return false;
            }
        }
        true
    }

    /// Something happens to the wire. `false` when the client goes.
    async fn spoil(&self, link: &Link) -> bool {
        let dice = &self.world.dice;
        match dice.below(10) {
            0..6 => {
                // Frames in flight may be lost in both directions, or arrive after all.
                link.trouble.cut.store(dice.percent(60), Ordering::Relaxed);
                false
            }
            6..8 => {
                self.world.count(Situation::SilentHole);
                link.trouble.hole.store(true, Ordering::Relaxed);
                self.pause(15_000).await;
                false
            }
            _ => {
                self.world.count(Situation::SlowReader);
                link.trouble.stalled.store(true, Ordering::Relaxed);
                self.pause(15_000).await;
                false
            }
        }
    }

    fn closed(&self, code: u16, expected: &Expected) -> bool {
        if is_end(code) && !expected.is_ended && expected.opened_with < 1_000_000 {
            let reached = self.world.reached(self.talk.id);
            // A cursor at the end claims to have it.
            if expected.next <= reached {
                self.world.violated(format!("closed with {code} before the end was sent"));
            }
        }
        is_end(code)
    }

    fn refused(&self, why: &'static str) -> bool {
        let is_over = self.world.has_ended(self.talk.id);
        if why == "session not found" && !is_over {
            self.world.violated("a session that lives was not found".to_owned());
        }
        why == "session not found"
    }

    // ------------------------------------------------------------------------------ what it does

    fn first_act(&self) -> Instant {
        let ms = match self.world.dice.below(10) {
            0..4 => 0,
            4..6 => self.world.dice.within(0, 60),
            _ => self.world.dice.within(0, self.talk.character.pause_ms_max),
        };
        Instant::now() + Duration::from_millis(ms)
    }

    fn until_next_act(&self) -> Duration {
        let dice = &self.world.dice;
        if self.is_hushed() {
            let is_edgy = self.talk.character.hush == Hush::SpeaksAtTheEdge;
            let pause_ms = if is_edgy { self.edge_ms().saturating_sub(self.world.ms()) } else { 0 };
            // After the first time at the edge there is nothing more to say.
            let pause_ms = if pause_ms == 0 { 3_600_000 } else { pause_ms + dice.below(1_200) };
            return Duration::from_millis(pause_ms);
        }
        if !self.world.is_active() {
            return Duration::from_millis(dice.within(1_000, 2_500));
        }
        Duration::from_millis(dice.within(1, self.talk.character.pause_ms_max))
    }

    /// When the session may end, if everybody stays silent.
    fn edge_ms(&self) -> u64 {
        let limits = &self.talk.limits;
        let last_ms = self.talk.known.lock().signs.values().max().copied().unwrap_or(0);
        let said_ms = self.world.last_commit_ms(self.talk.id);
        (last_ms + limits.idle_seconds * 1_000).min(said_ms + limits.silence_seconds * 1_000)
    }

    fn act(&self, link: &Link, expected: &mut Expected) {
        let dice = &self.world.dice;
        let open = self.talk.open_tags();
        if self.is_hushed() {
            let is_edgy = self.talk.character.hush == Hush::SpeaksAtTheEdge;
            if is_edgy && self.world.ms() >= self.edge_ms() && !self.world.is_resting() {
                self.say_new(link, expected);
            }
            return;
        }
        if !self.world.is_active() {
            let is_not_asked = std::mem::take(&mut self.talk.known.lock().is_not_asked);
            if is_not_asked {
                self.join(link);
            }
            for tag in open.iter().take(3) {
                self.say(link, expected, tag);
            }
            return;
        }
        if !open.is_empty() && dice.percent(45) {
            let tag = &open[usize::try_from(dice.below(open.len() as u64)).unwrap()];
            for _ in 0..dice.pick(&[1, 1, 3]) {
                self.say(link, expected, tag);
            }
            return;
        }
        if dice.permille(self.world.plan.stops_permille) {
            return World::stop_turn(&self.world, &self.talk);
        }
        if dice.permille(self.talk.character.ends_permille) {
            self.talk.known.lock().asked_to_end_ms = Some(self.world.ms());
            return send(link, "USER_END_SESSION", "{}");
        }
        match dice.below(100) {
            0..35 => self.say_new(link, expected),
            35..42 => (0..dice.within(2, 6)).for_each(|_| self.say_new(link, expected)),
            42..67 => self.join(link),
            67..72 => self.say_again(link, expected),
            72..75 => send(link, "USER_TYPING", "{\"state\":\"TYPING_STATE_STARTED\"}"),
            75..78 => send(link, "SESSION_START", "{}"),
            78..80 => drop(link.to_node.send(Message::Binary(bytes::Bytes::new()))),
            _ => send(link, "HEARTBEAT", "{}"),
        }
    }

    fn join(&self, link: &Link) {
        let now_ms = self.world.ms();
        let before = self.talk.known.lock().asked_to_join_ms.replace(now_ms);
        if before.is_some_and(|it| now_ms < it + 150) && self.world.is_unasked(self.talk.id) {
            self.world.count(Situation::JoinAgainstJoin);
        }
        send(link, "REQUEST_POLY_AGENT_JOIN", "{}");
    }

    fn say_new(&self, link: &Link, expected: &mut Expected) {
        let key = self.world.dice.pick(&[Key::Local, Key::Local, Key::ClientEvent, Key::None]);
        let tag = {
            let mut known = self.talk.known.lock();
            let tag = format!("m{:03}", known.messages.len());
            let sent = Sent { text: format!("words of {tag}"), key, ..Sent::default() };
            known.messages.insert(tag.clone(), sent);
            tag
        };
        self.say(link, expected, &tag);
    }

    /// Sends what is known to be in the log once more.
    fn say_again(&self, link: &Link, expected: &mut Expected) {
        let tags: Vec<String> = {
            let known = self.talk.known.lock();
            let keyed = known.messages.iter().filter(|(_, it)| it.key != Key::None);
            keyed.map(|(tag, _)| tag.clone()).collect()
        };
        if tags.is_empty() {
            return;
        }
        let tag = &tags[usize::try_from(self.world.dice.below(tags.len() as u64)).unwrap()];
        self.say(link, expected, tag);
    }

    fn say(&self, link: &Link, expected: &mut Expected, tag: &str) {
        let now_ms = self.world.ms();
        let frame = {
            let mut known = self.talk.known.lock();
            let sent = known.messages.get_mut(tag).unwrap();
            self.tell_copies(sent, expected, now_ms);
            sent.copies.push((now_ms, self.number, expected.life));
            sent.frame(tag)
        };
        if self.world.has_ended(self.talk.id) {
            self.world.count(Situation::MessageAfterEnd);
            if now_ms <= self.world.last_commit_ms(self.talk.id) + 1_000
                && self.world.is_abandoned(self.talk.id)
            {
                self.world.count(Situation::MessageAgainstExpiry);
            }
        }
        expected.sent.insert(tag.to_owned());
        drop(link.to_node.send(Message::text(frame)));
    }

    fn tell_copies(&self, sent: &Sent, expected: &Expected, now_ms: u64) {
        let Some((at_ms, client, life)) = sent.copies.last().copied() else { return };
        if now_ms < at_ms + 200 && client != self.number {
            self.world.count(Situation::DuplicateOnTwoSockets);
            if life != expected.life {
                self.world.count(Situation::DuplicateOnTwoNodes);
            }
        }
        if self.world.is_dead(life) {
            self.world.count(Situation::DuplicateAfterCrash);
        }
        let is_ahead = sent.echoed.is_none_or(|it| it >= expected.next);
        if !expected.is_live && is_ahead && self.world.is_in_log(self.talk.id, &sent.text) {
            self.world.count(Situation::DuplicateDuringReplay);
        }
    }

    // -------------------------------------------------------------------------- what it is sent

    fn take(&mut self, text: &Utf8Bytes, expected: &mut Expected) {
        let Ok(frame) = parse(text) else { return };
        self.world.write(&format!(
            "s{:x} client {} < {text:.300}",
            self.talk.id.0 & 0xff,
            self.number
        ));
        if !frame.is("EVENT_BATCH") {
            if frame.sequence.is_some() {
                expected.is_live = true;
                if expected.is_first_batch && !expected.is_repeated_echo(&frame) {
                    self.wrong("a single event before the first batch", &frame);
                }
                self.take_event(&frame, expected, Place::Single);
            } else {
                self.take_transient(&frame, expected);
            }
            return;
        }
        if text.len() > 131_072 {
            self.wrong("a batch is too large", &frame);
        }
        if expected.is_live && !expected.is_first_batch {
            self.world.count(Situation::CaughtUpInBatches);
        }
        let frame_at = frame.timestamp.to_owned();
        let events = frame.events();
        if events.is_empty() || events.len() > 100 {
            self.world.violated(format!("a batch of {} events", events.len()));
        }
        for (i, event) in events.iter().enumerate() {
            let is_head = expected.is_first_batch && i == 0;
            if is_head && !event.is("SESSION_START") {
                self.wrong("the first batch begins with something else than the start", event);
            }
            if event.sequence.is_none() {
                self.wrong("a transient event in a batch", event);
            }
            self.take_event(event, expected, if is_head { Place::Head } else { Place::Batch });
        }
        expected.is_first_batch = false;
        self.take_time(&frame_at, expected);
    }

    /// What has no place in the log is not older than anything before it.
    fn take_time(&self, at: &str, expected: &mut Expected) {
        let newest_at = expected.newest_at.as_str().max(expected.stamped_at.as_str());
        if at < newest_at {
            let number = self.number;
            self.world.violated(format!("client {number}: {at} comes after {newest_at}"));
        }
        at.clone_into(&mut expected.stamped_at);
    }

    fn take_event(&mut self, event: &Frame<'_>, expected: &mut Expected, place: Place) {
        let sequence = event.sequence.unwrap_or(0);
        if !self.world.is_as_committed(self.talk.id, sequence, event.text) {
            self.wrong("an event is not the one that was committed", event);
        }
        if sequence != expected.next {
            let is_start = place == Place::Head && sequence == 1;
            let is_echo = place == Place::Single && expected.is_repeated_echo(event);
            let is_beyond = expected.opened_with >= 1_000_000;
            if is_beyond && !is_start && !is_echo && expected.next > 1_000_000 {
                // It claimed more than there was: later events follow, from wherever.
                expected.next = sequence;
            } else if !is_start && !is_echo {
                let wanted = expected.next;
                self.wrong(&format!("expected {wanted}"), event);
                expected.next = sequence;
            } else {
                return self.take_echo(event);
            }
        }
        if expected.is_ended {
            self.wrong("an event after the end", event);
        }
        if event.timestamp < expected.newest_at.as_str() {
            self.wrong("time runs backwards", event);
        }
        self.check_late(event);
        event.timestamp.clone_into(&mut expected.newest_at);
        expected.is_ended |= event.is("SESSION_END");
        expected.next = sequence + 1;
        if expected.opened_with < 1_000_000 {
            self.cursor = self.cursor.max(sequence);
            let cursor = self.cursor;
            self.note(|it| it.cursor = cursor);
        }
        self.take_echo(event);
        if expected.is_ended {
            self.talk.known.lock().is_ended = true;
        }
    }

    /// Whatever was lost before, a socket that is sound is sent everything in time.
    fn check_late(&self, event: &Frame<'_>) {
        let now_ms = self.world.ms();
        let sound_since_ms =
            self.talk.known.lock().clients.get(&self.number).and_then(|it| it.sound_since_ms);
        let committed_ms = self.world.committed_ms(self.talk.id, event.sequence.unwrap_or(0));
        let Some((sound_ms, committed_ms)) = sound_since_ms.zip(committed_ms) else { return };
        let since_ms = sound_ms.max(committed_ms).max(self.world.plan.active_ms);
        if now_ms > since_ms + LATE_MS_MAX {
            self.wrong(&format!("{} ms late", now_ms - since_ms), event);
        }
    }

    fn take_echo(&self, event: &Frame<'_>) {
        let Some(tag) = event.tag().filter(|_| event.is("USER_MESSAGE")) else { return };
        let mut known = self.talk.known.lock();
        let Some(sent) = known.messages.get_mut(&tag) else { return };
        let before = *sent.echoed.get_or_insert(event.sequence.unwrap_or(0));
        let is_refused = sent.is_refused_for_good;
        drop(known);
        if Some(before) != event.sequence {
            self.wrong("a second echo of one message", event);
        }
        if is_refused {
            self.wrong("the echo of a message that was refused for good", event);
        }
    }

    fn take_transient(&self, event: &Frame<'_>, expected: &mut Expected) {
        if expected.is_first_batch && event.is("POLY_AGENT_THINKING") {
            self.wrong("thinking before the first batch", event);
        }
        if expected.is_ended && !event.is("HEARTBEAT") && !event.is("SYSTEM_MESSAGE") {
            self.wrong("something after the end", event);
        }
        self.take_time(event.timestamp, expected);
        if event.is("POLY_AGENT_THINKING") {
            self.world.count(Situation::Thinking);
            let now_ms = self.world.ms();
            self.note(|it| it.thinking_ms = now_ms);
        }
        if event.is("SYSTEM_MESSAGE") {
            self.take_refusal(event);
        }
    }

    fn take_refusal(&self, event: &Frame<'_>) {
        let (code, tag) = (event.code().unwrap_or_default(), event.tag());
        let mut known = self.talk.known.lock();
        match code.as_str() {
            "session_not_found" => {
                if !self.world.has_ended(self.talk.id) {
                    self.world.violated("a session that lives is said to have ended".to_owned());
                }
                if let Some(sent) = tag.and_then(|it| known.messages.get_mut(&it)) {
                    sent.is_refused_for_good = true;
                    sent.refusals += 1;
                }
            }
            "conversation_not_found" => {
                known.is_not_asked = true;
                let joined_ms = self.world.joined_ms(self.talk.id);
                let sent = tag.as_ref().and_then(|it| known.messages.get(it));
                let sent_ms = sent.and_then(|it| it.copies.iter().map(|it| it.0).min());
                if sent_ms.zip(joined_ms).is_some_and(|(sent, joined)| sent > joined) {
                    self.wrong("refused for lack of a JOIN that is in the log", event);
                }
                self.world.count(Situation::MessageBeforeJoin);
                if let Some(sent) = tag.and_then(|it| known.messages.get_mut(&it)) {
                    sent.refusals += 1;
                }
            }
            _ => {}
        }
    }

    fn wrong(&self, what: &str, event: &Frame<'_>) {
        let (id, sequence, kind) = (event.id, event.sequence, event.kind);
        let (session, number) = (self.talk.id.0 & 0xff, self.number);
        self.world
            .violated(format!("client {number} of s{session:x}: {what}: {kind} {sequence:?} {id}"));
    }
}

impl Expected {
    /// Whether it repeats what this socket was sent before, because a copy was sent over it.
    fn is_repeated_echo(&self, event: &Frame<'_>) -> bool {
        event.sequence.is_some_and(|it| it < self.next)
            && event.is("USER_MESSAGE")
            && event.tag().is_some_and(|tag| self.sent.contains(&tag))
    }
}

fn send(link: &Link, kind: &str, payload: &str) {
    let frame = format!("{{\"type\":\"EVENT_TYPE_{kind}\",\"payload\":{payload}}}");
    drop(link.to_node.send(Message::text(frame)));
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// First in the first batch.
    Head,
    Batch,
    Single,
}
