//! Who was there when: what reached the nodes, and what the store was told of it.

use segue_core::{
    SessionId, Timestamp,
    ports::{Alive, Downtime, Store},
};
use segue_server::limits::LIVENESS_WRITE_SECONDS;

use crate::{
    store::Life,
    talk::Talk,
    world::{BASE, World},
};

impl World {
    /// A user's frame, or upgrade, has reached a node.
    pub fn heard(&self, life: &Life, talk: &Talk) {
        let now_ms = self.ms();
        let mut known = talk.known.lock();
        let before_ms = known.signs.insert(life.number, now_ms);
        if before_ms.is_none_or(|it| now_ms > it + LIVENESS_WRITE_SECONDS * 1_000) {
            known.returned_ms = now_ms;
        }
    }

    pub fn alive_recorded(&self, life: &Life, alive: Alive, seen: &[(SessionId, Timestamp)]) {
        let of_world = |at: Timestamp| at.saturating_add_signed(-life.skew_ms).saturating_sub(BASE);
        if let Some((_, to_ms)) = self.stored_lives.lock().get_mut(&life.number) {
            *to_ms = of_world(alive.at);
        }
        let mut stored = self.stored_signs.lock();
        for (id, at) in seen {
            let known = stored.entry(*id).or_default();
            *known = of_world(*at).max(*known);
        }
    }

    pub fn start_recorded(&self, life: &Life, downtimes: &[Downtime]) {
        let now_ms = self.ms();
        self.stored_lives.lock().insert(life.number, (now_ms, now_ms));
        let total_ms = downtimes.iter().map(|it| it.to - it.from).sum::<u64>();
        let mut down = self.down.lock();
        down.recorded_ms = down.recorded_ms.max(total_ms);
    }

    /// What the store takes for downtimes, on the world's clock, some skew aside.
    pub async fn stored_downtimes(&self) -> Vec<(u64, u64)> {
        let nobody = Alive { since: Timestamp::MAX, at: 0 };
        let downtimes = self.store.record_alive(nobody, &[]).await.unwrap();
        let of_world = |at: Timestamp| at.saturating_sub(BASE);
        downtimes.iter().map(|it| (of_world(it.from), of_world(it.to))).collect()
    }
}
