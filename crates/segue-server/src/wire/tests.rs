//! Frames to the letter, then properties over everything that can come in or go out.

use segue_core::{EntryId, Timestamp};

mod arbitrary;
mod decode;
mod errors;
mod frames;
mod fuzz;
mod oracle;
mod properties;
pub(super) mod samples;
mod texts;
mod times;

pub(super) const ID: EntryId = EntryId(0x0193_4b2e_7c00_7abc_8def_0123_4567_89ab);
pub(super) const AT: Timestamp = 1_778_155_200_123;
