//! Tables for people.

use std::io::{self, Write};

use serde_json::Value;

use crate::limits::CELL_CHARS_MAX;

/// Columns with a title, and where each is found in a row.
pub struct Table {
    columns: &'static [(&'static str, &'static str)],
    widths: Vec<usize>,
}

impl Table {
    /// A table of these columns: title, and name of the field.
    pub fn new(columns: &'static [(&'static str, &'static str)]) -> Self {
        Self { columns, widths: Vec::new() }
    }

    /// Prints rows; the first ones with the titles, and all with the widths that the first ones had.
    pub fn rows(&mut self, rows: &[Value], out: &mut dyn Write) -> io::Result<()> {
        let cells: Vec<Vec<String>> = rows.iter().map(|row| self.cells(row)).collect();
        if self.widths.is_empty() {
            let titles = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
            let lines: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
            let width = |i: usize| lines.iter().map(|it| it[i].chars().count()).max().unwrap_or(0);
            self.widths = (0..self.columns.len()).map(width).collect();
            return lines.iter().try_for_each(|it| self.line(it, out));
        }
        cells.iter().try_for_each(|it| self.line(it, out))
    }

    fn cells(&self, row: &Value) -> Vec<String> {
        self.columns.iter().map(|(_, name)| cut(&cell(&row[*name]))).collect()
    }

    fn line(&self, cells: &[String], out: &mut dyn Write) -> io::Result<()> {
        let padded = cells.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())
    }
}

/// A value in a word or a few.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        // A line of its own could pass for another row.
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        Value::Object(fields) => {
            let pair = |(name, value): (&String, &Value)| format!("{name}={}", cell(value));
            fields.iter().map(pair).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// The fields of one thing, one a line.
pub fn fields(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    let Value::Object(fields) = value else { return writeln!(out, "{}", cell(value)) };
    let width = fields.keys().map(|it| it.chars().count()).max().unwrap_or(0);
    fields.iter().try_for_each(|(name, value)| writeln!(out, "{name:width$}  {}", cell(value)))
}

fn cut(text: &str) -> String {
    // A table has lines, and `--json` has everything.
    if text.chars().count() <= CELL_CHARS_MAX {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(CELL_CHARS_MAX - 1).collect();
    cut.push('…');
    cut
}
