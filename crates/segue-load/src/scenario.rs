//! The scenarios, and the references that they share.

use crate::{
    check::Faults,
    contest::Contender,
    options::{self, Options},
    reference::{
        bare_echo::{self, BareEcho},
        disk::Disk,
        plain_file::PlainFile,
        store::{Kind, StoreAlone},
    },
    report::Report,
};

pub mod create;
pub mod echo;
pub mod fanout;
pub mod growth;
pub mod idle;
pub mod limits_alone;
pub mod mixed;
pub mod replay;
pub mod storm;
pub mod turns;

/// Contenders that are not the server, and what has to live as long as they do.
pub struct References {
    /// In the order of the table.
    pub contenders: Vec<Box<dyn Contender>>,
    /// Killed when dropped.
    pub bare_echo: Option<BareEcho>,
}

/// The limits of an echo: the socket alone, the store alone, the disk.
pub async fn of_echo(
    options: &Options,
    sessions: usize,
    faults: &Faults,
) -> anyhow::Result<References> {
    let bare = BareEcho::start(&options.program()?, &options.folder, options.cores()).await?;
    let (pace, sources) = (options.pace(), options.sources);
    let crowd = bare_echo::crowd(&bare, pace, sessions, options.depth, sources, faults).await?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(crowd)];
    if options.references == options::References::All {
        let store = StoreAlone::open(&options.folder, Kind::Message, sessions).await?;
        contenders.push(Box::new(store));
        contenders.push(Box::new(PlainFile::open(&options.folder, sessions)?));
        contenders.push(Box::new(Disk::open(&options.folder)?));
    }
    Ok(References { contenders, bare_echo: Some(bare) })
}

/// Says what is the same in every scenario.
pub fn settings(report: &mut Report, options: &Options) {
    report.setting("runs", options.runs);
    report.setting("seconds each", options.seconds);
    if options.stored_sessions > 0 {
        report.setting("stored sessions", options.stored_sessions);
        report.setting("events of each", options.stored_entries);
    }
    if let Some(core) = options.pin {
        report.setting("servers on core", core);
    }
}
