//! The admin API, `/admin/v1` (docs/admin.md). One file per resource. The table below is all there
//! is: method, path, and the scope that a key needs.

use std::sync::Arc;

use axum::{
    Router,
    http::Method,
    middleware,
    routing::{self as on, MethodRouter},
};

use super::App;
use crate::api_keys::Scope;

mod ask;
mod caller;
mod connectors;
mod deletions;
mod ending;
mod error;
mod export;
mod keys;
#[cfg(test)]
pub(crate) mod operations;
mod sessions;
mod settings;
mod signing_keys;
#[cfg(test)]
mod tests;

pub use caller::{Failures, OnThisMachine};
use caller::{Guard, guard};
pub use error::CODES;

/// What all paths of this API begin with.
pub const PREFIX: &str = "/admin/v1";

/// A route of the admin API.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with names in braces.
    pub path: &'static str,
    /// The scope that a key needs.
    pub scope: Scope,
    handler: MethodRouter<Arc<App>>,
}

/// Every route.
pub fn routes() -> Vec<Route> {
    use Scope::{
        ConfigRead, ConnectorsRead, ConnectorsWrite, KeysRead, KeysWrite, SessionsRead,
        SessionsWrite,
    };
    let get = |path, scope, handler| Route { method: Method::GET, path, scope, handler };
    let post = |path, scope, handler| Route { method: Method::POST, path, scope, handler };
    let patch = |path, scope, handler| Route { method: Method::PATCH, path, scope, handler };
    let delete = |path, scope, handler| Route { method: Method::DELETE, path, scope, handler };
    vec![
        get("/admin/v1/connectors", ConnectorsRead, on::get(connectors::list)),
        post("/admin/v1/connectors", ConnectorsWrite, on::post(connectors::create)),
        get("/admin/v1/connectors/{id}", ConnectorsRead, on::get(connectors::show)),
        patch("/admin/v1/connectors/{id}", ConnectorsWrite, on::patch(connectors::update)),
        post("/admin/v1/connectors/{id}/rotate", ConnectorsWrite, on::post(connectors::rotate)),
        post("/admin/v1/connectors/{id}/disable", ConnectorsWrite, on::post(connectors::disable)),
        post("/admin/v1/connectors/{id}/enable", ConnectorsWrite, on::post(connectors::enable)),
        post("/admin/v1/connectors/{id}/revoke", ConnectorsWrite, on::post(connectors::revoke)),
        get("/admin/v1/sessions", SessionsRead, on::get(sessions::list)),
        get("/admin/v1/sessions/{id}", SessionsRead, on::get(sessions::show)),
        get("/admin/v1/sessions/{id}/entries", SessionsRead, on::get(sessions::entries)),
        get("/admin/v1/sessions/{id}/export", SessionsRead, on::get(export::export)),
        post("/admin/v1/sessions/{id}/revoke", SessionsWrite, on::post(ending::revoke)),
        delete("/admin/v1/sessions/{id}", SessionsWrite, on::delete(ending::delete)),
        delete("/admin/v1/sessions", SessionsWrite, on::delete(ending::delete_of_user)),
        get("/admin/v1/deletions/{id}", SessionsRead, on::get(deletions::show)),
        get("/admin/v1/keys", KeysRead, on::get(keys::list)),
        post("/admin/v1/keys", KeysWrite, on::post(keys::create)),
        get("/admin/v1/keys/{id}", KeysRead, on::get(keys::show)),
        post("/admin/v1/keys/{id}/revoke", KeysWrite, on::post(keys::revoke)),
        get("/admin/v1/signing-keys", KeysRead, on::get(signing_keys::list)),
        post("/admin/v1/signing-keys/rotate", KeysWrite, on::post(signing_keys::rotate)),
        get("/admin/v1/limits", ConfigRead, on::get(settings::limits)),
        get("/admin/v1/config", ConfigRead, on::get(settings::config)),
    ]
}

/// All of them, each behind the check of its scope.
pub fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let mut router = Router::new();
    for Route { scope, path, handler, .. } in routes() {
        let before = Guard { app: Arc::clone(app), scope };
        let guarded = handler.route_layer(middleware::from_fn_with_state(before, guard));
        router = router.route(path, guarded);
    }
    router
}
