//! Proving a published target again, at any later time.

use std::sync::Arc;
use std::time::Instant;

use datafusion::logical_expr::{Expr, LogicalPlan, lit};

use super::{Against, RowDifference, Runner, Verification, narrow, planning, positions, proof};
use crate::backend::{Backend, Scope, StoredRecord, TargetDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::offload::{Offload, Proof, Record, compare, compared_columns};
use crate::schema::{PartitionHashes, TableName};

/// What two sides hold.
struct Sums {
    definition: TargetDefinition,
    source: PartitionHashes,
    target: PartitionHashes,
    /// How the rows of both are found, where the source was asked.
    rows: Option<Compared>,
}

/// The rows that were compared.
struct Compared {
    source: LogicalPlan,
    on_target: Expr,
    /// What tells the source's rows apart.
    keys: Option<Vec<String>>,
}

impl Runner {
    /// Proves a published target: against its source as it is now, all of what is covered or some
    /// rows of it, or against the sums that were stored when its rows were published.
    ///
    /// # Errors
    /// Kind NotFound when there is no such target or goe did not fill it. A difference is no error
    /// here: it is in the outcome.
    pub async fn verify(&self, target: &TableName, against: &Against) -> Result<Verification> {
        self.interrupt.or(self.compare_sides(target, against)).await
    }

    async fn compare_sides(&self, target: &TableName, against: &Against) -> Result<Verification> {
        let began = Instant::now();
        let backend = self.connections.backend(&target.connection)?;
        let existing = backend.describe(&target.schema, &target.table).await?;
        let recorded = existing.and_then(|table| Some((table.record?, table.partition_columns)));
        let (stored, partition_columns) = recorded.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{target} holds nothing that goe put there"),
            )
            .hint("goe tables CONNECTION lists the tables of a connection")
        })?;
        let record = Record::read(&stored.body)?;
        let offload = record.offload.validate()?;
        let sums = match against {
            Against::Source => self.covered(&backend, &offload, &record).await?,
            Against::Slice(rows) => self.slice(&backend, &offload, &record, rows).await?,
            // Needs no source: it may be gone.
            Against::Stored => {
                let proof = stored_proof(backend.as_ref(), target, &stored).await?;
                let definition = TargetDefinition {
                    name: target.clone(),
                    columns: proof.columns,
                    partition_columns,
                    cluster_columns: Vec::new(),
                    comment: None,
                };
                let held = published(backend.as_ref(), &definition, &offload).await?;
                Sums {
                    definition,
                    source: proof.total,
                    target: held,
                    rows: None,
                }
            }
        };
        let columns = compared_columns(&sums.definition, backend.types().json());
        let differences = compare(&sums.source, &sums.target, &columns);
        let only_nulls: Vec<String> = columns
            .into_iter()
            .filter(|column| !column.by_value)
            .map(|column| column.name)
            .collect();
        let rows_that_differ = match &sums.rows {
            Some(compared) if !differences.is_empty() && only_nulls.is_empty() => {
                let rows = self.rows_that_differ(backend.as_ref(), &sums.definition, compared);
                // Which rows differ is a help; that they do is known already.
                rows.await.unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let rows = |sums: &PartitionHashes| sums.values().map(|hashes| hashes.rows).sum();
        Ok(Verification {
            target: target.clone(),
            against: against.words(&record),
            source_rows: rows(&sums.source),
            target_rows: rows(&sums.target),
            differences,
            only_nulls,
            rows: rows_that_differ,
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Everything that is covered.
    async fn covered(
        &self,
        backend: &Arc<dyn Backend>,
        offload: &Offload,
        record: &Record,
    ) -> Result<Sums> {
        let sides = planning::describe(&self.engine, Arc::clone(backend), offload).await?;
        let (query, mapped) = planning::project_coverage(&self.engine, &sides, offload, record)?;
        let definition = mapped.definition;
        let positions = positions(&definition, &definition.partition_columns);
        let source = proof::hash_query(&self.engine, &query, definition.schema(), positions);
        let source = source.await?;
        let target = published(backend.as_ref(), &definition, offload).await?;
        Ok(Sums {
            definition,
            source,
            target,
            rows: Some(Compared {
                source: query,
                on_target: lit(true),
                keys: planning::key_of(&sides),
            }),
        })
    }

    /// Some of the covered rows.
    async fn slice(
        &self,
        backend: &Arc<dyn Backend>,
        offload: &Offload,
        record: &Record,
        rows: &str,
    ) -> Result<Sums> {
        let sides = planning::describe(&self.engine, Arc::clone(backend), offload).await?;
        let slice = planning::project_slice(&self.engine, &sides, offload, record, rows)?;
        let definition = slice.mapped.definition;
        let positions = positions(&definition, &definition.partition_columns);
        let source = proof::hash_query(&self.engine, &slice.query, definition.schema(), positions);
        let source = source.await?;
        let on_target = slice.on_target.clone();
        let target = proof::hash_target(&self.engine, backend.as_ref(), &definition, on_target);
        let target = target.await?;
        Ok(Sums {
            definition,
            source,
            target,
            rows: Some(Compared {
                source: slice.query,
                on_target: slice.on_target,
                keys: planning::key_of(&sides),
            }),
        })
    }

    async fn rows_that_differ(
        &self,
        backend: &dyn Backend,
        definition: &TargetDefinition,
        compared: &Compared,
    ) -> Result<Vec<RowDifference>> {
        let on_target = compared.on_target.clone();
        let target = proof::target_rows(&self.engine, backend, definition, on_target).await?;
        let sides = narrow::Sides {
            engine: &self.engine,
            schema: definition.schema(),
            source: &compared.source,
            target: target.logical_plan(),
            keys: compared.keys.as_deref().unwrap_or_default(),
        };
        sides.rows_that_differ().await
    }
}

/// The sums of everything that a target holds.
async fn published(
    backend: &dyn Backend,
    definition: &TargetDefinition,
    offload: &Offload,
) -> Result<PartitionHashes> {
    backend
        .hashes(definition, Scope::Published, offload.parallel())
        .await
}

pub(super) async fn stored_proof(
    backend: &dyn Backend,
    name: &TableName,
    record: &StoredRecord,
) -> Result<Proof> {
    let kept = backend.proof(&name.schema, &name.table, record).await?;
    let kept = kept.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("The stored proof of {name} is gone"),
        )
        .hint("prove it against its source with goe verify; --reset makes it anew")
    })?;
    serde_json::from_value(kept).map_err(|error| {
        let message = format!("The stored proof of {name} does not parse: {error}");
        Error::new(ErrorKind::Data, message)
            .hint("prove it against its source with goe verify; --reset makes it anew")
    })
}
