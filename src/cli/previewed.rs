//! A preview as people read it, and as rows, JSON and CSV.

use arrow::json::ArrayWriter;
use comfy_table::Table;
use serde_json::{Value, json};

use super::fit::Grid;
use super::rows::{Rows, text_rows};
use super::screen::{Format, printable};
use super::stop::{Done, Stop, tell};
use super::{Context, figures};
use crate::error::{Error, ErrorKind, Result};
use crate::offload::{ColumnPreview, FailedCast, Preview};

/// Writes a preview in the form that was asked for, with statistics where they were; the table
/// fits `width` characters, or the terminal.
pub(super) fn show(
    context: &Context,
    preview: &Preview,
    stats: bool,
    width: Option<usize>,
) -> Done {
    match context.screen.format {
        Format::Text => show_text(context, preview, stats, width),
        Format::Json if stats => context.screen.json(&as_json(preview)?),
        _ => {
            let mut rows = Rows::new(context.screen);
            for batch in &preview.rows {
                rows.write(batch)?;
            }
            rows.finish()?;
            refuse_lost(context, preview)
        }
    }
}

/// Fails where values would stop a run: rows alone don't tell which NULL is none.
pub(super) fn refuse_lost(context: &Context, preview: &Preview) -> Done {
    let failed = failures(preview);
    let Some(first) = failed.first() else {
        return Ok(());
    };
    tell(&lost(first, failed.len()), context.screen.format);
    Err(Stop::Said(ErrorKind::TypeLoss.exit_code()))
}

fn show_text(context: &Context, preview: &Preview, stats: bool, width: Option<usize>) -> Done {
    let screen = context.screen;
    let width = width.or_else(|| Table::new().width().map(usize::from));
    let fields = preview.schema.fields();
    let grid = Grid {
        headings: fields.iter().map(|field| printable(field.name())).collect(),
        rows: text_rows(&preview.rows)?,
        numeric: fields
            .iter()
            .map(|field| field.data_type().is_numeric())
            .collect(),
    };
    let (table, hidden) = grid.fit(width);
    screen.line(table)?;
    if let Some(hidden) = hidden {
        screen.line(format_args!("{hidden} (--output json shows them)"))?;
    }
    if stats {
        screen.line(format_args!("\n{}", extent_words(preview)))?;
        let (table, _) = statistics(&preview.columns).fit(width);
        screen.line(table)?;
    }
    for failed in failures(preview) {
        screen.line(failed.words())?;
    }
    Ok(())
}

/// Which rows the statistics are of.
fn extent_words(preview: &Preview) -> String {
    let rows = figures::counted(preview.rows_read, "row");
    if preview.complete {
        format!("Columns, over all {rows}:")
    } else {
        format!("Columns, over the {rows} that were read (--all reads every row):")
    }
}

fn statistics(columns: &[ColumnPreview]) -> Grid {
    let headings = ["column", "source", "target", "nulls", "min", "max", "fail"];
    let row = |column: &ColumnPreview| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        let source = match column.source.as_str() {
            "" => "(made by goe)".to_owned(),
            source => source.to_owned(),
        };
        let fail = column.failed.as_ref().map_or(0, |failed| failed.values);
        let cells = [
            column.name.clone(),
            source,
            format!("{}{null}", column.target),
            figures::count(column.nulls),
            column.min.clone().unwrap_or_default(),
            column.max.clone().unwrap_or_default(),
            figures::count(fail),
        ];
        cells.iter().map(|cell| printable(cell)).collect()
    };
    Grid {
        headings: headings.map(str::to_owned).to_vec(),
        rows: columns.iter().map(row).collect(),
        numeric: vec![false, false, false, true, false, false, true],
    }
}

/// Values of one column that would stop a run.
struct Failure<'a> {
    column: &'a str,
    values: u64,
    failed: Option<&'a FailedCast>,
}

/// Everything that would stop a run over these rows.
fn failures(preview: &Preview) -> Vec<Failure<'_>> {
    let mut all = Vec::new();
    for column in &preview.columns {
        if let Some(failed) = &column.failed {
            all.push(Failure {
                column: &column.name,
                values: failed.values,
                failed: Some(failed),
            });
        }
        if !column.nullable && column.nulls > 0 {
            all.push(Failure {
                column: &column.name,
                values: column.nulls,
                failed: None,
            });
        }
    }
    all.extend(preview.failed.iter().map(|(column, failed)| Failure {
        column,
        values: failed.values,
        failed: Some(failed),
    }));
    all
}

impl Failure<'_> {
    fn words(&self) -> String {
        let (column, values) = (
            printable(self.column),
            figures::counted(self.values, "value"),
        );
        let Some(failed) = self.failed else {
            return format!(
                "{column}: {values} NULL in a column that takes none, which stops a run"
            );
        };
        let row = failed.row.iter();
        let row: Vec<String> = row
            .map(|(name, value)| format!("{} = {}", printable(name), printable(value)))
            .collect();
        let row = row.join(", ");
        let message = printable(&failed.message);
        format!(
            "{column}: {values} would stop a run, first: {message}\n  row: {row}\n  hint: {}",
            failed.hint
        )
    }
}

/// What is told beside rows that alone don't tell it.
fn lost(first: &Failure<'_>, columns: usize) -> Error {
    let more = match columns {
        1 => String::new(),
        more => format!("; {} more columns have such values", more - 1),
    };
    let error = Error::new(
        ErrorKind::TypeLoss,
        format!("{}{more}", first.words().lines().next().unwrap_or_default()),
    );
    error.hint("these values are NULL in the rows; --stats tells all of them, with an example row")
}

fn as_json(preview: &Preview) -> Result<Value> {
    let mut writer = ArrayWriter::new(Vec::new());
    for batch in &preview.rows {
        writer.write(batch)?;
    }
    writer.finish()?;
    let rows = writer.into_inner();
    let rows: Value = match rows.as_slice() {
        // No rows are no text at all.
        [] => json!([]),
        text => serde_json::from_slice(text)
            .map_err(|error| Error::internal(format!("Rows are no JSON: {error}")))?,
    };
    Ok(json!({
        "rows": rows,
        "columns": preview.columns,
        "failed": preview.failed,
        "rows_read": preview.rows_read,
        "complete": preview.complete,
    }))
}
