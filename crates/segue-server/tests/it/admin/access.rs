//! Who gets at what: every route of the table, with every kind of key that must not do.

use segue_server::{
    api_keys::Scope,
    http::admin::{Route, routes},
};
use serde_json::{Value, json};

use crate::support::{Admin, Bot, SHOP_TOKEN, Session, Setup, within};

const OTHER: &str = "[[connectors]]\nid = \"other\"\ntoken = \"other-token-88\"\n\
    hosts = [\"tallow.example\"]\nbot = \"wick\"\n";

/// The things of the shop that paths may name.
struct Shop {
    session: Session,
    deleted: String,
    key: String,
}

impl Shop {
    /// The path of a route, with the shop's things in it.
    fn path(&self, route: &Route) -> String {
        let collection = route.path.trim_start_matches("/admin/v1/").split('/').next().unwrap();
        let name = match collection {
            "sessions" => &self.session.id,
            "deletions" => &self.deleted,
            "keys" => &self.key,
            "connectors" => "shop",
            "users" => "ann",
            _ => "none",
        };
        let mut path = String::new();
        let mut rest = route.path;
        while let Some((before, after)) = rest.split_once('{') {
            path = path + before + name;
            rest = after.split_once('}').unwrap().1;
        }
        path + rest
    }
}

async fn shop(setup: &Setup) -> (crate::support::Running, Admin, Shop) {
    let server = setup.start().await;
    let admin = Admin::of(setup, &server);
    let ann = json!({"integration_attributes": {"user_id": "ann"}});
    let session = server.session(ann).await;
    let deleted = server.session(json!({})).await.id;
    admin.delete(&format!("/admin/v1/sessions/{deleted}")).await;
    session.open_joined().await;
    let key = admin.limited(&["sessions:read"], &["shop"]).await.key_id().to_owned();
    (server, admin, Shop { session, deleted, key })
}

fn setup(bot: &Bot) -> Setup {
    Setup::new(bot).sqlite().limits("admin_failures_per_second = 0").also(OTHER)
}

/// All scopes but one, by their names.
fn scopes_without(scope: Scope) -> Vec<&'static str> {
    let others = Scope::ALL.into_iter().filter(|it| *it != Scope::Everything && *it != scope);
    others.map(Scope::name).collect()
}

async fn expired(admin: &Admin) -> Admin {
    let wanted = json!({"name": "short", "scopes": ["*"], "expires_in_seconds": 1});
    let short = admin.with_new_key(wanted).await;
    let path = format!("/admin/v1/keys/{}", short.key_id());
    let is_over = async {
        while admin.get(&path).await["state"] != "expired" {
            tokio::task::yield_now().await;
        }
    };
    within("a key to expire", is_over).await;
    short
}

async fn revoked(admin: &Admin) -> Admin {
    let key = admin.with_new_key(json!({"name": "gone", "scopes": ["*"]})).await;
    admin.post(&format!("/admin/v1/keys/{}/revoke", key.key_id()), json!({})).await;
    key
}

/// What the shop has, to see whether anything was changed.
async fn state(admin: &Admin, shop: &Shop) -> Value {
    let Shop { session, deleted, key } = shop;
    json!([
        admin.get(&format!("/admin/v1/sessions/{}/entries?limit=500", session.id)).await,
        admin.get(&format!("/admin/v1/deletions/{deleted}")).await,
        admin.get(&format!("/admin/v1/keys/{key}")).await["state"],
        admin.get("/admin/v1/connectors/shop").await,
        admin.get("/admin/v1/signing-keys").await,
    ])
}

#[tokio::test]
async fn no_route_answers_without_a_valid_key_of_its_scope() {
    let bot = Bot::start().await;
    let setup = setup(&bot);
    let (server, admin, shop) = shop(&setup).await;
    let before = state(&admin, &shop).await;
    let (expired, revoked) = (expired(&admin).await, revoked(&admin).await);
    let token = format!("Bearer {}", shop.session.token);
    // `sgk_`, 16 digits, `_`, and then the secret.
    let (public, secret) = admin.key.split_at(21);
    let another = if secret.starts_with('A') { 'B' } else { 'A' };
    let wrong_secret = format!("{public}{another}{}", &secret[1..]);
    for route in routes() {
        let path = shop.path(&route);
        let plain = server.request(route.method.as_str(), &path);
        let offered = [
            (None, "missing_key"),
            (Some(String::new()), "missing_key"),
            (Some(admin.key.clone()), "missing_key"),
            (Some(format!("Basic {}", admin.key)), "missing_key"),
            (Some("Bearer sgk_nonsense".to_owned()), "invalid_key"),
            (Some(format!("Bearer {wrong_secret}")), "invalid_key"),
            (Some(token.clone()), "invalid_key"),
            (Some(format!("Bearer {SHOP_TOKEN}")), "invalid_key"),
            (Some(format!("Bearer {}", expired.key)), "expired_key"),
            (Some(format!("Bearer {}", revoked.key)), "revoked_key"),
        ];
        for (offered, code) in offered {
            let request = match &offered {
                Some(offered) => plain.clone().header("Authorization", offered),
                None => plain.clone(),
            };
            // Nor does what opens the hand-shake open anything here.
            let request = request.header("X-Token", SHOP_TOKEN).header("X-Host", "tallow.example");
            let answer = request.send().await;
            let seen = (answer.status, answer.json()["code"].clone());
            assert_eq!(seen, (401, json!(code)), "{} {path} with {offered:?}", route.method);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let unfit = admin
            .with_new_key(json!({"name": "unfit", "scopes": scopes_without(route.scope)}))
            .await;
        let refused = unfit.refused(route.method.as_str(), &path, json!({})).await;
        assert_eq!(refused, (403, "missing_scope".to_owned()), "{} {path}", route.method);
    }
    assert_eq!(state(&admin, &shop).await, before);
    server.stop().await;
}

#[tokio::test]
async fn no_route_gives_anything_of_another_connector() {
    let bot = Bot::start().await;
    let setup = setup(&bot);
    let (server, admin, shop) = shop(&setup).await;
    let before = state(&admin, &shop).await;
    let other = admin.limited(&["*"], &["other"]).await;
    let secrets = [&shop.session.id, &shop.deleted, &shop.key];
    for route in routes() {
        let path = shop.path(&route);
        let answer = other.request(route.method.as_str(), &path).send().await;
        let body = String::from_utf8(answer.body.clone()).unwrap();
        let names_it = route.path.contains('{');
        if names_it {
            // To the letter what is said of something that never was.
            let nothing = shop.nothing(&route);
            let unknown = other.request(route.method.as_str(), &nothing).send().await;
            let without_id = |text: &[u8]| {
                let mut body: Value = serde_json::from_slice(text).unwrap();
                body.as_object_mut().unwrap().remove("correlation_id");
                body
            };
            assert_eq!(answer.status, 404, "{} {path}: {body}", route.method);
            assert_eq!(unknown.status, 404, "{} {nothing}", route.method);
            assert_eq!(without_id(&answer.body), without_id(&unknown.body));
        }
        for secret in secrets {
            assert!(!body.contains(secret), "{} {path}: {body}", route.method);
        }
        assert!(!body.contains("\"shop\"") && !body.contains("connectors.shop"), "{path}: {body}");
    }
    assert_eq!(state(&admin, &shop).await, before);
    server.stop().await;
}

impl Shop {
    /// The same path, for something that never was.
    fn nothing(&self, route: &Route) -> String {
        let nobody = Shop {
            session: Session {
                id: "01934b2e-7c00-7abc-8def-0123456789ab".to_owned(),
                ..self.session.clone()
            },
            deleted: "01934b2e-7c00-7abc-8def-0123456789ab".to_owned(),
            key: "0123456789abcdef".to_owned(),
        };
        nobody.path(route).replace("/shop", "/nothing")
    }
}

#[tokio::test]
async fn failures_are_limited_and_do_not_lock_valid_keys_out() {
    let bot = Bot::start().await;
    let setup =
        Setup::new(&bot).sqlite().limits("admin_failures_per_second = 1\nadmin_failures_burst = 3");
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let nobody = admin.with_key("sgk_nonsense");
    let failing = async {
        loop {
            let answer = nobody.request("GET", "/admin/v1/sessions").send().await;
            if answer.status == 429 {
                let text = "Too many requests without a valid key";
                answer.expect_refusal(429, text, "rate_limited");
                break;
            }
            answer.expect_refusal(401, "This is no key of this server", "invalid_key");
        }
    };
    within("a limit of failures", failing).await;
    admin.get("/admin/v1/sessions").await;
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_get_nothing_from_the_admin_api() {
    let bot = Bot::start().await;
    let setup = setup(&bot);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let origin = "https://tallow.example";
    let preflight = server
        .request("OPTIONS", "/admin/v1/sessions")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
        .send()
        .await;
    assert_eq!(preflight.status, 405, "{preflight:?}");
    let answer = admin.request("GET", "/admin/v1/sessions").header("Origin", origin).send().await;
    for answer in [preflight, answer] {
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    }
    server.stop().await;
}
