//! A Delta table read by its protocol: the log's JSON in order, then the Parquet files that live.
//!
//! None of goe's code and none of its Delta crate is used, so that both can be wrong.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// What the log says of one table.
pub struct Table {
    folder: PathBuf,
    /// The last version.
    pub version: u64,
    /// The `add` actions that no later action took away, by path.
    pub files: BTreeMap<String, Value>,
    /// The last `metaData` action.
    pub metadata: Value,
}

impl Table {
    /// Replays the log; a table without checkpoints.
    pub fn read(folder: &Path) -> Self {
        let mut table = Self {
            folder: folder.to_owned(),
            version: 0,
            files: BTreeMap::new(),
            metadata: Value::Null,
        };
        for version in 0.. {
            let path = folder.join(format!("_delta_log/{version:020}.json"));
            let Ok(commit) = fs::read_to_string(&path) else {
                break;
            };
            table.version = version;
            commit.lines().for_each(|line| table.apply(line));
        }
        assert!(
            !table.metadata.is_null(),
            "no Delta table in {}",
            folder.display()
        );
        table
    }

    fn apply(&mut self, line: &str) {
        let action: Value = serde_json::from_str(line).expect("an action of the log");
        let path = |action: &Value| action["path"].as_str().expect("a path").to_owned();
        if let Some(add) = action.get("add") {
            self.files.insert(path(add), add.clone());
        } else if let Some(remove) = action.get("remove") {
            self.files.remove(&path(remove));
        } else if let Some(metadata) = action.get("metaData") {
            self.metadata = metadata.clone();
        }
    }

    /// How many rows live, by the files' own footers.
    pub fn rows(&self) -> usize {
        self.batches().iter().map(RecordBatch::num_rows).sum()
    }

    /// Every live row.
    pub fn batches(&self) -> Vec<RecordBatch> {
        self.files.keys().flat_map(|path| self.file(path)).collect()
    }

    fn file(&self, path: &str) -> Vec<RecordBatch> {
        let file = File::open(self.folder.join(decoded(path))).expect("a live file exists");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|file| file.build());
        reader
            .expect("a Parquet file")
            .map(|batch| batch.expect("a batch"))
            .collect()
    }

    /// A column of whole numbers, sorted.
    pub fn numbers(&self, column: &str) -> Vec<i64> {
        let mut numbers = Vec::new();
        for array in self.column(column) {
            let array = cast(&array, &DataType::Int64).expect("whole numbers");
            numbers.extend(array.as_primitive::<Int64Type>().iter().flatten());
        }
        numbers.sort_unstable();
        numbers
    }

    /// A column as text, NULL as `NULL`, in the order of a column of whole numbers.
    pub fn texts(&self, column: &str, by: &str) -> Vec<String> {
        let keys = self.column(by).into_iter().flat_map(|keys| {
            let keys = cast(&keys, &DataType::Int64).expect("whole numbers");
            keys.as_primitive::<Int64Type>().values().to_vec()
        });
        let texts = self.column(column).into_iter().flat_map(|array| {
            (0..array.len())
                .map(|row| shown(&array, row))
                .collect::<Vec<_>>()
        });
        let mut rows: Vec<(i64, String)> = keys.zip(texts).collect();
        rows.sort();
        rows.into_iter().map(|(_, text)| text).collect()
    }

    fn column(&self, name: &str) -> Vec<ArrayRef> {
        let column = |batch: &RecordBatch| {
            batch
                .column_by_name(name)
                .unwrap_or_else(|| panic!("no column {name}"))
                .clone()
        };
        self.batches().iter().map(column).collect()
    }

    /// The values of a partition column over the live files, sorted, each once.
    pub fn partitions(&self, column: &str) -> Vec<String> {
        let value = |add: &Value| {
            add["partitionValues"][column]
                .as_str()
                .unwrap_or("NULL")
                .to_owned()
        };
        let mut values: Vec<String> = self.files.values().map(value).collect();
        values.sort();
        values.dedup();
        values
    }

    /// The names of the table's columns.
    pub fn columns(&self) -> Vec<String> {
        let schema = self.metadata["schemaString"].as_str().expect("a schema");
        let schema: Value = serde_json::from_str(schema).expect("a schema");
        let fields = schema["fields"].as_array().expect("fields").iter();
        fields
            .map(|field| field["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// The Parquet files on disk that the log does not name.
    pub fn orphans(&self) -> Vec<String> {
        let live: Vec<String> = self.files.keys().map(|path| decoded(path)).collect();
        let on_disk = crate::project::files_below(&self.folder).into_iter();
        on_disk
            .filter(|path| path.ends_with(".parquet") && !live.contains(path))
            .collect()
    }
}

fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    array_value_to_string(array, row).expect("a printable value")
}

/// A path of the log is a URL: `%20` is a blank.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).expect("a path is UTF-8")
}
