//! Everything that can come in or go out, for property tests.

use std::fmt::Write;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use segue_core::{
    Attachment, AttemptId, BotProfile, CallAction, ConnectorId, ContentType, EndReason, Entry,
    EntryId, Event, Extras, Facts, HandOffReason, Json, Level, MessageId, MessageKey, Notice,
    Position, Sequence, Suggestion, TokenId, Turn, TurnOutcome, TurnReason,
};

use crate::wire::{Ask, ClientFrame, TypingState};

/// Text with everything in it that JSON has to escape or must leave alone.
pub(super) fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '"',
        '\\',
        '/',
        '\u{0}',
        '\u{8}',
        '\n',
        '\r',
        '\t',
        '\u{1f}',
        '\u{7f}',
        '\u{85}',
        '\u{a0}',
        '\u{301}',
        '\u{200b}',
        '\u{2028}',
        '\u{feff}',
        '\u{fffd}',
        '\u{ffff}',
        '\u{1f600}',
        '\u{10ffff}',
        '<',
        '&',
        ' ',
    ]);
    let char = prop_oneof![3 => prop::char::range('a', 'z'), 2 => special, 2 => any::<char>()];
    vec(char, 0..24).prop_map(String::from_iter)
}

/// The text of a message of the user.
fn not_blank() -> impl Strategy<Value = String> {
    text().prop_filter("a message is not blank", |it| !it.trim().is_empty())
}

/// An absolute URL as a bot may give it.
fn url() -> impl Strategy<Value = String> {
    "https://tallow\\.example/[a-z0-9äß日 /._~-]{0,20}(\\?[a-z=&é ]{0,9})?"
}

/// A JSON value as somebody might write it.
#[derive(Debug, Clone)]
enum Tree {
    Plain(&'static str),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let plain = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.00",
        "1e5",
        "-2.5E-3",
        "18446744073709551616",
    ]);
    let leaf = prop_oneof![plain.prop_map(Tree::Plain), text().prop_map(Tree::Text)];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Tree::Array),
            vec((text(), inner), 0..4).prop_map(Tree::Object),
        ]
    })
}

/// How somebody writes JSON: where white space is, and what is escaped without need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hand(u64);

impl Hand {
    pub fn any() -> impl Strategy<Value = Hand> {
        any::<u64>().prop_map(Hand)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }

    fn space(&mut self, out: &mut String) {
        out.push_str(["", "", "", " ", "\n", "\t\r\n  "][self.below(6)]);
    }

    fn text(&mut self, out: &mut String, text: &str) {
        out.push('"');
        for char in text.chars() {
            if char < ' ' || matches!(char, '"' | '\\') || self.below(5) == 0 {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a string takes everything");
                }
            } else {
                out.push(char);
            }
        }
        out.push('"');
    }

    fn tree(&mut self, out: &mut String, tree: &Tree) {
        match tree {
            Tree::Plain(plain) => out.push_str(plain),
            Tree::Text(text) => self.text(out, text),
            Tree::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    self.space(out);
                    self.tree(out, item);
                    self.space(out);
                }
                out.push(']');
            }
            Tree::Object(members) => {
                let write = |it: &(String, Tree)| (it.0.clone(), written(self, &it.1));
                let members = members.iter().map(write).collect::<Vec<_>>();
                self.object(out, &members);
            }
        }
    }

    /// An object of members whose values are written already.
    fn object(&mut self, out: &mut String, members: &[(String, String)]) {
        out.push('{');
        for (i, (name, value)) in members.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            self.space(out);
            self.text(out, name);
            self.space(out);
            out.push(':');
            self.space(out);
            out.push_str(value);
            self.space(out);
        }
        self.space(out);
        out.push('}');
    }
}

/// `metadata.custom` as somebody might send it, without names for a message.
pub(super) fn custom() -> impl Strategy<Value = Json> {
    (vec((text(), tree()), 0..4), Hand::any()).prop_map(|(members, mut hand)| {
        let mut out = String::new();
        hand.tree(&mut out, &Tree::Object(members));
        Json(out.into())
    })
}

/// A frame that a client may send, and the text it might send it as.
pub(super) fn client_frame() -> impl Strategy<Value = (ClientFrame, String)> {
    let key_text =
        || text().prop_filter("a key has 1 to 200 bytes", |it| (1..=200).contains(&it.len()));
    let names = (option::of(key_text()), option::of(key_text()));
    let others = || vec((text(), tree()), 0..3);
    let parts = (ask(), option::of((names, others())), others(), Hand::any());
    parts.prop_map(|(ask, custom, others, mut hand)| {
        write_client_frame(ask, custom, &others, &mut hand)
    })
}

type Names = (Option<String>, Option<String>);
type Members = Vec<(String, Tree)>;

fn write_client_frame(
    ask: Ask,
    custom: Option<(Names, Members)>,
    others: &Members,
    hand: &mut Hand,
) -> (ClientFrame, String) {
    let (kind, mut payload) = match &ask {
        Ask::Join => ("REQUEST_POLY_AGENT_JOIN", vec![]),
        Ask::End => ("USER_END_SESSION", vec![]),
        Ask::Heartbeat => ("HEARTBEAT", vec![]),
        Ask::Message { text, .. } => {
            ("USER_MESSAGE", vec![("text".to_owned(), Tree::Text(text.to_string()))])
        }
        Ask::Typing(TypingState::Started) => ("USER_TYPING", typing("STARTED")),
        Ask::Typing(TypingState::Stopped) => ("USER_TYPING", typing("STOPPED")),
    };
    payload.splice(0..0, others.clone());
    let (mut key, mut sent) = (None, None);
    let mut members = vec![(String::from("payload"), written(hand, &Tree::Object(payload)))];
    if let Some(((local_id, client_event_id), mut custom)) = custom {
        key = client_event_id.clone().map(|it| MessageKey::ClientEvent(it.into()));
        key = local_id.clone().map(|it| MessageKey::Local(it.into())).or(key);
        let client_event_id = client_event_id.map(|it| ("client_event_id".into(), Tree::Text(it)));
        custom.extend(client_event_id);
        custom.extend(local_id.map(|it| ("local_id".into(), Tree::Text(it))));
        let custom = written(hand, &Tree::Object(custom));
        let mut metadata = String::new();
        hand.object(
            &mut metadata,
            &[("x".into(), "[1]".into()), ("custom".into(), custom.clone())],
        );
        members.push(("metadata".into(), metadata));
        sent = Some(Json(custom.into()));
    }
    members.push(("type".into(), written(hand, &Tree::Text(format!("EVENT_TYPE_{kind}")))));
    members.extend([("id".into(), "\"own\"".into()), ("sequence".into(), "7".into())]);
    for (name, value) in others {
        members.push((format!("x{name}"), written(hand, value)));
    }
    let turn = hand.below(members.len());
    members.rotate_left(turn);
    let mut text = String::new();
    hand.space(&mut text);
    hand.object(&mut text, &members);
    hand.space(&mut text);
    let ask = match ask {
        Ask::Message { text, .. } => Ask::Message { text, key },
        other => other,
    };
    (ClientFrame { ask, custom: sent }, text)
}

fn typing(state: &str) -> Members {
    vec![("state".to_owned(), Tree::Text(format!("TYPING_STATE_{state}")))]
}

fn written(hand: &mut Hand, tree: &Tree) -> String {
    let mut out = String::new();
    hand.tree(&mut out, tree);
    out
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        1 => Just(Ask::Join),
        1 => Just(Ask::End),
        1 => Just(Ask::Heartbeat),
        1 => Just(Ask::Typing(TypingState::Started)),
        1 => Just(Ask::Typing(TypingState::Stopped)),
        5 => not_blank().prop_map(|text| Ask::Message { text: text.into(), key: None }),
    ]
}

/// Any entry of a log.
pub(super) fn entry() -> impl Strategy<Value = Entry> {
    (any::<u128>(), 1..u64::MAX, 1..(1_u64 << 31), any::<u64>(), event()).prop_map(
        |(id, position, reached, at, event)| Entry {
            id: EntryId(id),
            position: Position(position),
            reached: Sequence(reached),
            at,
            event,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let custom = || option::of(custom());
    let id = || any::<u128>().prop_map(MessageId);
    let token = Position(3);
    prop_oneof![
        any::<bool>().prop_map(|it| Event::SessionStarted { facts: facts(it) }),
        custom().prop_map(|custom| Event::JoinRequested { run_at: 1, custom }),
        bot().prop_map(|bot| Event::BotJoined { bot, why: TurnReason::Join }),
        (id(), not_blank(), custom()).prop_map(|(message_id, text, custom)| {
            let text = text.into();
            Event::UserMessagePosted { message_id, text, key: None, custom }
        }),
        Just(Event::TurnStarted { turn: Turn(1), attempt: AttemptId(1), input_to: Position(2) }),
        Just(Event::TurnEnded { turn: Turn(1), outcome: TurnOutcome::Finished }),
        (id(), text(), extras(), vec(call_action(), 0..3), bot()).prop_map(
            move |(message_id, text, extras, call_actions, bot)| {
                Event::BotMessagePosted { token, message_id, text, extras, call_actions, bot }
            }
        ),
        (id(), 1..=u32::MAX, text(), extras(), any::<bool>()).prop_map(
            move |(message_id, index, text, extras, is_complete)| {
                Event::BotChunkPosted { token, message_id, index, text, extras, is_complete }
            }
        ),
        text().prop_map(move |language_code| Event::LanguageChanged { token, language_code }),
        Just(Event::HandoffTriggered),
        (hand_off_reason(), option::of(text())).prop_map(|(reason, destination)| {
            Event::ClientHandoffRequired { reason, destination }
        }),
        option::of(text()).prop_map(|reason| Event::BotLeft { reason }),
        option::of(text()).prop_map(|reason| Event::HandoffFailed { reason }),
        (level(), notice()).prop_map(|(level, notice)| Event::NoticePosted { level, notice }),
        custom().prop_map(|custom| Event::EndRequested { custom }),
        end_reason().prop_map(|reason| Event::SessionEnded { reason }),
    ]
}

fn facts(streaming: bool) -> Arc<Facts> {
    Arc::new(Facts {
        connector: ConnectorId("demo".into()),
        token: TokenId("jti".into()),
        expires_at: 1,
        streaming,
        platform: "web".into(),
        device_type: None,
        user_agent: None,
        language: None,
        variant_id: None,
        integration_attributes: None,
    })
}

fn bot() -> impl Strategy<Value = BotProfile> {
    (text(), prop_oneof![Just(String::new()), url()])
        .prop_map(|(name, avatar_url)| BotProfile { name, avatar_url })
}

fn extras() -> impl Strategy<Value = Extras> {
    let content_type = prop::sample::select(vec![ContentType::Url, ContentType::Image]);
    let attachment = (text(), option::of(url()), url(), content_type, option::of(text())).prop_map(
        |(title, preview_image_url, content_url, content_type, call_to_action_text)| Attachment {
            title,
            preview_image_url,
            content_url,
            content_type,
            call_to_action_text,
        },
    );
    let suggestion = (text(), option::of(text()))
        .prop_map(|(message_text, payload)| Suggestion { message_text, payload });
    (vec(attachment, 0..3), vec(suggestion, 0..3))
        .prop_map(|(attachments, suggestions)| Extras { attachments, suggestions })
}

fn call_action() -> impl Strategy<Value = CallAction> {
    (text(), text()).prop_map(|(title, contact_number)| CallAction { title, contact_number })
}

fn hand_off_reason() -> impl Strategy<Value = HandOffReason> {
    use HandOffReason::{AgentDecision, ComplexQuery, Policy};
    prop::sample::select(vec![ComplexQuery, AgentDecision, Policy])
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(vec![Level::Info, Level::Warning, Level::Error])
}

fn notice() -> impl Strategy<Value = Notice> {
    prop::sample::select(vec![
        Notice::HighLoad,
        Notice::UnableToStart,
        Notice::TroubleResponding,
        Notice::EncounteredError,
        Notice::HandoffNotInitiated,
        Notice::TurnsUsedUp,
    ])
}

fn end_reason() -> impl Strategy<Value = EndReason> {
    use EndReason::{NaturalEnd, Revoked, UserAbandoned, UserEnd};
    prop::sample::select(vec![UserEnd, UserAbandoned, NaturalEnd, Revoked])
}
