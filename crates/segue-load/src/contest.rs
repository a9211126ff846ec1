//! Measures contenders against each other: all in one run of the program, in turn, several times,
//! because on a shared machine only their ratio means something.

use std::time::Duration;

use async_trait::async_trait;

use crate::sample::Sample;

/// How long and how often is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Each contender runs so long before anything counts.
    pub warm_up: Duration,
    /// One run of one contender.
    pub time: Duration,
    /// How often each contender runs.
    pub runs: usize,
}

/// Something that is measured.
#[async_trait]
pub trait Contender: Send {
    /// Its name in the tables.
    fn name(&self) -> String;

    /// Works for so long.
    async fn measure(&mut self, time: Duration) -> anyhow::Result<Sample>;

    /// Is not measured again: looks for what was lost, and goes.
    async fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// The runs of one contender.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// In the order in which they were made: the n-th of two contenders are a pair.
    pub samples: Vec<Sample>,
}

/// Has all contenders run in turn.
pub async fn contest(
    mut contenders: Vec<Box<dyn Contender>>,
    plan: Plan,
) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        contenders.iter().map(|it| Row { name: it.name(), samples: Vec::new() }).collect();
    if !plan.warm_up.is_zero() {
        for contender in &mut contenders {
            contender.measure(plan.warm_up).await?;
        }
    }
    for _ in 0..plan.runs {
        for (contender, row) in contenders.iter_mut().zip(&mut rows) {
            row.samples.push(contender.measure(plan.time).await?);
        }
    }
    for contender in contenders {
        contender.finish().await?;
    }
    Ok(rows)
}
