//! `goe preview`: rows as the target would hold them.

use clap::Args;

use super::Context;
use super::request::Request;
use super::rows::Rows;
use super::stop::Done;

/// Show rows after every cast, as the target would hold them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe preview shop.main.orders --to lake.tpch.orders\n  \
    goe preview shop.main.orders --to lake.tpch.orders \\\n      \
    --select 'o_orderkey, CAST(o_totalprice AS DECIMAL(18, 2)) AS price' --limit 5\n\n\
    Nothing is written.")]
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
        let offload = self.request.offload(session.config())?;
        let batches = session.preview(&offload, self.limit).await?;
        let mut rows = Rows::new(context.screen);
        for batch in &batches {
            rows.write(batch)?;
        }
        rows.finish().map(|_| ())
    }
}
