//! What is printed: a table for people, which is Markdown too, or JSON. Both say first whether what
//! was received was right.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::{
    check::Faults,
    contest::Row,
    sample::{Sample, Spread},
    usage,
};

/// The outcome of a scenario.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub scenario: String,
    /// How it was run.
    pub settings: Vec<(&'static str, String)>,
    /// What was measured against each other.
    pub rows: Vec<Row>,
    /// One of them in terms of another, pair by pair.
    pub ratios: Vec<Figure>,
    /// What else was measured.
    pub figures: Vec<Figure>,
    /// What was wrong.
    pub faults: Faults,
}

/// Something that was measured several times.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: String,
    /// One value a run.
    pub values: Vec<f64>,
}

type Column = (&'static str, fn(&Sample) -> f64);

const COLUMNS: [Column; 10] = [
    ("a second", Sample::rate),
    ("p50 ms", |it| it.latency_ms(50.0)),
    ("p99 ms", |it| it.latency_ms(99.0)),
    ("max ms", |it| it.latency_ms(100.0)),
    ("sent late, p99 ms", Sample::late_ms),
    ("server µs each", Sample::server_us),
    ("generator µs each", Sample::own_us),
    ("server cores", Sample::server_cores),
    ("generator cores", Sample::own_cores),
    ("others' cores", Sample::others_cores),
];

impl Report {
    /// The outcome of a scenario, with nothing in it.
    pub fn new(scenario: &str, faults: &Faults) -> Self {
        Self {
            scenario: scenario.to_owned(),
            settings: Vec::new(),
            rows: Vec::new(),
            ratios: Vec::new(),
            figures: Vec::new(),
            faults: faults.clone(),
        }
    }

    /// Says how it was run.
    pub fn setting(&mut self, name: &'static str, value: impl fmt::Display) {
        self.settings.push((name, value.to_string()));
    }

    /// Adds something that was measured.
    pub fn figure(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) {
        self.figures.push(Figure { name: name.into(), values: values.into_iter().collect() });
    }

    /// Compares the first row with every other one, pair by pair.
    pub fn compare(&mut self, what: &str, of: fn(&Sample) -> f64) {
        let [first, others @ ..] = &self.rows[..] else { return };
        for other in others {
            let pairs = first.samples.iter().zip(&other.samples);
            let values = pairs.map(|(one, other)| of(one) / of(other)).collect();
            let name = format!("{what}, {} / {}", first.name, other.name);
            self.ratios.push(Figure { name, values });
        }
    }

    /// Compares every other row with the first one, pair by pair.
    pub fn compare_with_first(&mut self, what: &str, of: fn(&Sample) -> f64) {
        let [first, others @ ..] = &self.rows[..] else { return };
        for other in others {
            let pairs = first.samples.iter().zip(&other.samples);
            let values = pairs.map(|(one, other)| of(other) / of(one)).collect();
            let name = format!("{what}, {} / {}", other.name, first.name);
            self.ratios.push(Figure { name, values });
        }
    }

    /// Whether everything that was received was right.
    pub fn is_right(&self) -> bool {
        self.faults.counts().is_empty()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let figures = |figures: &[Figure]| -> Value {
            figures.iter().map(|it| (it.name.clone(), spread_json(&it.values))).collect()
        };
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        json!({
            "scenario": self.scenario,
            "is_right": self.is_right(),
            "faults": self.faults.counts(),
            "first_faults": self.faults.first(),
            "machine": usage::machine(),
            "settings": self.settings.iter().map(|(name, value)| (*name, value.clone()))
                .collect::<std::collections::BTreeMap<_, _>>(),
            "measured": rows,
            "ratios": figures(&self.ratios),
            "figures": figures(&self.figures),
        })
    }
}

fn row_json(row: &Row) -> Value {
    let mut of: serde_json::Map<String, Value> = COLUMNS
        .iter()
        .map(|(name, of)| {
            let values: Vec<f64> = row.samples.iter().map(of).collect();
            ((*name).to_owned(), spread_json(&values))
        })
        .collect();
    let operations: u64 = row.samples.iter().map(|it| it.operations).sum();
    of.insert("operations".to_owned(), operations.into());
    of.insert("name".to_owned(), row.name.clone().into());
    of.into()
}

fn spread_json(values: &[f64]) -> Value {
    let spread = Spread::of(values.iter().copied());
    json!({"median": spread.median, "min": spread.min, "max": spread.max, "runs": values})
}

/// The table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<String> =
            self.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(f, "{}: {}", self.scenario, settings.join(", "))?;
        writeln!(f, "\nMachine: {}", usage::machine())?;
        if !self.rows.is_empty() {
            writeln!(f)?;
            table(f, &self.lines())?;
        }
        let figures: Vec<Vec<String>> =
            self.ratios.iter().chain(&self.figures).map(figure_line).collect();
        if !figures.is_empty() {
            let head = ["", "median", "min to max"].map(str::to_owned).to_vec();
            writeln!(f)?;
            table(f, &[vec![head], figures].concat())?;
        }
        writeln!(f)?;
        if self.is_right() {
            return writeln!(f, "Everything that was received was right.");
        }
        let counts: Vec<String> =
            self.faults.counts().iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(f, "WRONG: {}", counts.join(", "))?;
        for fault in self.faults.first() {
            writeln!(f, "    {fault}")?;
        }
        Ok(())
    }
}

impl Report {
    /// Columns in which nothing stands are left out.
    fn lines(&self) -> Vec<Vec<String>> {
        let is_used = |of: fn(&Sample) -> f64| {
            self.rows.iter().flat_map(|it| &it.samples).any(|it| of(it) > 0.0)
        };
        let columns: Vec<Column> = COLUMNS.into_iter().filter(|it| is_used(it.1)).collect();
        let mut lines = vec![vec![String::new()]];
        for (name, _) in &columns {
            lines[0].push((*name).to_owned());
            if *name == "a second" {
                lines[0].push("min to max".to_owned());
            }
        }
        for row in &self.rows {
            let mut line = vec![row.name.clone()];
            for (name, of) in &columns {
                let spread = Spread::of(row.samples.iter().map(of));
                line.push(figure(spread.median));
                if *name == "a second" {
                    line.push(range(spread));
                }
            }
            lines.push(line);
        }
        lines
    }
}

fn figure_line(figure_of: &Figure) -> Vec<String> {
    let spread = Spread::of(figure_of.values.iter().copied());
    vec![figure_of.name.clone(), figure(spread.median), range(spread)]
}

fn range(spread: Spread) -> String {
    format!("{} to {}", figure(spread.min), figure(spread.max))
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Lines of the same length, the first of which is the head; the first column is text.
fn table(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|it| it[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (number, line) in lines.iter().enumerate() {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if column == 0 {
                write!(text, "| {cell:width$} ")?;
            } else {
                write!(text, "| {cell:>width$} ")?;
            }
        }
        writeln!(f, "{text}|")?;
        if number == 0 {
            let rule = |(column, width): (usize, &usize)| match column {
                0 => format!("|{}", "-".repeat(width + 2)),
                _ => format!("|{}:", "-".repeat(width + 1)),
            };
            writeln!(f, "{}|", widths.iter().enumerate().map(rule).collect::<String>())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
