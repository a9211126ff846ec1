//! The admin API, `/admin/v1` (docs/admin.md). One file per resource. The table below is all there
//! is: method, path, and the scope that a key needs.

use std::sync::Arc;

use axum::{
    Router,
    http::Method,
    middleware,
    routing::{MethodRouter, get, post},
};

use super::App;
use crate::api_keys::Scope;

mod ask;
mod caller;
mod deletions;
mod error;
mod export;
mod keys;
mod sessions;

pub use caller::{Failures, OnThisMachine};
use caller::{Guard, guard};

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
    let route = |method, path, scope, handler| Route { method, path, scope, handler };
    let read = |path, scope, handler| route(Method::GET, path, scope, handler);
    let write = |path, scope, handler| route(Method::POST, path, scope, handler);
    vec![
        read("/admin/v1/sessions", Scope::SessionsRead, get(sessions::list)),
        read("/admin/v1/sessions/{id}", Scope::SessionsRead, get(sessions::show)),
        read("/admin/v1/sessions/{id}/entries", Scope::SessionsRead, get(sessions::entries)),
        read("/admin/v1/sessions/{id}/export", Scope::SessionsRead, get(export::export)),
        read("/admin/v1/deletions/{id}", Scope::SessionsRead, get(deletions::show)),
        read("/admin/v1/keys", Scope::KeysRead, get(keys::list)),
        write("/admin/v1/keys", Scope::KeysWrite, post(keys::create)),
        read("/admin/v1/keys/{id}", Scope::KeysRead, get(keys::show)),
        write("/admin/v1/keys/{id}/revoke", Scope::KeysWrite, post(keys::revoke)),
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
