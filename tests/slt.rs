//! What SQL over connections answers: `tests/slt/*.slt`, run by sqllogictest against the library's
//! session. Columns are typed `T` text, `I` whole number, `R` float, `?` anything else.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use goe::Error;
use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Interrupt, Unwatched};
use goe::session::{Answer, Session};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use crate::project::Project;
use crate::source::files;

/// A small shop; the script may be read by a person.
const SHOP: &str = include_str!("slt/shop.sql");

struct Connection(Session);

#[async_trait]
impl AsyncDB for Connection {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let answer = self
            .0
            .execute(sql, Arc::new(Unwatched), Interrupt::never())
            .await?;
        let frame = match answer {
            Answer::Rows(frame) => frame,
            other => return Ok(told(other)),
        };
        let fields = frame.schema().fields().clone();
        let types: Vec<_> = fields
            .iter()
            .map(|field| column_type(field.data_type()))
            .collect();
        if types.is_empty() {
            frame.collect().await?;
            return Ok(DBOutput::StatementComplete(0));
        }
        let mut rows = Vec::new();
        for batch in frame.collect().await? {
            rows.extend(cells(&batch));
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "goe"
    }
}

fn cells(batch: &RecordBatch) -> impl Iterator<Item = Vec<String>> + '_ {
    let row = |row| batch.columns().iter().map(move |column| shown(column, row));
    (0..batch.num_rows()).map(move |index| row(index).collect())
}

/// What a statement of goe itself answers, as rows of text: what became of a run and its rows,
/// whether both sides are equal, why a plan has nothing to do or its window, each line of a text.
fn told(answer: Answer) -> DBOutput<DefaultColumnType> {
    let rows: Vec<Vec<String>> = match answer {
        Answer::Rows(_) => panic!("rows are read"),
        Answer::Plan(plan) => vec![vec![match plan.nothing_to_do() {
            Some(_) => "nothing to do".to_owned(),
            None => plan.to_json()["window"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }]],
        Answer::Preview(preview) => preview.rows.iter().flat_map(cells).collect(),
        Answer::Ran(outcome) => vec![vec![
            match &outcome.nothing_to_do {
                Some(_) => "nothing to do".to_owned(),
                None => "published".to_owned(),
            },
            outcome.rows.to_string(),
        ]],
        Answer::Verified(found) => vec![vec![
            if found.equal() { "equal" } else { "different" }.to_owned(),
            found.target_rows.to_string(),
        ]],
        Answer::Text(text) => text.lines().map(|line| vec![line.to_owned()]).collect(),
        Answer::Done(_) => return DBOutput::StatementComplete(0),
    };
    let width = rows.first().map_or(1, Vec::len);
    DBOutput::Rows {
        types: vec![DefaultColumnType::Text; width],
        rows,
    }
}

fn column_type(arrow: &DataType) -> DefaultColumnType {
    match arrow {
        integer if integer.is_integer() => DefaultColumnType::Integer,
        DataType::Float32 | DataType::Float64 => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    }
}

fn shown(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    match array_value_to_string(column, row).expect("a printable value") {
        text if text.is_empty() => "(empty)".to_owned(),
        text => text,
    }
}

/// A session over the shop, with its orders offloaded by month.
async fn session(project: &Project) -> Session {
    let text = std::fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    let config = Config::parse(&text, &project.path("")).expect("a configuration");
    let session = Session::new(config).expect("a session");
    let spec = OffloadSpec {
        from: Some("shop.main.orders".to_owned()),
        to: "lake.dw.orders".to_owned(),
        partition_by: vec!["month(placed)".to_owned()],
        ..OffloadSpec::default()
    };
    let offload = spec.validate().expect("an offload");
    let outcome = session
        .offload(
            &offload,
            &Take::New,
            Arc::new(Unwatched),
            Interrupt::never(),
        )
        .await;
    assert_eq!(outcome.expect("published").rows, 6);
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn every_script_answers_as_written() {
    let project = Project::with(SHOP);
    let session = session(&project).await;
    let scripts = files("tests/slt");
    let scripts = scripts
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "slt"));
    let mut wrong = Vec::new();
    for script in scripts {
        let mut runner = Runner::new(|| async { Ok(Connection(session.clone())) });
        if let Err(error) = runner.run_file_async(script).await {
            wrong.push(error.display(false).to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
