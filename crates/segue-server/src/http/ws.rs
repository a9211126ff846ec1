//! `GET /ws`: the upgrade (protocol, section 1).
//!
//! Clients throw the session away on any refusal. So there are four, each final; for whatever may
//! pass, the upgrade is accepted and the socket closed with 1013.

use std::{pin::Pin, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue,
        header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use futures_util::SinkExt;
use hyper::upgrade::{OnUpgrade, Upgraded};
use segue_core::{Sequence, SessionId, ports::StoreError};
use tokio_tungstenite::tungstenite::{
    Message, handshake::server::create_response_with_body, protocol::CloseFrame,
};
use tracing::{debug, info, warn};

use super::{App, NotOpened, error::CorrelationId};
use crate::{
    address::{Client, Place},
    connection::{CloseCode, Connection},
    connectors::Connector,
    hub::{Admission, Subscription},
    limits,
    rates::SessionGate,
    serve::{HandedOver, Peer, hand_over},
    socket::{Socket, WebSocket},
    wire::HttpError,
};

/// The sub-protocol that carries the token outside of the address.
const SUB_PROTOCOL: &str = "segue.v1";
const BEARER: &str = "bearer.";

/// What the client asks for.
#[derive(Debug)]
struct Asked {
    session: String,
    token: String,
    cursor: Sequence,
}

/// What it gets.
enum Granted {
    /// The conversation.
    Seat(Box<Seat>),
    /// Something passes; come again.
    Later,
}

/// A place in a conversation.
struct Seat {
    connection: Connection,
    subscription: Subscription,
    connector: Arc<Connector>,
    /// Among the connections of its address.
    place: Place,
}

/// Opens a conversation's socket.
pub async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    correlation_id: CorrelationId,
    mut request: Request,
) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, _) = request.into_parts();
    let granted = match grant(&app, &parts, &peer, client).await {
        Ok(granted) => granted,
        Err(error) => return correlation_id.refuse(error).into_response(),
    };
    let offered = offers(&parts.headers, SUB_PROTOCOL);
    if wants_upgrade(&parts.headers) {
        // The library takes one line without tabs only.
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let request = Request::from_parts(parts, ());
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => {
            debug!(%error, "a request for a socket that is no upgrade");
            return correlation_id.refuse(HttpError::MissingParameters).into_response();
        }
    };
    if offered {
        let name = HeaderValue::from_static(SUB_PROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    let sockets = app.sockets.clone();
    // Without the request's span, which would stay in memory with it; its lines name the session.
    sockets.spawn(open(app, peer, granted, upgrade));
    response
}

/// Waits for the connection to be handed over, and talks. What is needed only until then is not kept.
async fn open(app: Arc<App>, peer: Peer, granted: Granted, upgrade: OnUpgrade) {
    match upgrade.await {
        Ok(upgraded) => {
            let web = web_socket(upgraded);
            run(app, peer, granted, web).await;
        }
        Err(error) => debug!(%error, "a connection went before its upgrade"),
    }
}

/// Apart, because what was read too far lies in hyper's buffer, which must not stay with the task.
fn web_socket(upgraded: Upgraded) -> WebSocket<HandedOver> {
    let (stream, read) = hand_over(upgraded);
    WebSocket::new(stream, &read)
}

/// Boxed: the task that waited for it is small, and lasts as long.
fn run(
    app: Arc<App>,
    peer: Peer,
    granted: Granted,
    mut web: WebSocket<HandedOver>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match granted {
        Granted::Seat(seat) => Box::pin(seat.socket(&app, peer).run(web)),
        Granted::Later => Box::pin(async move {
            peer.linger();
            let code = CloseCode::TryAgain.number();
            app.node.metrics.closed_by_server(code);
            let frame = CloseFrame { code: code.into(), reason: "try again later".into() };
            if let Err(error) = web.send(Message::Close(Some(frame))).await {
                debug!(%error, "a client did not wait to be told to come again");
            }
        }),
    }
}

impl Seat {
    fn socket(self, app: &App, peer: Peer) -> Socket {
        let Self { connection, subscription, connector, place } = self;
        Socket {
            node: Arc::clone(&app.node),
            id: subscription.session(),
            connection,
            subscription,
            peer,
            place: Some(place),
            stop: app.stop.clone(),
            slow_reader_ms: connector.limits.slow_reader_seconds * 1_000,
            frame_ms: connector.limits.frame_seconds * 1_000,
        }
    }
}

/// Checks, in this order: parameters, token and origin, session, ownership, limit.
async fn grant(
    app: &Arc<App>,
    parts: &Parts,
    peer: &Peer,
    client: Client,
) -> Result<Granted, HttpError> {
    let asked = asked(parts).ok_or(HttpError::MissingParameters)?;
    let origin = parts.headers.get("origin").map(|it| it.to_str().unwrap_or(""));
    let (claims, connector) =
        app.authenticate(&asked.token, origin).ok_or(HttpError::NotAuthenticated)?;
    if app.stop.is_cancelled() {
        return Ok(Granted::Later);
    }
    let Some(place) = place(app, peer, client, &connector) else { return Ok(Granted::Later) };
    let _turn = if app.knows(&asked.session) { None } else { Some(app.door.resume().await) };
    let session = match app.open(&asked.session, &claims, &connector).await {
        Ok(session) => session,
        Err(NotOpened::Unknown) => return Err(HttpError::UnknownSession),
        Err(NotOpened::NotYours) => return Err(HttpError::NotAuthenticated),
        Err(NotOpened::Unavailable(error)) => {
            warn!(session = asked.session, %error, "cannot open session {} now", asked.session);
            return Ok(Granted::Later);
        }
    };
    let (id, now) = (session.id, app.node.now());
    let subscription = seat(app, id, &connector)?;
    // Read again, in this order: what the cursor claims is compared with a state that is newer.
    let opened = async {
        let position = app.node.store.position_of(id, asked.cursor).await?;
        Ok::<_, StoreError>((position, app.node.load(id).await?.unwrap_or(session)))
    };
    let (position, session) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            warn!(session.id = %id, %error, "cannot open session {id} now, its socket is told to come again: {error}");
            return Ok(Granted::Later);
        }
    };
    info!(session.id = %id, cursor = asked.cursor.0, "opened a socket of session {id}");
    let profile = connector.bot.profile.clone();
    let limits = Arc::clone(&connector.limits);
    let connection = Connection::open(now, limits, profile, &session, asked.cursor, position);
    Ok(Granted::Seat(Box::new(Seat { connection, subscription, connector, place })))
}

/// A place for one more socket of this address; `None` when it has to come again.
fn place(app: &App, peer: &Peer, client: Client, connector: &Connector) -> Option<Place> {
    let now = app.node.now();
    let rate = app.handshakes.take_socket(now, client.address, &connector.id, &connector.limits);
    if let Err(retry_after_ms) = rate {
        debug!(retry_after_ms, "an address opens sockets too fast");
        return None;
    }
    let place = app.door.enter_behind(peer.address.ip(), client);
    if place.is_none() {
        debug!("an address has too many sockets");
    }
    place
}

fn seat(app: &App, id: SessionId, connector: &Connector) -> Result<Subscription, HttpError> {
    let limits = &connector.limits;
    let admission = Admission {
        connections_max: limits.connections_per_session,
        displace_after_ms: limits.displace_after_seconds * 1_000,
    };
    let gate = || SessionGate::new(limits.messages_per_second, limits.messages_burst);
    app.hub
        .subscribe(app.node.now(), id, admission, gate)
        .map_err(|_| HttpError::TooManyConnections { retry_after_ms: admission.displace_after_ms })
}

/// The parameters; `None` when one is missing.
fn asked(parts: &Parts) -> Option<Asked> {
    let query = parts.uri.query().unwrap_or_default();
    let mut asked = Asked {
        session: String::new(),
        token: sub_protocol_token(&parts.headers).unwrap_or_default(),
        cursor: Sequence(0),
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "session_id" => asked.session = value.into_owned(),
            "access_token" | "auth_token" => asked.token = value.into_owned(),
            "cursor" => asked.cursor = cursor(&value),
            _ => {}
        }
    }
    (!asked.session.is_empty() && !asked.token.is_empty()).then_some(asked)
}

/// `n` or `seq:n`. Anything else is no reason to lose a conversation: it counts as nothing read.
fn cursor(text: &str) -> Sequence {
    let digits = text.strip_prefix("seq:").unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    if !is_number {
        info!(bytes = text.len(), "a cursor that is no number counts as 0");
        return Sequence(0);
    }
    // A number too large to read lies beyond every log.
    Sequence(digits.parse().unwrap_or(u64::MAX).min(limits::CURSOR_MAX))
}

fn sub_protocol_token(headers: &HeaderMap) -> Option<String> {
    let token = sub_protocols(headers).find_map(|it| it.strip_prefix(BEARER))?;
    offers(headers, SUB_PROTOCOL).then(|| token.to_owned())
}

/// Whether the options of the connection name it (RFC 9110, section 7.6.1).
fn wants_upgrade(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|it| it.to_str().ok());
    lines.flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case("upgrade"))
}

fn offers(headers: &HeaderMap, name: &str) -> bool {
    sub_protocols(headers).any(|it| it == name)
}

fn sub_protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<F>(_: fn(Arc<App>, Peer, Granted, OnUpgrade) -> F) -> usize {
        size_of::<F>()
    }

    /// It stays with an idle connection until its end.
    #[test]
    fn an_upgrade_may_stand_among_other_options_on_any_line() {
        let lines: [(&[&str], bool); 6] = [
            (&["Upgrade"], true),
            (&["keep-alive, upgrade"], true),
            (&["keep-alive,\tUpgrade"], true),
            (&["keep-alive", "UPGRADE"], true),
            (&["keep-alive"], false),
            (&["not-upgrade, upgrades"], false),
        ];
        for (lines, expected) in lines {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONNECTION, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(wants_upgrade(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_task_that_waits_for_an_upgrade_is_small() {
        let bytes = future_bytes(open);
        assert!(bytes <= 512, "{bytes} bytes");
    }
}
