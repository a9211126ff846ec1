//! The limits that are measured in the same run: what the machine gives without a server.

pub mod bare_echo;
pub mod disk;
pub mod entries;
pub mod plain_file;
pub mod store;
