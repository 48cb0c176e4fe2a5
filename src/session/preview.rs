//! Looking at an offload's rows as the target would hold them.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::Expr;
use datafusion::prelude::DataFrame;
use futures::TryStreamExt;
use serde::Serialize;

use super::Session;
use crate::error::Result;
use crate::offload::{
    FailedCasts, Offload, Preview, PreviewBuilder, Proposal, SampledTexts, Take, watch_casts,
};
use crate::run::{Interrupt, Unwatched};

/// Rows that a sample reads at most, and where a source does not say how many it has.
const SAMPLED: u64 = 1_000_000;

/// Types that would fit columns whose own type says little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Sample {
    /// How many rows were read.
    pub rows: u64,
    /// What would fit them; nothing is changed by it.
    pub proposals: Vec<Proposal>,
}

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

    /// Reads the first `percent` (1 to 100) of an offload's rows by the source's own statistics, at
    /// most a million, and proposes types for columns that hold numbers as text.
    ///
    /// # Errors
    /// As [`Session::plan`], and kind Data for a value that breaks its own declaration.
    pub async fn sample(&self, offload: &Offload, take: &Take, percent: u8) -> Result<Sample> {
        let runner = self.runner(offload, Arc::new(Unwatched), Interrupt::never())?;
        let plan = runner.plan(offload, take).await?;
        let columns = plan
            .columns()
            .iter()
            .filter(|column| SampledTexts::is_for(column));
        let names: Vec<&str> = columns.map(|column| column.target.name.as_str()).collect();
        let mut sample = Sample {
            rows: 0,
            proposals: Vec::new(),
        };
        if names.is_empty() {
            return Ok(sample);
        }
        let known = plan
            .rows_expected()
            .map(|rows| rows.saturating_mul(percent.into()) / 100);
        let most = known.unwrap_or(SAMPLED).clamp(1, SAMPLED);
        let rows = DataFrame::new(runner.engine.state(), plan.rows().clone());
        let wanted = names
            .iter()
            .map(|name| Expr::Column(Column::new_unqualified(*name)));
        let rows = rows.select(wanted)?;
        let rows = rows.limit(0, Some(usize::try_from(most).unwrap_or(usize::MAX)))?;
        let mut batches = rows.execute_stream().await?;
        let mut seen: Vec<SampledTexts> = names.iter().map(|_| SampledTexts::default()).collect();
        while let Some(batch) = batches.try_next().await? {
            sample.rows += batch.num_rows() as u64;
            for (seen, array) in seen.iter_mut().zip(batch.columns()) {
                seen.add(array);
            }
        }
        let proposed = seen
            .iter()
            .zip(names)
            .filter_map(|(seen, name)| seen.propose(name));
        sample.proposals = proposed.collect();
        Ok(sample)
    }
}
