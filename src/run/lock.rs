//! A target held by this run, renewed while it works and freed when it is dropped.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::error::Result;
use crate::fault;
use crate::offload::Plan;
use crate::repository::{Lease, Repository};

/// Renews a lease again and again. What fails now is tried again; a lease that is lost stays so, and
/// shows at the publish, whose fence is refused then.
async fn renew(repository: Arc<Repository>, lease: Lease) {
    loop {
        tokio::time::sleep(repository.renewal()).await;
        let (keeper, kept) = (Arc::clone(&repository), lease.clone());
        // A server may take its time to answer, and other work goes on meanwhile.
        let renew = move || {
            let renewed = keeper.renew(&kept);
            renewed.and_then(|()| fault::point("lock.renewed"))
        };
        let _ = tokio::task::spawn_blocking(renew).await;
    }
}

/// A held target.
pub(super) struct Held {
    repository: Arc<Repository>,
    lease: Lease,
    renewal: JoinHandle<()>,
}

impl Held {
    /// Takes the target of a plan for a run.
    pub(super) fn take(repository: &Arc<Repository>, plan: &Plan, run: &str) -> Result<Self> {
        let above = plan.stored_record().map_or(0, |record| record.fence);
        Self::take_above(repository, &plan.definition.name.to_string(), run, above)
    }

    /// Takes a target whose record has the fence `above`.
    pub(super) fn take_above(
        repository: &Arc<Repository>,
        target: &str,
        run: &str,
        above: u64,
    ) -> Result<Self> {
        let lease = repository.lock(target, run, above)?;
        let renewal = tokio::spawn(renew(Arc::clone(repository), lease.clone()));
        let held = Self {
            repository: Arc::clone(repository),
            lease,
            renewal,
        };
        fault::point("lock.taken")?;
        Ok(held)
    }

    pub(super) fn fence(&self) -> u64 {
        self.lease.fence
    }

    /// Proves that the target is still this run's.
    pub(super) fn check(&self) -> Result<()> {
        self.repository.renew(&self.lease)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
        // If it can't be freed now it expires by itself.
        let _ = self.repository.free(&self.lease);
        let _ = fault::point("lock.freed");
    }
}
