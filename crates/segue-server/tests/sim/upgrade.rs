//! How a client gets a socket at a node: what the route of the upgrade does, without HTTP.

use std::{net::SocketAddr, sync::Arc};

use segue_core::Sequence;
use segue_server::{
    connection::Connection,
    directory::Directory,
    hub::{Admission, Hub, Subscription},
    node::Node,
    rates::SessionGate,
    serve::Peer,
    socket::Socket,
};
use tokio_util::sync::CancellationToken;

use crate::{
    socket::{Heard, Link, SimWeb},
    talk::Talk,
    world::World,
};

/// What the node has for a socket.
struct Inside {
    node: Arc<Node>,
    hub: Arc<Hub>,
    connectors: Arc<Directory>,
    stop: CancellationToken,
}

enum Granted {
    Seat(Box<Connection>, Subscription),
    Later,
    Refused(&'static str),
}

impl World {
    /// Asks a node for a socket; `None` when it is not up. Also says which life of the node it was.
    pub fn upgrade(
        world: &Arc<Self>,
        place: usize,
        talk: &Arc<Talk>,
        cursor: u64,
    ) -> Option<(Link, u64)> {
        let (inside, life) = world.with(place, |it| {
            let inside = Inside {
                node: Arc::clone(&it.node),
                hub: Arc::clone(&it.hub),
                connectors: Arc::clone(&it.connectors),
                stop: it.stop.clone(),
            };
            (inside, Arc::clone(&it.life))
        })?;
        let (web, client_end) = SimWeb::pair(world, &life, talk);
        let socket = tokio::spawn(serve(inside, web, Sequence(cursor)));
        world.with(place, |it| it.tasks.push(socket.abort_handle()));
        Some((client_end, life.number))
    }
}

async fn serve(inside: Inside, web: SimWeb, cursor: Sequence) {
    let heard = match grant(&inside, &web, cursor).await {
        Granted::Seat(connection, subscription) => {
            let socket = Socket {
                node: inside.node,
                id: web.talk.id,
                connection: *connection,
                subscription,
                peer: Peer::new(SocketAddr::from(([127, 0, 0, 1], 1))),
                place: None,
                stop: inside.stop,
                slow_reader_ms: web.talk.limits.slow_reader_seconds * 1_000,
                frame_ms: web.talk.limits.frame_seconds * 1_000,
            };
            return socket.run(web).await;
        }
        Granted::Later => Heard::Closed(1013),
        Granted::Refused(why) => Heard::Refused(why),
    };
    drop(web.to_client.send(heard));
}

async fn grant(inside: &Inside, web: &SimWeb, cursor: Sequence) -> Granted {
    let (node, limits) = (&inside.node, &web.talk.limits);
    if inside.stop.is_cancelled() {
        return Granted::Later;
    }
    let id = web.talk.id;
    let session = match node.load(id).await {
        Ok(Some(session)) => session,
        Ok(None) => return Granted::Refused("session not found"),
        Err(_) => return Granted::Later,
    };
    let now = node.now();
    let readable_ms = limits.readable_after_end_seconds * 1_000;
    if session.ended_at().is_some_and(|at| now >= at + readable_ms) {
        return Granted::Refused("session not found");
    }
    let admission = Admission {
        connections_max: limits.connections_per_session,
        displace_after_ms: limits.displace_after_seconds * 1_000,
    };
    let gate = || SessionGate::new(limits.messages_per_second, limits.messages_burst);
    let Ok(subscription) = inside.hub.subscribe(now, id, admission, gate) else {
        return Granted::Refused("connection limit exceeded for session");
    };
    web.world.heard(&web.life, &web.talk);
    let Ok(position) = node.store.position_of(id, cursor).await else { return Granted::Later };
    let Some(connector) = inside.connectors.get(&session.facts.connector) else {
        return Granted::Refused("authentication failed");
    };
    let (limits, profile) = (Arc::clone(&connector.limits), connector.bot.profile.clone());
    let connection = Connection::open(now, limits, profile, &session, cursor, position);
    Granted::Seat(Box::new(connection), subscription)
}
