//! `goe preview`: rows as the target would hold them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use clap::Args;

use super::Context;
use super::request::Request;
use super::rows::Rows;
use super::stop::Done;
use crate::error::Result;
use crate::offload::Take;
use crate::session::{PreviewExtent, Session};

/// Show rows after every cast, as the target would hold them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe preview shop.main.orders\n  \
    goe preview shop.main.orders --to lake.tpch.orders \\\n      \
    --select 'o_orderkey, CAST(o_totalprice AS DECIMAL(18, 2)) AS price' --limit 5\n\n\
    Nothing is written. Without --to, rows are shown as the source has them.")]
pub(super) struct Preview {
    #[command(flatten)]
    request: Request,
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl Preview {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let batches = match self.request.query(session.config())? {
            Some(query) => self.select(&session, &query).await?,
            None => {
                let offload = self.request.offload(session.config())?;
                session.preview(&offload, &Take::New, PreviewExtent { rows: self.limit, all: false }).await?.rows
            }
        };
        let mut rows = Rows::new(context.screen);
        for batch in &batches {
            rows.write(batch)?;
        }
        rows.finish().map(|_| ())
    }

    /// The rows as the source alone gives them.
    async fn select(&self, session: &Session, query: &str) -> Result<Vec<RecordBatch>> {
        let rows = session.sql(query).await?.limit(0, Some(self.limit))?;
        let schema = Arc::clone(rows.schema().inner());
        let mut batches = rows.collect().await?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }
}
