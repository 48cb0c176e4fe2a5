//! A published table whose files are changed behind goe's back: every way in which its rows may come
//! to differ from their source.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use goe::Result;
use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Against, Interrupt, Unwatched, Verification};
use goe::schema::TableName;
use goe::session::Session;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::change::{Change, changed};
use crate::lake::Table;
use crate::project::{Project, files_below};
use crate::random::Random;

/// One column of each type that files hold.
pub const COLUMNS: [(&str, &str); 10] = [
    ("small", "DECIMAL(9,0)"),
    ("big", "BIGINT"),
    ("price", "DECIMAL(15,2)"),
    ("ratio", "DOUBLE"),
    ("flag", "BOOLEAN"),
    ("note", "TEXT"),
    ("raw", "BLOB"),
    ("born", "DATE"),
    ("seen", "TIMESTAMP"),
    ("seen_at", "TIMESTAMPTZ"),
];
pub const ROWS: usize = 60;
pub const LOG: &str = "_delta_log/00000000000000000000.json";

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    Dropped,
    Doubled,
    /// Dropped, and another one doubled, so that their number stays.
    Replaced,
    /// Moved into the file of another partition.
    Moved,
    /// The whole file says to be of another partition.
    Relabelled,
}

pub const LOSSES: [Loss; 5] = [
    Loss::Dropped,
    Loss::Doubled,
    Loss::Replaced,
    Loss::Moved,
    Loss::Relabelled,
];

/// A value of a column as SQLite is given it.
fn value(column: &str, random: &mut Random) -> String {
    if random.once_in(9) {
        return "NULL".to_owned();
    }
    let day = format!(
        "{}-{:02}-{:02}",
        random.between(1900, 2100),
        random.between(1, 12),
        random.between(1, 28)
    );
    let time = format!(
        "{day} {:02}:{:02}:07.{:06}",
        random.between(0, 23),
        random.between(0, 59),
        random.between(1, 999_999)
    );
    match column {
        "small" => random.between(-999_999_999, 999_999_999).to_string(),
        "big" => (random.bits() as i64 / 2).to_string(),
        "price" => format!(
            "'{}.{:02}'",
            random.between(-9_999_999, 9_999_999),
            random.below(100)
        ),
        "ratio" => format!(
            "{:e}",
            random.between(-1_000_000_000, 1_000_000_000) as f64 / 7.0
        ),
        "flag" => random.below(2).to_string(),
        "note" if random.once_in(4) => "''".to_owned(),
        "note" => format!("'note {}'", random.below(1_000_000)),
        "raw" => format!("x'{:016x}'", random.bits()),
        "born" => format!("'{day}'"),
        "seen" => format!("'{time}'"),
        _ => format!("'{time}+00:00'"),
    }
}

fn source(seed: u64) -> String {
    let random = &mut Random::new(seed);
    let columns = COLUMNS.map(|(name, native)| format!("{name} {native}"));
    let mut sql = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, {}, kind VARCHAR(3) NOT NULL);\n",
        columns.join(", ")
    );
    for id in 0..ROWS {
        let values = COLUMNS.map(|(name, _)| value(name, random)).join(", ");
        sql += &format!(
            "INSERT INTO t VALUES ({id}, {values}, '{}');\n",
            ["a", "b", "c"][id % 3]
        );
    }
    sql
}

/// A published table, its source beside it, and its files as they were.
pub struct Published {
    pub project: Project,
    pub folder: PathBuf,
    runtime: Runtime,
    session: Session,
    whole: BTreeMap<String, Vec<u8>>,
}

impl Published {
    pub fn new(seed: u64) -> Self {
        let project = Project::with(&source(seed));
        let text = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
        let config = Config::parse(&text, &project.path("")).expect("a configuration");
        let session = Session::new(config).expect("a session");
        let runtime = Runtime::new().expect("a runtime");
        let spec = OffloadSpec {
            from: Some("shop.main.t".to_owned()),
            to: "lake.dw.t".to_owned(),
            partition_by: vec!["kind".to_owned()],
            parallel: Some(1),
            ..OffloadSpec::default()
        };
        let offload = spec.validate().expect("an offload");
        let run = session.offload(
            &offload,
            &Take::New,
            Arc::new(Unwatched),
            Interrupt::never(),
        );
        assert_eq!(runtime.block_on(run).expect("a run").rows, ROWS as u64);
        let folder = project.path("lake/dw/t");
        let files = files_below(&folder).into_iter();
        let whole = files.map(|file| (file.clone(), fs::read(folder.join(&file)).expect("a file")));
        let whole = whole.collect();
        Self {
            project,
            runtime,
            session,
            folder,
            whole,
        }
    }

    pub fn verify(&self, against: &Against) -> Result<Verification> {
        let target = TableName::new("lake", "dw", "t");
        let found = self
            .session
            .verify(&target, against, Arc::new(Unwatched), Interrupt::never());
        self.runtime.block_on(found)
    }

    /// Makes the table's folder what it was.
    pub fn restore(&self) {
        for (file, bytes) in &self.whole {
            fs::write(self.folder.join(file), bytes).expect("a file of the lake");
        }
    }

    /// The Parquet files that live, by their paths.
    pub fn files(&self) -> Vec<String> {
        Table::read(&self.folder).files.into_keys().collect()
    }

    fn read(&self, path: &str) -> RecordBatch {
        let file = File::open(self.folder.join(path)).expect("a live file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|file| file.build());
        let batches: Vec<_> = reader
            .expect("a Parquet file")
            .map(|batch| batch.expect("rows"))
            .collect();
        concat_batches(&batches[0].schema(), &batches).expect("one schema")
    }

    /// Writes other rows into a file, and makes the log agree.
    fn write(&self, path: &str, batch: &RecordBatch) {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
        writer.write(batch).expect("rows");
        writer.close().expect("a footer");
        fs::write(self.folder.join(path), &bytes).expect("a file of the lake");
        self.edit_log(path, |add| {
            add["size"] = bytes.len().into();
            let stats: Option<Value> = add["stats"]
                .as_str()
                .map(|text| serde_json::from_str(text).expect("statistics"));
            if let Some(mut stats) = stats {
                stats["numRecords"] = batch.num_rows().into();
                add["stats"] = stats.to_string().into();
            }
        });
    }

    pub fn edit_log(&self, path: &str, edit: impl Fn(&mut Value)) {
        let log = fs::read_to_string(self.folder.join(LOG)).expect("the log");
        let lines = log.lines().map(|line| {
            let mut action: Value = serde_json::from_str(line).expect("an action");
            if action["add"]["path"] == path {
                edit(&mut action["add"]);
            }
            action.to_string() + "\n"
        });
        fs::write(self.folder.join(LOG), lines.collect::<String>()).expect("the log");
    }

    /// Does this to a random row, and gives the partitions that must be named then.
    pub fn lose(&self, loss: Loss, random: &mut Random) -> Vec<String> {
        let mut files = self.files();
        let path = files.remove(random.below(files.len()));
        let other = files.remove(random.below(files.len()));
        let batch = self.read(&path);
        let row = random.below(batch.num_rows());
        let but = (0..batch.num_rows()).filter(|at| *at != row);
        match loss {
            Loss::Dropped => self.write(&path, &rows(&batch, but)),
            Loss::Doubled => self.write(&path, &rows(&batch, (0..batch.num_rows()).chain([row]))),
            Loss::Replaced => {
                let twice = (row + 1) % batch.num_rows();
                self.write(&path, &rows(&batch, but.chain([twice])));
            }
            Loss::Moved => {
                let there = [self.read(&other), rows(&batch, [row])];
                self.write(&path, &rows(&batch, but));
                self.write(
                    &other,
                    &concat_batches(&batch.schema(), &there).expect("one schema"),
                );
            }
            Loss::Relabelled => {
                let kind = partition(&other).trim_start_matches("kind=").to_owned();
                self.edit_log(&path, |add| {
                    add["partitionValues"]["kind"] = kind.as_str().into()
                });
            }
        }
        match loss {
            Loss::Moved | Loss::Relabelled => vec![partition(&path), partition(&other)],
            _ => vec![partition(&path)],
        }
    }

    /// Does this to a random value of a column, and gives its partition; `None` if it can't be done.
    pub fn change(&self, change: Change, column: &str, random: &mut Random) -> Option<String> {
        let files = self.files();
        let path = &files[random.below(files.len())];
        let batch = self.read(path);
        let index = batch.schema().index_of(column).expect("a column");
        let changed = changed(batch.column(index), change, random)?;
        let mut columns = batch.columns().to_vec();
        columns[index] = changed;
        self.write(
            path,
            &RecordBatch::try_new(batch.schema(), columns).expect("the same schema"),
        );
        Some(partition(path))
    }
}

/// The partition of a file: its folder.
fn partition(path: &str) -> String {
    path.rsplit_once('/')
        .map_or("", |(folder, _)| folder)
        .to_owned()
}

fn rows(batch: &RecordBatch, rows: impl IntoIterator<Item = usize>) -> RecordBatch {
    let rows = UInt64Array::from_iter_values(rows.into_iter().map(|row| row as u64));
    take_record_batch(batch, &rows).expect("rows of the batch")
}
