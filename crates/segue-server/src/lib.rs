//! x

pub mod config;
pub mod http;
pub mod limits;
