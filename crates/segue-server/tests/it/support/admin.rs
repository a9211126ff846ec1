//! The admin API with a key.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Answer, Request, Running, Setup};

/// Somebody with a key.
#[derive(Clone)]
pub struct Admin {
    address: SocketAddr,
    /// The whole key.
    pub key: String,
}

impl Admin {
    /// With the key that a server makes at its first start; it has to keep its log on disk.
    pub fn of(setup: &Setup, server: &Running) -> Self {
        let path = setup.folder().unwrap().join("admin-key");
        Self { address: server.address(), key: std::fs::read_to_string(path).unwrap() }
    }

    /// With a key, on a server.
    pub fn at(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned() }
    }

    /// With another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { address: self.address, key: key.to_owned() }
    }

    /// With a key that is made for it.
    pub async fn with_new_key(&self, wanted: Value) -> Self {
        let made = self.post("/admin/v1/keys", wanted).await;
        self.with_key(made["key"].as_str().unwrap())
    }

    /// With a key of these scopes, for these connectors only.
    pub async fn limited(&self, scopes: &[&str], connectors: &[&str]) -> Self {
        let wanted = json!({"name": "limited", "scopes": scopes, "connectors": connectors});
        self.with_new_key(wanted).await
    }

    /// The public part of the key.
    pub fn key_id(&self) -> &str {
        self.key.split('_').nth(1).unwrap()
    }

    /// A request to be filled and sent.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
            .header("Authorization", format!("Bearer {}", self.key))
    }

    /// What is there.
    pub async fn get(&self, path: &str) -> Value {
        done(&self.request("GET", path).send().await)
    }

    /// What becomes of a change.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        done(&self.request("POST", path).json(&body).send().await)
    }

    /// What is left after a deletion.
    pub async fn delete(&self, path: &str) -> Value {
        done(&self.request("DELETE", path).send().await)
    }

    /// What becomes of a part that is changed.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        done(&self.request("PATCH", path).json(&body).send().await)
    }

    /// Status and code of a refusal.
    pub async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let answer = self.request(method, path).json(&body).send().await;
        (answer.status, answer.json()["code"].as_str().unwrap_or("").to_owned())
    }
}

fn done(answer: &Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.json()
}
