//! A plan as people read it, and as JSON.

use std::fmt;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{FilterState, Plan, PlannedColumn, Reading, VerifyLevel};
use crate::backend::{LoadedProof, Mode};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Offload {} to {}",
            self.offload.name(),
            self.offload.target()
        )?;
        if let Some(nothing) = &self.nothing {
            writeln!(f, "\nNothing to do: {nothing}")?;
        }
        writeln!(f, "\nRows      {}", self.window.rows)?;
        if !self.window.before.is_empty() {
            writeln!(f, "Covered   {}", self.window.before)?;
        }
        writeln!(
            f,
            "Chunks    {} ({})",
            self.chunk_count(),
            self.mode_words()
        )?;
        if let [_, _, ..] = self.chunks.as_slice() {
            for (number, chunk) in (1..).zip(&self.chunks) {
                let name = chunk.name.as_deref().map(|name| format!("{name}: "));
                writeln!(
                    f,
                    "  {number:>6}  {}{}",
                    name.unwrap_or_default(),
                    chunk.rows
                )?;
            }
        }
        for reading in &self.readings {
            reading.fmt(f)?;
        }
        writeln!(f, "Proof     {}", self.proof_words())?;
        if !self.cluster_columns.is_empty() {
            let columns = self.cluster_columns.join(", ");
            writeln!(f, "Sorted    each file inside by ({columns})")?;
        }
        for change in &self.schema_changes {
            let outcome = change.outcome(self.offload.spec().on_schema_change);
            writeln!(f, "Changed   {outcome}")?;
        }
        for note in &self.notes {
            writeln!(f, "Note      {note}")?;
        }
        writeln!(f, "\nColumns\n{}", self.columns_table())?;
        for statement in &self.statements {
            writeln!(f, "\n{statement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let estimate = |value: Option<u64>, unit: &str| match value {
            Some(value) => format!("about {} {unit}", thousands(value)),
            None => format!("unknown {unit}"),
        };
        let size = [estimate(self.rows, "rows"), estimate(self.bytes, "bytes")].join(", ");
        writeln!(f, "Source    {} ({}; {size})", self.table, self.kind)?;
        write!(
            f,
            "Splits    {} by {}, {} worker(s)",
            self.splits, self.split_by, self.workers
        )?;
        match &self.split_reason {
            Some(reason) => writeln!(f, "; {reason}")?,
            None => writeln!(f)?,
        }
        match &self.mixed {
            None => writeln!(
                f,
                "Snapshot  {}: every split reads one state",
                self.snapshot
            )?,
            Some(why) => writeln!(f, "Snapshot  {}: NOT one state, {why}", self.snapshot)?,
        }
        for filter in &self.filters {
            let who = match filter.state {
                FilterState::Exact => "exact, by the source",
                FilterState::Superset => "superset by the source, then here",
                FilterState::Local => "here",
            };
            writeln!(f, "Filter    {} ({who})", filter.text)?;
        }
        writeln!(f, "SQL       {}", self.sql)
    }
}

impl Plan {
    /// The plan as JSON, for scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "offload": self.offload.name(),
            "spec": self.offload.spec(),
            "target": self.offload.target().to_string(),
            "nothing_to_do": self.nothing,
            "window": self.window.rows.to_string(),
            "covered": self.window.before.to_string(),
            "chunks": self.chunks.iter().map(|chunk| chunk.rows.to_string()).collect::<Vec<_>>(),
            "mode": self.mode_words(),
            "sources": self.readings,
            "proof": self.proof_words(),
            "notes": self.notes,
            "lossy": self.lossy(),
            "columns": self.columns.iter().map(column_json).collect::<Vec<_>>(),
            "partition_columns": self.definition.partition_columns,
            "cluster_columns": self.cluster_columns,
            "schema_changes": self.schema_changes,
            "statements": self.statements,
            "rows_expected": self.rows_expected(),
            "bytes_expected": self.bytes_expected(),
        })
    }

    fn mode_words(&self) -> &'static str {
        match (&self.existing, &self.mode) {
            (None, _) => "creates the target",
            (_, Mode::Append) => "appends",
            (_, Mode::ReplaceAll) => "replaces all rows of the target",
            (_, Mode::ReplaceWhere(_)) => "replaces the window's rows",
        }
    }

    fn proof_words(&self) -> String {
        let source = if self.asks_source() {
            "the source's count of the window at the same snapshot"
        } else {
            "no count of the source (it can't be asked for exactly these rows)"
        };
        match self.offload.verify() {
            VerifyLevel::Count => format!("count: {source}, against the rows staged"),
            VerifyLevel::Aggregates => format!(
                "aggregates: {source}, and values, least, greatest and sums of columns that come \
                 through unchanged"
            ),
            level @ (VerifyLevel::Checksum | VerifyLevel::ReadBack) => {
                format!("{level}: {source}, and {}", self.loaded_proof_words())
            }
        }
    }

    fn loaded_proof_words(&self) -> &'static str {
        match (self.loaded_proof(), self.loaded_proof) {
            (Some(LoadedProof::Aggregates), _) => {
                "rows, NULLs, least, greatest and exact sums that the target computes of what it \
                 loaded (read_back proves every value)"
            }
            (_, LoadedProof::Aggregates) => {
                "hashes of every value and row that was read against the loaded rows read back"
            }
            _ => "hashes of every value and row that was read against the files read back",
        }
    }

    fn columns_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(vec![
            "column",
            "source",
            "canonical",
            "Arrow",
            "target",
            "",
            "why",
        ]);
        for column in &self.columns {
            let target = &column.target;
            let null = if target.nullable { "" } else { " NOT NULL" };
            table.add_row(vec![
                target.name.clone(),
                if target.source.is_empty() {
                    format!("({})", derived_from(column))
                } else {
                    target.source.clone()
                },
                target.canonical.to_string(),
                target.stored.to_arrow().to_string(),
                format!("{}{null}", target.native),
                column.fidelity.to_string(),
                column.reasons.join("; "),
            ]);
        }
        table
    }
}

/// What a column that does not come through as it is comes from.
fn derived_from(column: &PlannedColumn) -> &str {
    match column.input.as_str() {
        "" => "derived",
        input if input == column.target.canonical.to_string() => "derived",
        input => input,
    }
}

fn column_json(column: &PlannedColumn) -> Value {
    json!({
        "name": column.target.name,
        "source": column.target.source,
        "input": column.input,
        "canonical": column.target.canonical.to_string(),
        "arrow": column.target.stored.to_arrow().to_string(),
        "target": column.target.native,
        "nullable": column.target.nullable,
        "fidelity": column.fidelity,
        "reasons": column.reasons,
    })
}

/// Digits in groups of three.
fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(thousands(value), text);
        }
    }
}
