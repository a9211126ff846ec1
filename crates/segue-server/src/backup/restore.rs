//! The way back. A backup is looked at completely, then copied beside what is there, and only then
//! put in its place by renaming: whatever fails before has changed nothing.
//!
//! Everything happens within the data folder, under its lock: it may be a mount, or lie in a folder
//! in which this user may not rename anything.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use segue_core::Timestamp;
use segue_store::{check_copy, database_files, lock_folder};

use super::{
    BESIDE, DATABASE, NotAsked, copy_private, folder_of, make_folder,
    manifest::{FILE, Manifest},
    sync_folder,
};
use crate::wire;

/// Where the copies are until they are put in their place.
const STAGED: &str = "restore.staged";

/// There while the folder is neither the old one nor the new one: no server starts in it.
const UNFINISHED: &str = "restore.unfinished";

/// What is to become of a data folder that is in use already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// Nothing: the restore is refused.
    Refuse,
    /// What is there goes into a folder of its own, within the data folder.
    MoveAside,
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// Of the backup.
    pub manifest: Manifest,
    /// Where that is which was there before.
    pub aside: Option<PathBuf>,
}

/// Puts a backup into the folder of this database, which must be no server's. The next server there
/// goes on where the backup was made. Blocks for as long as it takes to read the backup four times
/// and to write it once.
pub fn restore(
    backup: &Path,
    database: &Path,
    occupied: Occupied,
    now: Timestamp,
) -> anyhow::Result<Restored> {
    let manifest = Manifest::read(backup)?;
    manifest.verify(backup)?;
    let version = check_copy(&backup.join(DATABASE))?;
    ensure!(
        version == manifest.schema_version,
        "{} is damaged: the schema of the database is {version} and not {}",
        backup.join(FILE).display(),
        manifest.schema_version
    );

    let folder = folder_of(database);
    let _lock = lock_folder(database)?;
    let there = what_is_there(database);
    if occupied == Occupied::Refuse && !there.is_empty() {
        return Err(NotAsked::Occupied(names(&there)).into());
    }
    let staged = stage(backup, &manifest, folder)?;
    let aside = if there.is_empty() { None } else { Some(aside_of(folder, now)) };
    put_in_place(&manifest, &staged, database, &there, aside.as_deref()).with_context(|| {
        format!(
            "the restore into {} stopped half way, and no server will start there: run it again \
             with --force; nothing was deleted",
            folder.display()
        )
    })?;
    Ok(Restored { manifest, aside })
}

/// Refuses a data folder in which a restore has stopped half way: a server would begin an empty
/// database, and every client would be told that its conversation is gone.
pub fn refuse_unfinished(folder: &Path) -> anyhow::Result<()> {
    ensure!(
        !folder.join(UNFINISHED).exists(),
        "a restore into {} stopped half way: run `segue restore --force` again; what was there before \
         is in a folder before-restore-… within it",
        folder.display()
    );
    Ok(())
}

/// The files of a server that are in this folder.
fn what_is_there(database: &Path) -> Vec<PathBuf> {
    let beside = BESIDE.map(|name| folder_of(database).join(name));
    let all = database_files(database).into_iter().chain(beside);
    all.filter(|it| it.symlink_metadata().is_ok()).collect()
}

fn names(paths: &[PathBuf]) -> String {
    let names = paths.iter().filter_map(|it| it.file_name());
    names.map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(", ")
}

/// A name that no restore before had.
fn aside_of(folder: &Path, now: Timestamp) -> PathBuf {
    let time = wire::timestamp(now).replace(['-', ':', '.'], "");
    folder.join(format!("before-restore-{time}"))
}

/// Copies the backup into a folder beside what is there, and sees to it that the copies are right.
fn stage(backup: &Path, manifest: &Manifest, folder: &Path) -> anyhow::Result<PathBuf> {
    let staged = folder.join(STAGED);
    let named = || format!("cannot copy into {}", staged.display());
    // Copies of a restore that was killed.
    match fs::remove_dir_all(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(named);
        }
        _ => {}
    }
    let copied = (|| {
        make_folder(&staged).with_context(named)?;
        for kept in &manifest.files {
            let (from, to) = (backup.join(&kept.name), staged.join(&kept.name));
            copy_private(&from, &to).with_context(named)?;
        }
        sync_folder(&staged)?;
        manifest.verify(&staged)
    })();
    if let Err(error) = copied {
        let _ = fs::remove_dir_all(&staged);
        return Err(error);
    }
    Ok(staged)
}

fn put_in_place(
    manifest: &Manifest,
    staged: &Path,
    database: &Path,
    there: &[PathBuf],
    aside: Option<&Path>,
) -> anyhow::Result<()> {
    let folder = folder_of(database);
    let unfinished = folder.join(UNFINISHED);
    File::create(&unfinished).and_then(|it| it.sync_all())?;
    sync_folder(folder)?;
    if let Some(aside) = aside {
        make_folder(aside).with_context(|| format!("cannot make {}", aside.display()))?;
        for path in there {
            let name = path.file_name().context("it was found by its name")?;
            fs::rename(path, aside.join(name))?;
        }
        sync_folder(aside)?;
    }
    for kept in &manifest.files {
        let target = match kept.name.as_str() {
            DATABASE => database.to_owned(),
            beside => folder.join(beside),
        };
        fs::rename(staged.join(&kept.name), target)?;
    }
    fs::remove_dir(staged)?;
    sync_folder(folder)?;
    fs::remove_file(&unfinished)?;
    sync_folder(folder)
}
