//! `mixed`: some of everything at once on one server, each on a schedule.

use futures_util::future::try_join_all;

use crate::{
    contest::{Contender, Row},
    crowd::Pace,
    options::Options,
    report::Report,
    scenario::{create, echo, settings, turns},
    world::World,
};

/// Sessions that are echoed where nothing else is asked for; a tenth as many have a bot that talks.
const SESSIONS: usize = 500;
/// Messages a second of each session that is echoed.
const MESSAGES_A_SECOND: f64 = 0.5;
/// Turns a second of each session with a bot.
const TURNS_A_SECOND: f64 = 0.3;
/// New conversations a second, for each session that is echoed.
const CREATED_A_SECOND: f64 = 0.02;

/// Runs it.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 sessions")]
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let talking = sessions.div_ceil(10);
    let mut world = World::begin(options, turns::OUTPUTS, turns::PAUSE).await?;
    let messages = options.rate.unwrap_or(sessions as f64 * MESSAGES_A_SECOND);
    let created = (sessions as f64 * CREATED_A_SECOND).max(2.0);
    let echoes = echo::crowd(&mut world, "echo", sessions, 1, Pace::Rate(messages)).await?;
    let turns = turns::crowd(&world, talking, talking as f64 * TURNS_A_SECOND).await?.0;
    let newcomers = create::newcomers(&world, 16, Pace::Rate(created))?;
    let mut contenders: Vec<Box<dyn Contender>> =
        vec![Box::new(echoes), Box::new(turns), Box::new(newcomers)];
    let mut rows: Vec<Row> =
        contenders.iter().map(|it| Row { name: it.name(), samples: Vec::new() }).collect();
    let plan = world.plan();
    if !plan.warm_up.is_zero() {
        try_join_all(contenders.iter_mut().map(|it| it.measure(plan.warm_up))).await?;
    }
    for _ in 0..plan.runs {
        let together = contenders.iter_mut().map(|it| it.measure(plan.time));
        for (row, sample) in rows.iter_mut().zip(try_join_all(together).await?) {
            row.samples.push(sample);
        }
    }
    for contender in contenders {
        contender.finish().await?;
    }
    world.still_there()?;

    let mut report = Report::new("mixed", &world.faults);
    report.setting("sessions", sessions);
    report.setting("with a bot", talking);
    settings(&mut report, options);
    report.setting("processor time", "of all together, in each row");
    report.rows = rows;
    Ok(report)
}
