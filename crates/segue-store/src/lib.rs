//! The log of every session, in memory and in SQLite: how it is kept, and no rule of what may be in
//! it.

mod commit;
pub mod limits;
mod memory;
mod open_error;
mod sqlite;

pub use commit::user_of;
pub use memory::MemoryStore;
pub use open_error::OpenError;
pub use sqlite::{
    Durability, FileFault, Group, Hooks, IndexPace, OnGroup, SqliteOptions, SqliteStore,
    check_copy, copy_database, database_files, lock_folder,
};
