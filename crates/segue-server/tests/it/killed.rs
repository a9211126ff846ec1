//! What a server leaves behind that is killed.

use std::fs;

use crate::support::{Hold, Running, Setup};

/// A server whose data folder can be copied while it runs.
pub struct Mortal {
    /// The server.
    pub server: Running,
    hold: Hold,
    setup: Setup,
}

impl Mortal {
    /// Starts it; `setup` has to keep its log in SQLite.
    pub async fn start(setup: Setup) -> Self {
        let hold = Hold::default();
        let tweaks = segue_server::server::Tweaks {
            before_commit: Some(hold.before_commit()),
            ..Default::default()
        };
        let server = setup.start_with(tweaks).await;
        Self { server, hold, setup }
    }

    /// Puts into the folder of `heir` what would be left if the server was killed now. The server
    /// itself commits nothing more.
    pub fn kill(&self, heir: &Setup) {
        // Without commits the files hold still but for checkpoints, which the write-ahead log
        // repeats as long as it is copied after the database.
        self.hold.close();
        let (from, to) = (self.setup.folder().unwrap(), heir.folder().unwrap());
        let mut names: Vec<_> =
            fs::read_dir(from).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            if !name.to_string_lossy().ends_with("-shm") {
                fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        }
    }
}
