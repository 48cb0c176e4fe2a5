//! Looking at an offload's rows as the target would hold them.

use std::sync::Arc;

use datafusion::prelude::DataFrame;
use futures::TryStreamExt;

use super::Session;
use crate::error::Result;
use crate::offload::{FailedCasts, Offload, Preview, PreviewBuilder, Take, watch_casts};
use crate::run::{Interrupt, Unwatched};

/// How much a preview reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewExtent {
    /// How many rows are shown.
    pub rows: usize,
    /// Whether all rows are read, so that what is said of columns is said of every row; otherwise
    /// only those that are shown are.
    pub all: bool,
}

impl Session {
    /// The first rows of an offload as the target would hold them, and what is known of its
    /// columns. A value that fails its cast is NULL, and is counted and told with its row.
    ///
    /// # Errors
    /// As [`Session::plan`], and kind Data for a value that breaks its own declaration.
    pub async fn preview(
        &self,
        offload: &Offload,
        take: &Take,
        extent: PreviewExtent,
    ) -> Result<Preview> {
        let runner = self.runner(offload, Arc::new(Unwatched), Interrupt::never())?;
        let plan = runner.plan(offload, take).await?;
        let failed = FailedCasts::default();
        let rows = watch_casts(plan.rows().clone(), &failed)?;
        let mut rows = DataFrame::new(runner.engine.state(), rows);
        if !extent.all {
            rows = rows.limit(0, Some(extent.rows))?;
        }
        let mut batches = rows.execute_stream().await?;
        let mut preview = PreviewBuilder::new(&plan, extent.rows);
        let mut read = 0;
        while let Some(batch) = batches.try_next().await? {
            read += batch.num_rows();
            preview.add(&batch)?;
        }
        preview.finish(&failed, extent.all || read < extent.rows)
    }
}
