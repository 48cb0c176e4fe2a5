//! `goe preview`: rows as the target would hold them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use clap::Args;

use super::request::Request;
use super::screen::Format;
use super::stop::Done;
use super::{Context, figures, file, previewed};
use crate::error::{Error, Result};
use crate::offload::Preview as Previewed;
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
        let Some(out) = &self.out else {
            return previewed::show(context, &previewed, self.stats, self.width);
        };
        let format = context.screen.format;
        file::write_rows(out, format, &previewed.schema, &previewed.rows)?;
        let rows: usize = previewed.rows.iter().map(RecordBatch::num_rows).sum();
        let rows = figures::counted(rows as u64, "row");
        context
            .screen
            .report(format_args!("{rows} in {}", out.display()))?;
        previewed::refuse_lost(context, &previewed)
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
            failed: BTreeMap::new(),
            rows_read: rows_read as u64,
            complete: rows_read < self.limit,
        })
    }
}
