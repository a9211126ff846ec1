//! The admin API (docs/admin.md): every route, whoever asks.

mod access;
mod connectors;
mod ending;
mod keys;
mod refusals;
mod sessions;
mod settings;
