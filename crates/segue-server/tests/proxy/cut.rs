//! A connection that breaks at any byte of an exchange, in either direction, in any manner: the
//! client comes back with its cursor, says again what nobody confirmed, and has everything once.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    proxy::{Harm, Proxy, Way},
    raw::{Came, Raw, events_of},
    shop::{Shop, Visit, kinds, say},
};

const HARMS: [Harm; 3] = [Harm::Fin, Harm::Reset, Harm::Hole];

/// What the client knows, over all its connections.
#[derive(Default)]
struct Known {
    events: BTreeMap<u64, Value>,
    cursor: u64,
}

impl Known {
    /// Takes what came on one connection: gapless behind what it had; nothing told twice differs.
    fn take(&mut self, event: Value) {
        let sequence = event["sequence"].as_u64().unwrap();
        if let Some(before) = self.events.get(&sequence) {
            assert_eq!(before, &event, "told twice, and not the same");
            // The start of every replay, or the echo of a message that was sent again.
            assert!(sequence == 1 || event["type"] == "EVENT_TYPE_USER_MESSAGE", "again: {event}");
            return;
        }
        assert_eq!(sequence, self.cursor + 1, "a gap before {event}");
        self.cursor = sequence;
        self.events.insert(sequence, event);
    }

    async fn hear_to(&mut self, socket: &mut Raw, sequence: u64) {
        while self.cursor < sequence {
            for event in events_of(socket.recv().await) {
                self.take(event);
            }
        }
    }
}

/// One conversation with one break. The message and its answer are the events 5 and 6.
async fn conversation(shop: &Shop, way: Way, after: usize, harm: Harm) {
    let visit = shop.visit().await;
    let proxy = Proxy::start(shop.address()).await;
    let mut known = Known::default();
    let mut socket = visit.greeted(proxy.address).await;
    for event in visit.log(4).await {
        known.take(event);
    }
    proxy.harm(way, after, harm);
    socket.send(&say("when are you open?", "k-1")).await;
    if harm == Harm::Hole {
        // Nothing tells the client that it speaks into a void; some day it gives up.
        proxy.harmed().await;
    } else {
        loop {
            match socket.next().await {
                Came::Frame(frame) => {
                    for event in events_of(frame) {
                        known.take(event);
                    }
                }
                Came::Gone => break,
                other => panic!("{other:?}"),
            }
        }
    }
    drop(socket);
    come_back(&visit, &mut known).await;
}

async fn come_back(visit: &Visit, known: &mut Known) {
    let mut socket = visit.open(known.cursor).await;
    socket.send(&say("when are you open?", "k-1")).await;
    known.hear_to(&mut socket, 6).await;
    // Had the first message been recorded or answered twice, this one would come later.
    socket.send(&say("thank you", "k-2")).await;
    known.hear_to(&mut socket, 8).await;
    let log = visit.log(8).await;
    let told: Vec<Value> = known.events.values().cloned().collect();
    assert_eq!(log, told);
    let want = ["USER_MESSAGE", "POLY_AGENT_MESSAGE", "USER_MESSAGE", "POLY_AGENT_MESSAGE"];
    assert_eq!(kinds(&log[4..]), want);
}

/// Covers 2.10, 4.10, 4.18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_at_any_byte_of_a_clients_frame_neither_loses_nor_repeats_it() {
    let shop = Shop::open("").await;
    let length = say("when are you open?", "k-1").len();
    assert!(length > 100, "a real frame");
    for after in 0..=length {
        for harm in HARMS {
            conversation(&shop, Way::Up, after, harm).await;
        }
    }
    shop.close().await;
}

/// Covers 2.10, 3.9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_at_any_byte_of_the_servers_frames_loses_and_repeats_nothing() {
    let shop = Shop::open("").await;
    let length = length_of_an_answer(&shop).await;
    assert!(length > 500, "an echo, a sign that the bot thinks, and an answer");
    for after in 0..length {
        // Each manner meets every third byte; a prime's distance, and each meets every kind of it.
        conversation(&shop, Way::Down, after, HARMS[(after + after / 97) % 3]).await;
    }
    shop.close().await;
}

/// Bytes that the server sends for a message: its echo and the bot's answer.
async fn length_of_an_answer(shop: &Shop) -> usize {
    let visit = shop.visit().await;
    let proxy = Proxy::start(shop.address()).await;
    let mut socket = visit.greeted(proxy.address).await;
    proxy.count(Way::Down);
    socket.send(&say("when are you open?", "k-1")).await;
    socket.events_to(6).await;
    proxy.passed(Way::Down)
}
