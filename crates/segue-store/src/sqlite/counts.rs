//! How many sessions a connector has: counted in the database once, and from then on by the writer,
//! through whom every session comes and goes.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::limits::CONNECTORS_COUNTED_MAX;

/// What the writer knows, as of the transaction at work.
#[derive(Debug, Default)]
pub struct Counts(HashMap<String, OfConnector>);

#[derive(Debug, Default)]
struct OfConnector {
    live: Option<i64>,
    created: Option<Created>,
}

#[derive(Debug, Clone, Copy)]
struct Created {
    since: i64,
    count: i64,
}

impl Counts {
    /// Sessions that live.
    pub fn live(&mut self, connection: &Connection, connector: &str) -> rusqlite::Result<i64> {
        let of = self.of(connector);
        if let Some(live) = of.live {
            return Ok(live);
        }
        let mut select = connection.prepare_cached(
            "select count(*) from sessions where connector = ?1 and ended_at is null",
        )?;
        let live = select.query_row([connector], |row| row.get(0))?;
        of.live = Some(live);
        Ok(live)
    }

    /// Sessions that were created since then.
    pub fn created(
        &mut self,
        connection: &Connection,
        connector: &str,
        since: i64,
    ) -> rusqlite::Result<i64> {
        let of = self.of(connector);
        if let Some(created) = of.created
            && created.since == since
        {
            return Ok(created.count);
        }
        // From the newest backwards, up to the first that is older.
        let mut select = connection.prepare_cached(
            "select created_at from sessions where connector = ?1 order by key desc",
        )?;
        let mut rows = select.query([connector])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(0)? < since {
                break;
            }
            count += 1;
        }
        of.created = Some(Created { since, count });
        Ok(count)
    }

    /// A session came or went.
    pub fn note(&mut self, connector: &str, created_at: Option<i64>, ended_at: Option<i64>) {
        let Some(of) = self.0.get_mut(connector) else { return };
        if let Some(live) = &mut of.live {
            *live += i64::from(created_at.is_some()) - i64::from(ended_at.is_some());
        }
        if let (Some(created), Some(at)) = (&mut of.created, created_at) {
            created.count += i64::from(at >= created.since);
        }
    }

    /// Nothing is known any more: what was counted was rolled back.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn of(&mut self, connector: &str) -> &mut OfConnector {
        if self.0.len() >= CONNECTORS_COUNTED_MAX {
            self.0.clear();
        }
        self.0.entry(connector.to_owned()).or_default()
    }
}
