//! Every fault point.

/// The operations of which the Nth call can fail, and what they are.
pub const OPERATIONS: [(&str, &str); 4] = [
    (
        "store",
        "a request to the store of a target, before it is made",
    ),
    (
        "answer",
        "the answer to a request that wrote: the store has done it",
    ),
    ("repository", "a statement of the repository"),
    ("source", "an opening, a statement or a batch of a source"),
];

/// Every fault point, and what has just happened there unless it says otherwise.
pub const POINTS: &[(&str, &str)] = &[
    (
        "migrate.begun",
        "the repository is locked for its migrations",
    ),
    (
        "migrate.applied",
        "one migration is done, not yet committed",
    ),
    ("migrate.committed", "the repository has its new shape"),
    ("run.begun", "the run is in the repository"),
    ("describe.begun", "the step Describe is in the repository"),
    (
        "describe.ended",
        "the step Describe has ended well, and the repository knows",
    ),
    ("plan.begun", "the step Plan is in the repository"),
    (
        "plan.ended",
        "the step Plan has ended well, and the repository knows",
    ),
    ("prepare.begun", "the step Prepare is in the repository"),
    ("lock.taken", "the target is this run's"),
    (
        "prepare.ended",
        "the step Prepare has ended well, and the repository knows",
    ),
    ("lock.renewed", "the lease was made longer by the clock"),
    (
        "stage.begun",
        "the step Stage of a chunk is in the repository",
    ),
    ("snapshot.opened", "a chunk has its state of the source"),
    ("read.first_batch", "the first rows of a split are here"),
    ("read.last_batch", "all rows of a split are here"),
    ("file.opened", "a staged file is begun"),
    (
        "file.filled",
        "a staged file has all its rows; its upload is not complete",
    ),
    ("file.uploaded", "a staged file is in the store"),
    (
        "manifest.made",
        "every file of a chunk is in the store and listed",
    ),
    (
        "stage.ended",
        "the step Stage has ended well, and the repository knows",
    ),
    (
        "load.begun",
        "the step Load of a chunk is in the repository",
    ),
    (
        "load.ended",
        "the step Load has ended well, and the repository knows",
    ),
    (
        "verify.begun",
        "the step Verify of a chunk is in the repository",
    ),
    (
        "verify.ended",
        "a chunk is proved, and the repository knows",
    ),
    (
        "publish.begun",
        "the step Publish of a chunk is in the repository",
    ),
    (
        "lock.checked",
        "the target is still this run's; a publish follows",
    ),
    (
        "replace.rewritten",
        "rows that stay of a replaced file are in a new one",
    ),
    (
        "publish.prepared",
        "the entry of the log is made, not written",
    ),
    ("publish.proof_written", "the proof is beside the table"),
    (
        "publish.before_commit",
        "the entry of the log is about to be written",
    ),
    (
        "publish.committed",
        "the chunk is visible; nobody else knows",
    ),
    ("checkpoint.due", "a checkpoint is about to be written"),
    ("checkpoint.written", "the checkpoint is there"),
    (
        "publish.unheard",
        "the chunk is visible; the repository does not know",
    ),
    ("record.mirrored", "the repository has the target's record"),
    (
        "publish.ended",
        "the step Publish has ended well, and the repository knows",
    ),
    (
        "chunk.kept",
        "the repository has the chunk, its files and its proof",
    ),
    ("lock.freed", "the target is nobody's"),
    (
        "run.ending",
        "the run is about to be ended in the repository",
    ),
    ("run.ended", "the run is ended in the repository"),
    ("clean.listed", "the files that nothing needs are known"),
    ("clean.removed", "one of them is gone"),
];
