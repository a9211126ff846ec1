//! What one sync of the disk costs: 4 KiB written over and over, synced each time.

use std::{
    fs::File, io::Write as _, os::unix::fs::FileExt as _, path::Path, sync::Arc, time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    contest::Contender,
    limits,
    sample::{Latencies, Sample},
    usage::Cpu,
};

/// The disk under a folder.
#[derive(Debug)]
pub struct Disk {
    file: Arc<File>,
    _folder: TempDir,
}

impl Disk {
    /// The disk under `parent`. Makes a file that is there from its beginning to its end, as a
    /// write-ahead log is once it was written.
    pub fn open(parent: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("segue-load-").tempdir_in(parent)?;
        let mut file = File::create_new(folder.path().join("disk"))?;
        file.write_all(&vec![1; limits::LOAD_DISK_FILE_BYTES])?;
        file.sync_all()?;
        Ok(Self { file: Arc::new(file), _folder: folder })
    }
}

fn write(file: &File, time: Duration) -> anyhow::Result<Sample> {
    let before = Cpu::now(None)?;
    let latencies = Latencies::default();
    let bytes = [7; limits::LOAD_DISK_WRITE_BYTES];
    let places = (limits::LOAD_DISK_FILE_BYTES / limits::LOAD_DISK_WRITE_BYTES) as u64;
    let begin = Instant::now();
    let mut writes = 0;
    while begin.elapsed() < time {
        let sent = Instant::now();
        let place = writes % places * limits::LOAD_DISK_WRITE_BYTES as u64;
        file.write_all_at(&bytes, place)?;
        file.sync_data()?;
        latencies.note(sent.elapsed());
        writes += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Sample::new(writes, seconds, latencies.take(), Cpu::now(None)?.since(before)))
}

#[async_trait]
impl Contender for Disk {
    fn name(&self) -> String {
        "disk, 4 KiB synced".to_owned()
    }

    async fn measure(&mut self, time: Duration) -> anyhow::Result<Sample> {
        let file = Arc::clone(&self.file);
        tokio::task::spawn_blocking(move || write(&file, time)).await?
    }

    async fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
