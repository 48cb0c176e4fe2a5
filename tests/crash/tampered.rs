//! Files that change between their staging and their proof: nothing of them is ever seen, and the
//! error names the rows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchReader, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int64Type};
use goe::ErrorKind;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::job::{Job, Server};
use super::tell;
use crate::project::{Ran, files_below};

/// Another note for every row of this id, or none of its rows at all.
#[derive(Debug, Clone, Copy)]
enum Change {
    Note(i64),
    Lost(i64),
}

fn rows(path: &Path) -> RecordBatch {
    let file = File::open(path).expect("a staged file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.build())
        .expect("Parquet");
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("rows")).collect();
    concat_batches(&schema, &batches).expect("one batch")
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    let ids = batch.column_by_name("id").expect("id");
    let ids = cast(ids, &DataType::Int64).expect("numbers");
    ids.as_primitive::<Int64Type>().values().to_vec()
}

fn changed(batch: &RecordBatch, change: Change) -> Option<RecordBatch> {
    let (Change::Note(id) | Change::Lost(id)) = change;
    let at = ids(batch).into_iter().position(|one| one == id)?;
    if let Change::Lost(_) = change {
        let parts = [
            batch.slice(0, at),
            batch.slice(at + 1, batch.num_rows() - at - 1),
        ];
        return Some(concat_batches(&batch.schema(), &parts).expect("the others"));
    }
    let column = batch.schema().index_of("note").expect("note");
    let notes = cast(batch.column(column), &DataType::Utf8).expect("text");
    let notes = notes.as_string::<i32>().iter().enumerate();
    let notes: StringArray = notes
        .map(|(row, note)| if row == at { Some("another") } else { note })
        .collect();
    let notes: ArrayRef = Arc::new(notes);
    let mut columns = batch.columns().to_vec();
    columns[column] = cast(&notes, batch.column(column).data_type()).expect("text");
    Some(RecordBatch::try_new(batch.schema(), columns).expect("as before"))
}

/// A file of these rows and of this length: what is wrong must be its rows alone.
fn file_of(batch: &RecordBatch, length: usize) -> Vec<u8> {
    let level = ZstdLevel::try_new(9).expect("a level");
    (0..4000)
        .map(|padding| {
            let note = KeyValue::new("padding".to_owned(), "x".repeat(padding));
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(level))
                .set_key_value_metadata(Some(vec![note]))
                .build();
            let options = parquet::arrow::arrow_writer::ArrowWriterOptions::new()
                .with_properties(properties)
                .with_skip_arrow_metadata(true);
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options)
                .expect("a writer");
            writer.write(batch).expect("rows");
            writer.close().expect("a file");
            bytes
        })
        .find(|bytes| bytes.len() == length)
        .expect("a file of that length")
}

/// Changes the staged file that holds the row.
fn tamper(folder: &Path, change: Change) {
    let files = files_below(folder).into_iter();
    let parquet = files.filter(|name| name.ends_with(".parquet"));
    for path in parquet.map(|name| PathBuf::from(folder).join(name)) {
        if let Some(batch) = changed(&rows(&path), change) {
            let length = fs::metadata(&path).expect("a staged file").len();
            let bytes = file_of(&batch, usize::try_from(length).expect("a length"));
            fs::write(&path, bytes).expect("the file is written");
            return;
        }
    }
    panic!("no staged file holds the row of {change:?}");
}

/// Runs a job whose staged rows are changed before they are proved.
fn run(job: &Job, change: Change) -> Ran {
    let command = job.faulty("verify.begun=hang:4000@1");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !job.reached().1 {
                std::thread::sleep(Duration::from_millis(10));
            }
            tamper(&job.folder(), change);
        });
        Ran::of(command)
    })
}

#[test]
fn rows_that_change_while_they_are_staged_are_named_and_never_seen() {
    let server = Server::with_partitions("tampered", 3, 300);
    let mut jobs = vec![Job::of_file(300)];
    if let Some(server) = &server {
        server.psql("ALTER TABLE orders ADD UNIQUE (id, sold), ALTER id SET NOT NULL, ALTER sold SET NOT NULL");
        jobs.push(Job::of_server_at_once(server, 300, "2"));
    }
    for job in &jobs {
        for (change, named) in [
            (Change::Note(17), ["id = 17", "column \"note\" differs"]),
            (Change::Lost(211), ["id = 211", "is missing in the target"]),
        ] {
            let ran = run(job, change).tells(ErrorKind::Verify);
            let ran = ran.says(&["nothing was published"]);
            let error = ran.stderr.replace("\\\"", "\"");
            assert!(named.iter().all(|words| error.contains(words)), "{ran}");
            assert_eq!(job.visible(), Vec::<i64>::new());
            fs::remove_file(job.project.path("faults")).expect("a log");
            job.project.goe(&["clean", "lake.dw.orders", "-x"]).ok();
        }
        job.finish("a staged file that changed");
    }
    tell(
        "rows that change while they are staged",
        &format!(
            "{} runs, each refused and its row named, 0 published",
            2 * jobs.len()
        ),
    );
}
