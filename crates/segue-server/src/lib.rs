//! x

pub mod bot;
