//! The admin API (docs/admin.md): every route, whoever asks.

mod access;
mod keys;
mod sessions;
