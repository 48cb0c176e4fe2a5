//! `goe preview`: rows as the target would hold them.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::json::ArrayWriter;
use clap::Args;
use comfy_table::Table;
use serde_json::{Value, json};

use super::fit::Grid;
use super::request::Request;
use super::rows::{Rows, text_rows};
use super::screen::{Format, printable};
use super::stop::{Done, tell};
use super::{Context, figures, file};
use crate::error::{Error, ErrorKind, Result};
use crate::offload::{ColumnPreview, FailedCast, Preview as Previewed};
use crate::session::{PreviewExtent, Session};

/// Show rows after every cast, as the target would hold them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe preview shop.main.orders\n  goe preview sales   an offload by its name\n  \
    goe preview shop.main.orders --to lake.tpch.orders \\\n      \
    --select 'o_orderkey, CAST(o_totalprice AS DECIMAL(18, 2)) AS price' --limit 5\n  \
    goe preview shop.main.orders --to lake.tpch.orders --integer-4-columns '*key' --stats --all\n  \
    goe preview shop.main.orders --to lake.tpch.orders --output parquet --out orders.parquet\n\n\
    Nothing is written to a system. Without --to, rows are shown as the source has them.\n\
    A value that its cast would lose is shown as NULL, counted, and told with its row."
)]
pub(super) struct Preview {
    #[command(flatten)]
    request: Request,
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Show per column: types, NULLs, least and greatest value, values that would stop a run
    #[arg(long)]
    stats: bool,
    /// Read every row for what is said of the columns, not only those that are shown
    #[arg(long)]
    all: bool,
    /// Write the rows into this new file (--output arrow or parquet)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fit the table to so many characters; the terminal's width by default
    #[arg(long, value_name = "N")]
    width: Option<usize>,
}

impl Preview {
    pub(super) async fn run(self, context: &Context) -> Done {
        self.check(context.screen.format)?;
        let session = context.session()?;
        let previewed = match self.request.query(&session)? {
            Some(query) => self.select(&session, &query).await?,
            None => {
                let offload = self.request.meant(&session)?;
                let extent = PreviewExtent {
                    rows: self.limit,
                    all: self.all,
                };
                session
                    .preview(&offload, &self.request.take()?, extent)
                    .await?
            }
        };
        match context.screen.format {
            Format::Text => self.show(context, &previewed),
            Format::Json if self.stats => context.screen.json(&as_json(&previewed)?),
            format => {
                self.write(context, format, &previewed)?;
                tell_lost(context, &previewed)
            }
        }
    }

    fn check(&self, format: Format) -> Result<()> {
        match (format, &self.out) {
            (Format::Arrow | Format::Parquet, None) => Err(Error::usage(
                "Rows as Arrow or Parquet are written into a file",
            )
            .hint("name it with --out FILE")),
            (Format::Text | Format::Json | Format::Csv, Some(_)) => Err(Error::usage(
                "--out is for --output arrow and --output parquet",
            )
            .hint("add one of them, or redirect the output: > FILE")),
            _ => Ok(()),
        }
    }

    /// The rows as the source alone gives them.
    async fn select(&self, session: &Session, query: &str) -> Result<Previewed> {
        if self.stats || self.all {
            return Err(
                Error::usage("What is said of columns is said of a target's")
                    .hint("add --to CONNECTION.SCHEMA.TABLE; nothing is written there"),
            );
        }
        let rows = session.sql(query).await?.limit(0, Some(self.limit))?;
        let schema = Arc::clone(rows.schema().inner());
        let mut rows = rows.collect().await?;
        let rows_read = rows.iter().map(RecordBatch::num_rows).sum::<usize>();
        if rows.is_empty() {
            rows.push(RecordBatch::new_empty(Arc::clone(&schema)));
        }
        Ok(Previewed {
            schema,
            rows,
            columns: Vec::new(),
            failed: std::collections::BTreeMap::new(),
            rows_read: rows_read as u64,
            complete: rows_read < self.limit,
        })
    }

    fn show(&self, context: &Context, previewed: &Previewed) -> Done {
        let screen = context.screen;
        let width = self.width.or_else(|| Table::new().width().map(usize::from));
        let fields = previewed.schema.fields();
        let grid = Grid {
            headings: fields.iter().map(|field| printable(field.name())).collect(),
            rows: text_rows(&previewed.rows)?,
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
        if self.stats {
            screen.line(format_args!("\n{}", extent_words(previewed)))?;
            let (table, _) = statistics(&previewed.columns).fit(width);
            screen.line(table)?;
        }
        for failed in failures(previewed) {
            screen.line(failed.words())?;
        }
        Ok(())
    }

    fn write(&self, context: &Context, format: Format, previewed: &Previewed) -> Done {
        if let Some(out) = &self.out {
            file::write_rows(out, format, &previewed.schema, &previewed.rows)?;
            let rows: usize = previewed.rows.iter().map(RecordBatch::num_rows).sum();
            let rows = figures::counted(rows as u64, "row");
            return context
                .screen
                .report(format_args!("{rows} in {}", out.display()));
        }
        write_rows(context, previewed)
    }
}

/// The rows of a PREVIEW statement, and the values among them that their casts would lose.
pub(super) fn tell_rows(context: &Context, previewed: &Previewed) -> Done {
    write_rows(context, previewed)?;
    tell_lost(context, previewed)
}

fn write_rows(context: &Context, previewed: &Previewed) -> Done {
    let mut rows = Rows::new(context.screen);
    for batch in &previewed.rows {
        rows.write(batch)?;
    }
    rows.finish().map(|_| ())
}

/// Rows alone don't tell which NULL is none.
fn tell_lost(context: &Context, previewed: &Previewed) -> Done {
    let failed = failures(previewed);
    match failed.first() {
        Some(first) => {
            tell(&lost(first, failed.len()), context.screen.format);
            Err(super::stop::Stop::Said(ErrorKind::TypeLoss.exit_code()))
        }
        None => Ok(()),
    }
}

/// Which rows the statistics are of.
fn extent_words(previewed: &Previewed) -> String {
    let rows = figures::counted(previewed.rows_read, "row");
    if previewed.complete {
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
fn failures(previewed: &Previewed) -> Vec<Failure<'_>> {
    let mut all = Vec::new();
    for column in &previewed.columns {
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
    all.extend(previewed.failed.iter().map(|(column, failed)| Failure {
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

fn as_json(previewed: &Previewed) -> Result<Value> {
    let mut writer = ArrayWriter::new(Vec::new());
    for batch in &previewed.rows {
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
        "columns": previewed.columns,
        "failed": previewed.failed,
        "rows_read": previewed.rows_read,
        "complete": previewed.complete,
    }))
}
