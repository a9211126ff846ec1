//! The log of every session, in memory and in SQLite: how it is kept, and no rule of what may be in
//! it.

mod commit;
pub mod limits;
mod memory;
mod opened;
mod sqlite;

pub use commit::user_of;
pub use memory::MemoryStore;
pub use opened::{OpenError, Opened, open_url};
pub use sqlite::{Durability, Hooks, SqliteOptions, SqliteStore};
