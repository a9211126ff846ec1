//! What a backup says of itself. It is written last: a backup without it was never finished.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, ensure};
use segue_core::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BESIDE, DATABASE, NoBackup, sync_folder};
use crate::{limits::MANIFEST_BYTES_MAX, wire};

/// Its name in the backup.
pub const FILE: &str = "manifest.json";

/// What it is called until it is whole.
const UNFINISHED: &str = "manifest.json.unfinished";

/// The form of backups that this program makes and reads.
const FORMAT: u64 = 1;

/// What a backup is and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the backup.
    pub format: u64,
    /// Which program made it.
    pub program: String,
    /// RFC 3339. What was acknowledged before is in it.
    pub began_at: String,
    /// RFC 3339. What happened after is not in it.
    pub finished_at: String,
    /// Of the database.
    pub schema_version: i64,
    /// Everything but the manifest, the database first.
    pub files: Vec<Kept>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The digest of all of it, in hexadecimal.
    pub sha256: String,
}

/// What every form of manifest has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

impl Manifest {
    /// Of these files, which are in the folder.
    pub(super) fn of(
        folder: &Path,
        names: &[&str],
        schema_version: i64,
        began_at: Timestamp,
        finished_at: Timestamp,
    ) -> anyhow::Result<Self> {
        let files = names.iter().map(|name| Kept::of(folder, name)).collect::<Result<_, _>>()?;
        Ok(Self {
            format: FORMAT,
            program: concat!("segue ", env!("CARGO_PKG_VERSION")).to_owned(),
            began_at: wire::timestamp(began_at),
            finished_at: wire::timestamp(finished_at),
            schema_version,
            files,
        })
    }

    /// How many bytes the files have together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|it| it.bytes).sum()
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).context("a manifest is JSON")?;
        text.push(b'\n');
        let unfinished = folder.join(UNFINISHED);
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&unfinished, folder.join(FILE))
        };
        if let Err(error) = write() {
            let _ = fs::remove_file(&unfinished);
            return Err(error).with_context(|| format!("cannot write {}", unfinished.display()));
        }
        sync_folder(folder)
    }

    /// The manifest of this backup, as far as it can be judged by itself.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(NoBackup(folder.to_owned()).into());
            }
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let mut text = Vec::new();
        file.take(MANIFEST_BYTES_MAX)
            .read_to_end(&mut text)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let damaged = || format!("{} is damaged", path.display());
        // The number first: another form may have anything else.
        let AnyFormat { format } = serde_json::from_slice(&text).with_context(damaged)?;
        ensure!(
            format == FORMAT,
            "{} is a backup of format {format}, this program knows format {FORMAT}: use the version \
             of Segue that made it",
            folder.display()
        );
        let manifest: Self = serde_json::from_slice(&text).with_context(damaged)?;
        manifest.check_names().with_context(damaged)?;
        Ok(manifest)
    }

    /// Only names that a backup has: what it says is put into the data folder.
    fn check_names(&self) -> anyhow::Result<()> {
        let mut names = BTreeSet::new();
        for Kept { name, .. } in &self.files {
            let is_known = name == DATABASE || BESIDE.contains(&name.as_str());
            ensure!(is_known, "{name:?} is no file of a backup");
            ensure!(names.insert(name), "{name} is in it twice");
        }
        ensure!(names.contains(&DATABASE.to_owned()), "there is no {DATABASE} in it");
        Ok(())
    }

    /// Reads every file and compares it with what it should be.
    pub fn verify(&self, folder: &Path) -> anyhow::Result<()> {
        for kept in &self.files {
            let found = Kept::of(folder, &kept.name)?;
            let path = folder.join(&kept.name);
            ensure!(
                found.bytes == kept.bytes,
                "{} is damaged: it has {} bytes and should have {}",
                path.display(),
                found.bytes,
                kept.bytes
            );
            ensure!(
                found.sha256 == kept.sha256,
                "{} is damaged: its SHA-256 is not that of the manifest",
                path.display()
            );
        }
        Ok(())
    }
}

impl Kept {
    fn of(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(name);
        let mut digest = Sha256::new();
        let bytes = File::open(&path)
            .and_then(|mut file| io::copy(&mut file, &mut digest))
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { name: name.to_owned(), bytes, sha256: format!("{:x}", digest.finalize()) })
    }
}
