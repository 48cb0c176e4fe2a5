//! Adopting: a target that something else filled gets a record, once it is proved to be equal to a
//! window of its source. No row moves.

use std::sync::Arc;

use super::journal::Journal;
use super::lock::Held;
use super::proof::{hash_query, unequal_to};
use super::{Outcome, Runner, planning, positions};
use crate::backend::{Backend, Change, Mode, Publication, Published, Scope, StoredRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::offload::{
    Coverage, Offload, PredicateType, Proof, PublishedChunk, Record, Region, Step, compare,
    compared_columns,
};
use crate::repository::Repository;
use crate::schema::PartitionHashes;
use crate::staging::Manifest;

/// A target that may be adopted, and the window that it holds.
struct Candidate {
    sides: planning::Sides,
    mapped: planning::Covered,
}

impl Runner {
    /// Gives a target that something else filled a record: its rows must be those of the source for
    /// which `window` is true, or all of them, value by value.
    ///
    /// # Errors
    /// Kind NotFound when there is no such target, AlreadyExists when it has a record or another
    /// shape, Verify when its rows are others; nothing is changed then.
    pub async fn adopt(
        &self,
        repository: &Arc<Repository>,
        offload: &Offload,
        window: Option<&str>,
    ) -> Result<Outcome> {
        let interrupt = self.interrupt.clone();
        let journal = Journal::begin(repository, &self.watcher, interrupt, offload)?;
        let result = self
            .adopt_steps(&journal, repository, offload, window)
            .await;
        journal.finish(result)
    }

    async fn adopt_steps(
        &self,
        journal: &Journal,
        repository: &Arc<Repository>,
        offload: &Offload,
        window: Option<&str>,
    ) -> Result<Outcome> {
        let sides = journal
            .step(Step::Describe, None, self.describe(offload))
            .await?;
        let plan = async { self.candidate(sides, offload, window) };
        let candidate = journal.step(Step::Plan, None, plan).await?;
        let target = offload.target().to_string();
        let held = async { Held::take_above(repository, &target, &journal.run, 0) };
        let held = journal.step(Step::Prepare, None, held).await?;
        let total = self.prove_equal(offload, &candidate);
        let total = journal.step(Step::Verify, None, total).await?;
        let rows: u64 = total.values().map(|hashes| hashes.rows).sum();
        held.check()?;
        let publish = publish(journal, offload, &candidate, &held, total);
        let published = journal.whole_step(Step::Publish, None, publish).await?;
        let proof = format!("{rows} rows are there and in the source, value by value");
        Ok(Outcome::adopted(journal, offload, published.version, proof))
    }

    fn candidate(
        &self,
        sides: planning::Sides,
        offload: &Offload,
        window: Option<&str>,
    ) -> Result<Candidate> {
        let target = offload.target();
        match &sides.existing {
            None => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("There is no target {target} to adopt"),
                )
                .hint("offload to it: goe offload makes it"));
            }
            Some(table) if table.record.is_some() => {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("Target {target} has a record already"),
                )
                .hint("go on with goe offload, or replace everything with --reset"));
            }
            Some(_) => {}
        }
        let mapped = planning::project_window(&self.engine, &sides, offload, window)?;
        match Change::between(sides.existing.as_ref(), &mapped.mapped.definition) {
            Ok(Change::None) => Ok(Candidate { sides, mapped }),
            Ok(_) => Err(planning::does_not_fit(
                offload,
                &["it lacks columns of the offload".to_owned()],
            )),
            Err(differences) => Err(planning::does_not_fit(offload, &differences)),
        }
    }

    /// The sums of the target's rows, which are those of the source's.
    async fn prove_equal(
        &self,
        offload: &Offload,
        candidate: &Candidate,
    ) -> Result<PartitionHashes> {
        let definition = &candidate.mapped.mapped.definition;
        let places = positions(definition, &definition.partition_columns);
        let schema = definition.schema();
        let source = hash_query(&self.engine, &candidate.mapped.query, schema, places).await?;
        let found = candidate
            .sides
            .backend
            .hashes(definition, Scope::Published, offload.parallel())
            .await?;
        let columns = compared_columns(definition, candidate.sides.backend.types().json());
        let differences = compare(&source, &found, &columns);
        if differences.is_empty() {
            return Ok(found);
        }
        let message = format!(
            "{} does not hold the rows of its source where {}",
            offload.target(),
            candidate.mapped.rows
        );
        Err(unequal_to(message, &differences)
            .hint("state the window that it holds with --covered, or replace it with --reset"))
    }
}

async fn publish(
    journal: &Journal,
    offload: &Offload,
    candidate: &Candidate,
    held: &Held,
    total: PartitionHashes,
) -> Result<Published> {
    let definition = &candidate.mapped.mapped.definition;
    let rows: u64 = total.values().map(|hashes| hashes.rows).sum();
    let manifest = Manifest {
        id: format!("{}-0001", journal.run),
        files: Vec::new(),
    };
    let proof = Proof {
        chunk: total.clone(),
        total,
        columns: definition.columns.clone(),
    };
    let chunk = PublishedChunk {
        manifest: manifest.id.clone(),
        window: candidate.mapped.rows.to_string(),
        rows,
        snapshot: "adopted as it was".to_owned(),
    };
    let record = Record {
        format: crate::offload::FORMAT,
        offload: offload.spec().clone(),
        fingerprint: offload.fingerprint(),
        coverage: Coverage::of(&candidate.mapped.rows)?,
        wanted: Coverage::of(&Region::none())?,
        keys: planning::keys(&candidate.sides, &candidate.mapped.rows),
        filled_by: (!candidate.mapped.rows.is_all()).then_some(PredicateType::Predicate),
        rows,
        chunk,
    };
    let backend: &dyn Backend = candidate.sides.backend.as_ref();
    let proof = serde_json::to_value(&proof).map_err(|error| Error::internal(error.to_string()))?;
    backend
        .publish(&Publication {
            target: definition.clone(),
            change: Change::None,
            mode: Mode::Append,
            record: StoredRecord {
                sequence: 1,
                fence: held.fence(),
                manifest: manifest.id.clone(),
                body: record.body()?,
            },
            manifest,
            proof,
        })
        .await
}
