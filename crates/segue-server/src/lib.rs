//! x

pub mod limits;
