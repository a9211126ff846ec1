//! Backups: a copy of everything in the data folder that a server needs to go on, with a manifest
//! that tells whether it is whole; and the way back. Nothing is ever deleted that somebody else has
//! made (docs/adr/0027-backup-by-vacuum.md).

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use segue_core::Timestamp;
use segue_store::{check_copy, copy_database};

use crate::{api_keys::ADMIN_KEY_FILE, http::jwt, secrets, server::DEMO_TOKEN_FILE};

mod manifest;
mod restore;
#[cfg(test)]
mod tests;

pub use manifest::{Kept, Manifest};
pub use restore::{Occupied, Restored, refuse_unfinished, restore};

/// The name of the database in a backup, whatever it is called in the data folder.
pub const DATABASE: &str = "segue.db";

/// What else of the data folder is kept, where it is there: keys and tokens, without which
/// conversations are lost to their users and secrets to the server.
pub const BESIDE: [&str; 4] = [jwt::KEY_FILE, secrets::KEY_FILE, DEMO_TOKEN_FILE, ADMIN_KEY_FILE];

/// What stands in the way of what was asked for: whoever asks has to say more.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// Something is in the folder that a backup should go into.
    #[error("{} is there and not empty; a backup goes into a folder of its own", .0.display())]
    NotEmpty(PathBuf),
    /// A restore would be put over what is there.
    #[error("there is {0} in the data folder already; --force moves aside what is there")]
    Occupied(String),
}

/// There is no backup of this name.
#[derive(Debug, thiserror::Error)]
#[error("{} is not a backup, or one that was never finished: there is no {} in it", .0.display(), manifest::FILE)]
pub struct NoBackup(PathBuf);

/// Makes a backup of this database, and of the files beside it, in a folder that is new or empty; a
/// server may be at work on it. What was acknowledged before the call is in it. Where it fails it
/// leaves nothing behind. Blocks for as long as all of it takes to be read, written and checked.
pub fn make(
    database: &Path,
    target: &Path,
    now: impl Fn() -> Timestamp,
) -> anyhow::Result<Manifest> {
    let is_new = make_target(target)?;
    let made = fill(database, target, now);
    if made.is_err() {
        let names = [DATABASE, manifest::FILE].into_iter().chain(BESIDE);
        // It was empty. What cannot be removed has no manifest, and so is no backup.
        names.for_each(|it| drop(fs::remove_file(target.join(it))));
        if is_new {
            let _ = fs::remove_dir(target);
        }
    }
    made
}

/// Whether the folder was not there. Its parent has to be: where a disk is not mounted, nothing
/// should go to another one unnoticed.
fn make_target(target: &Path) -> anyhow::Result<bool> {
    let named = || format!("cannot make the folder {}", target.display());
    match make_folder(target) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(named),
    }
    let mut inside = fs::read_dir(target).with_context(named)?;
    if inside.next().is_some() {
        return Err(NotAsked::NotEmpty(target.to_owned()).into());
    }
    fs::set_permissions(target, fs::Permissions::from_mode(0o700)).with_context(named)?;
    Ok(false)
}

fn fill(database: &Path, target: &Path, now: impl Fn() -> Timestamp) -> anyhow::Result<Manifest> {
    let began_at = now();
    copy_database(database, &target.join(DATABASE))?;
    let mut names = vec![DATABASE];
    // After the database: a key that was made meanwhile is one too many, but one that is missing
    // would lose the conversations that were begun with it.
    for name in BESIDE {
        if copy_beside(&folder_of(database).join(name), &target.join(name))? {
            names.push(name);
        }
    }
    let schema_version = check_copy(&target.join(DATABASE))?;
    let manifest = Manifest::of(target, &names, schema_version, began_at, now())?;
    manifest.write(target)?;
    sync_folder(folder_of(target))?;
    Ok(manifest)
}

/// False where there is no such file.
fn copy_beside(from: &Path, to: &Path) -> anyhow::Result<bool> {
    match copy_private(from, to) {
        // The first start makes these files, and somebody may look at that moment.
        Ok(0) => bail!(
            "{} is empty; while a server starts for the first time, try again",
            from.display()
        ),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot copy {}", from.display())),
    }
}

/// Copies into a new file that nobody else may read, and syncs it. Returns its bytes.
fn copy_private(from: &Path, to: &Path) -> io::Result<u64> {
    let mut from = File::open(from)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let bytes = io::copy(&mut from, &mut to)?;
    to.sync_all()?;
    Ok(bytes)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    let synced = File::open(folder).and_then(|it| it.sync_all());
    synced.with_context(|| format!("cannot sync {}", folder.display()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
