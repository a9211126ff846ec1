//! What every store must do. A method of `Store` without a case here does not exist.

pub mod alive;
pub mod append;
pub mod archive;
pub mod claims;
pub mod jobs;
pub mod list;
pub mod messages;
pub mod read;
