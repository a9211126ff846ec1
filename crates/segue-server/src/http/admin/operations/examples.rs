//! Answers as the document shows them. A test holds them against the schemas.

use serde_json::{Value, json};

pub const SESSION: &str = "0f4c1a86-0c5c-4b0e-9a57-f1f1c8a3d2e4";
pub const CONNECTOR: &str = "shop";
pub const KEY_ID: &str = "0123456789abcdef";

/// A connector in a list.
pub fn connector() -> Value {
    json!({
        "id": CONNECTOR, "source": "stored", "state": "active", "bot": "ada",
        "hosts": ["shop.example.com"], "apps": [], "handoff": "none", "account": "acme",
        "project": "", "labels": ["hall"], "server_only": false, "limits": {"idle_seconds": 900},
    })
}

/// A connector by itself.
pub fn connector_with_token(overlap_seconds: Option<u64>) -> Value {
    let mut it = connector();
    it["token"] = json!("sgc_7f4d1c0a2b9e4e6f8a3b5c7d9e1f2a4b");
    if let Some(seconds) = overlap_seconds {
        it["overlap_seconds"] = json!(seconds);
    }
    it
}

/// A session in a list.
pub fn session() -> Value {
    json!({
        "session_id": SESSION, "connector": CONNECTOR, "state": "ended", "end_reason": "user_end",
        "created_at": "2026-05-07T12:00:00.123Z", "last_event_at": "2026-05-07T12:03:10.005Z",
        "last_seen_at": "2026-05-07T12:03:10.001Z", "ended_at": "2026-05-07T12:03:10.005Z",
        "user_id": "ann", "platform": "web", "language": "en", "streaming": true, "turns": 2,
        "sequence": 9, "position": 15,
    })
}

/// A session by itself.
pub fn session_detail() -> Value {
    let mut it = session();
    it["expires_at"] = json!("2026-05-08T11:00:00.123Z");
    it["device_type"] = json!("desktop");
    it["user_agent"] = Value::Null;
    it["variant_id"] = Value::Null;
    it["integration_attributes"] = json!({"user_id": "ann", "plan": "gold"});
    it["connections"] = json!(0);
    it
}

/// An entry of a log.
pub fn entry() -> Value {
    json!({
        "id": "5b1f0d9c-3a57-4b8e-8f0e-2b9a7c6d5e41", "position": 1, "sequence": null,
        "internal": true, "timestamp": "2026-05-07T12:00:05.000Z",
        "event": {"is": "turn_started", "turn": 1},
    })
}

/// A proof.
pub fn deletion() -> Value {
    json!({
        "session_id": SESSION, "connector": CONNECTOR, "created_at": "2026-05-07T12:00:00.123Z",
        "deleted_at": "2026-06-01T08:00:00.000Z", "deleted_by": "reports (0123456789abcdef)",
        "entries": 15, "digest": "9b".repeat(32),
    })
}

/// A key in a list.
pub fn key() -> Value {
    json!({
        "id": KEY_ID, "name": "reports", "state": "valid", "scopes": ["sessions:read"],
        "connectors": [CONNECTOR], "made_at": "2026-05-07T12:00:00.000Z",
        "made_by": "this machine", "expires_at": "2026-08-05T12:00:00.000Z", "revoked_at": null,
        "last_used_at": null,
    })
}

/// A key, the one time that it is told.
pub fn key_made() -> Value {
    let mut it = key();
    it["key"] = json!(format!("sgk_{KEY_ID}_…"));
    it
}

/// Names of keys.
pub fn signing_keys() -> Value {
    json!({"signs": "k2", "verify": ["k1", "k2"]})
}

/// Limits in force.
pub fn limits() -> Value {
    json!({
        "limits": [{
            "name": "idle_seconds", "value": 900, "default": 660, "min": 1, "max": 85_500,
            "about": "A session without a text frame from any of its connections ends after this long.",
            "per_connector": true, "from": "file", "line": 12,
        }],
        "connectors": {CONNECTOR: [{"name": "idle_seconds", "value": 1_200, "from": "api"}]},
    })
}

/// Settings.
pub fn settings() -> Value {
    json!({"settings": [
        {"name": "server.listen", "value": "127.0.0.1:8080", "from": "default"},
        {
            "name": "connectors.shop.token", "value": "***", "from": "environment",
            "variable": "SEGUE_CONNECTORS_SHOP_TOKEN",
        },
    ]})
}
