//! `limits`: what the machine gives without a server.

use crate::{
    check::Faults,
    contest::contest,
    options::Options,
    reference::store::{Kind, StoreAlone},
    report::Report,
    sample::Sample,
    scenario::of_echo,
    world::plan,
};

/// Sessions where nothing else is asked for.
const SESSIONS: usize = 1_000;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let faults = Faults::default();
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let mut references = of_echo(options, sessions, &faults).await?;
    // The plain file comes first: the others are told in terms of it.
    references.contenders.swap(0, 2);
    for kind in [Kind::Reply, Kind::Turn] {
        let store = StoreAlone::open(&options.folder, kind, sessions).await?;
        references.contenders.push(Box::new(store));
    }
    let rows = contest(references.contenders, plan(options)).await?;
    let mut report = Report::new("limits", &faults);
    report.setting("sessions", sessions);
    super::settings(&mut report, options);
    report.rows = rows;
    report.compare_with_first("rate", Sample::rate);
    Ok(report)
}
