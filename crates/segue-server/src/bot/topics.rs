//! The folders that bots take their topics from, watched while the server runs: what is changed
//! there is taken up whole or not at all. One task looks at all of them, and only at names, sizes
//! and times; files are read when something has changed (adr/0015).

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::knowledge::{Knowledge, TopicError, topic_files};
use crate::{limits, metrics::Metrics};

#[cfg(test)]
mod tests;

/// What a bot answers from, as of now. A turn takes it once and keeps it.
pub struct Topics(RwLock<Arc<Knowledge>>);

impl Topics {
    /// Topics, until others are put in their place.
    pub fn new(knowledge: Knowledge) -> Self {
        Self(RwLock::new(Arc::new(knowledge)))
    }

    /// The set of topics that is in force.
    pub fn now(&self) -> Arc<Knowledge> {
        Arc::clone(&self.0.read())
    }
}

/// What becomes of a folder that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// What is there now is in force.
    TakenUp,
    /// It cannot be used: what was in force stays. Told once for each fault.
    Refused,
}

impl Reload {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TakenUp, Self::Refused];

    /// As a label has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TakenUp => "taken_up",
            Self::Refused => "refused",
        }
    }
}

/// The folders of all bots, each once however many bots have it.
#[derive(Default)]
pub struct Folders(BTreeMap<PathBuf, Watched>);

impl Folders {
    /// The topics of a folder. From now on it is watched.
    pub fn open(&mut self, folder: &Path) -> Result<Arc<Topics>, TopicError> {
        if let Some(watched) = self.0.get(folder) {
            return Ok(Arc::clone(&watched.topics));
        }
        let watched = Watched::open(folder)?;
        let topics = Arc::clone(&watched.topics);
        self.0.insert(folder.to_owned(), watched);
        Ok(topics)
    }

    /// Looks at the folders again and again, until told to stop.
    pub async fn watch(self, stop: CancellationToken, metrics: Arc<Metrics>) {
        if self.0.is_empty() {
            return;
        }
        let mut watched: Vec<Watched> = self.0.into_values().collect();
        let mut ticks = time::interval(Duration::from_millis(limits::TOPICS_LOOK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let metrics = Arc::clone(&metrics);
            let look = tokio::task::spawn_blocking(move || {
                watched.iter_mut().filter_map(Watched::look).for_each(|it| metrics.reloaded(it));
                watched
            });
            // A disk that does not answer holds nobody up who wants to stop.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                looked = look => match looked {
                    Ok(back) => watched = back,
                    Err(error) => {
                        error!(%error, "topics are not watched any more, until a start");
                        return;
                    }
                }
            }
        }
    }
}

/// A folder, and what was last seen of it.
struct Watched {
    folder: PathBuf,
    topics: Arc<Topics>,
    /// What the files were like that are in force, or that were refused.
    done: Fingerprint,
    /// What they were like at the last look.
    last: Fingerprint,
    /// Looks in a row at which something had changed since the one before.
    restless: u32,
    /// What was wrong the last time, to be said once.
    problem: Option<String>,
}

/// Names, sizes and times of the files, or why they cannot be listed.
type Fingerprint = Result<Vec<(PathBuf, Option<Stamp>)>, String>;

/// What changes with a file: the first two when another takes its place, by a rename or by a link
/// that leads elsewhere; the last with everything that is done to it, even if its size and its
/// time of modification are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    fn open(folder: &Path) -> Result<Self, TopicError> {
        // First the fingerprint: what changes while the files are read differs from it.
        let seen = fingerprint(folder);
        let knowledge = Knowledge::from_dir(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            topics: Arc::new(Topics::new(knowledge)),
            done: seen.clone(),
            last: seen,
            restless: 0,
            problem: None,
        })
    }

    /// Looks once. What has changed is read when two looks saw the same, so that a folder in the
    /// middle of being written is left alone, and a file that is written twice within one tick of
    /// the file system's clock is seen as written last.
    fn look(&mut self) -> Option<Reload> {
        let seen = fingerprint(&self.folder);
        if seen == self.done {
            self.last = seen;
            self.restless = 0;
            return None;
        }
        let is_settled = seen == self.last;
        self.last.clone_from(&seen);
        if !is_settled && self.restless < limits::TOPICS_RESTLESS_LOOKS_MAX {
            self.restless += 1;
            return None;
        }
        let read = Knowledge::from_dir(&self.folder);
        if is_settled && fingerprint(&self.folder) != seen {
            // Some may have been read before the change and some after; the next look sees it.
            return None;
        }
        self.restless = 0;
        match read {
            Ok(knowledge) => {
                self.take_up(knowledge, seen);
                Some(Reload::TakenUp)
            }
            Err(error) => self.refuse(&error, seen),
        }
    }

    fn take_up(&mut self, knowledge: Knowledge, seen: Fingerprint) {
        let counts: Vec<String> = knowledge
            .languages()
            .map(|(language, count)| format!("{count} in {language}"))
            .collect();
        let (folder, counts) = (self.folder.display(), counts.join(", "));
        *self.topics.0.write() = Arc::new(knowledge);
        self.done = seen;
        self.problem = None;
        info!(%folder, topics = counts, "took up the changed topics of {folder}: {counts}");
    }

    fn refuse(&mut self, error: &TopicError, seen: Fingerprint) -> Option<Reload> {
        // A disk or a lack of descriptors may recover without a file being touched.
        if !matches!(error, TopicError::Unreadable { .. }) {
            self.done = seen;
        }
        let problem = error.to_string();
        if self.problem.as_ref() == Some(&problem) {
            return None;
        }
        let folder = self.folder.display();
        warn!(%folder, "kept the topics of {folder} as they were: {problem}");
        self.problem = Some(problem);
        Some(Reload::Refused)
    }
}

fn fingerprint(folder: &Path) -> Fingerprint {
    let files = topic_files(folder).map_err(|error| error.to_string())?;
    let stamped = files.into_iter().map(|file| {
        let stamp = fs::metadata(&file).ok().map(|it| Stamp {
            device: it.dev(),
            inode: it.ino(),
            bytes: it.size(),
            modified: (it.mtime(), it.mtime_nsec()),
            changed: (it.ctime(), it.ctime_nsec()),
        });
        (file, stamp)
    });
    Ok(stamped.collect())
}
