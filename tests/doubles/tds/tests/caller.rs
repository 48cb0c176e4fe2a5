//! A client for tests: `tiberius`, and its values as text.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, ToSql, error::Error};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use crate::doubles::tds::Tds;
use crate::doubles::tds::decimal::Decimal;

/// A row as text.
pub type Row = Vec<String>;

/// A connected client.
pub struct Caller {
    pub runtime: Runtime,
    pub client: Client<Compat<TcpStream>>,
}

/// How the tests log in.
pub fn config(tds: &Tds) -> Config {
    let options = tds.options();
    let mut config = Config::new();
    config.host("localhost");
    config.port(tds.port());
    config.database(&options.database);
    config.authentication(AuthMethod::sql_server(&options.user, &options.password));
    config.encryption(EncryptionLevel::NotSupported);
    config.command_timeout(Some(Duration::from_secs(60)));
    config
}

impl Caller {
    pub fn new(tds: &Tds) -> Self {
        Self::with(tds, config(tds)).expect("a login")
    }

    pub fn with(tds: &Tds, config: Config) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let client = runtime.block_on(async {
            let socket = TcpStream::connect(("127.0.0.1", tds.port()))
                .await
                .expect("the double");
            Client::connect(config, socket.compat_write()).await
        })?;
        Ok(Self { runtime, client })
    }

    /// Runs a batch; the rows of all its results.
    pub fn batch(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, Error> {
        self.runtime.block_on(async {
            let results = self.client.simple_query(sql).await?.into_results().await?;
            let shown = |row: tiberius::Row| row.into_iter().map(|value| shown(&value)).collect();
            let rows = |result: Vec<tiberius::Row>| result.into_iter().map(shown).collect();
            Ok(results.into_iter().map(rows).collect())
        })
    }

    /// The rows of a query.
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> Vec<Row> {
        let mut results = self
            .batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(results.len(), 1, "results of {sql}");
        results.remove(0)
    }

    /// The values of a query's only column, with commas.
    #[track_caller]
    pub fn list(&mut self, sql: &str) -> String {
        self.rows(sql).concat().join(",")
    }

    /// The number of the error that a batch ends with, and what it says.
    #[track_caller]
    pub fn error(&mut self, sql: &str) -> (u32, String) {
        match self.batch(sql) {
            Err(Error::Server(error)) => (error.code(), error.message().to_owned()),
            other => panic!("{sql}: {other:?} instead of an error of the server"),
        }
    }

    /// Calls `sp_executesql`.
    pub fn call(&mut self, sql: &str, parameters: &[&dyn ToSql]) -> Result<Vec<Row>, Error> {
        self.runtime.block_on(async {
            let rows = self
                .client
                .query(sql, parameters)
                .await?
                .into_first_result()
                .await?;
            let shown = |row: tiberius::Row| row.into_iter().map(|value| shown(&value)).collect();
            Ok(rows.into_iter().map(shown).collect())
        })
    }
}

/// A value as text; temporal ones by another calendar than the double's.
pub fn shown(value: &ColumnData<'_>) -> String {
    let text = match value {
        ColumnData::U8(value) => value.map(|value| value.to_string()),
        ColumnData::I16(value) => value.map(|value| value.to_string()),
        ColumnData::I32(value) => value.map(|value| value.to_string()),
        ColumnData::I64(value) => value.map(|value| value.to_string()),
        ColumnData::F32(value) => value.map(|value| format!("{value:?}")),
        ColumnData::F64(value) => value.map(|value| format!("{value:?}")),
        ColumnData::Bit(value) => value.map(|value| i32::from(value).to_string()),
        ColumnData::String(value) => value.as_ref().map(ToString::to_string),
        ColumnData::Guid(value) => value.map(|value| value.to_string().to_uppercase()),
        ColumnData::Binary(value) => value.as_ref().map(|bytes| hex(bytes)),
        ColumnData::Numeric(value) => {
            value.map(|value| Decimal::new(value.value(), value.scale()).to_string())
        }
        ColumnData::Xml(value) => value.as_ref().map(ToString::to_string),
        ColumnData::Date(value) => value.map(|value| day(value.days()).to_string()),
        ColumnData::Time(value) => value.map(|value| fraction(time(value), value.scale())),
        ColumnData::DateTime2(value) => value.map(|value| {
            let instant = day(value.date().days()).and_time(time(value.time()));
            moment(instant, value.time().scale())
        }),
        ColumnData::DateTimeOffset(value) => value.map(|value| {
            let (universal, offset) = (value.datetime2(), value.offset());
            let instant = day(universal.date().days()).and_time(time(universal.time()));
            let local = instant + TimeDelta::minutes(offset.into());
            let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs());
            let zone = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
            moment(local, universal.time().scale()) + &zone
        }),
        ColumnData::DateTime(value) => value.map(|value| {
            let instant = since_1900(value.days().into());
            let millis = (i64::from(value.seconds_fragments()) * 10 + 1) / 3;
            moment(instant + TimeDelta::milliseconds(millis), 3)
        }),
        ColumnData::SmallDateTime(value) => value.map(|value| {
            let instant = since_1900(value.days().into());
            moment(
                instant + TimeDelta::minutes(value.seconds_fragments().into()),
                0,
            )
        }),
    };
    text.unwrap_or_else(|| "NULL".to_owned())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn day(days: u32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(days as i32 + 1).expect("a day")
}

fn since_1900(days: i64) -> NaiveDateTime {
    let first = NaiveDate::from_ymd_opt(1900, 1, 1).expect("a day");
    (first + TimeDelta::days(days)).and_time(NaiveTime::MIN)
}

fn time(time: tiberius::time::Time) -> NaiveTime {
    let nanos = time.increments() * 10_u64.pow(9 - u32::from(time.scale()));
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    NaiveTime::from_num_seconds_from_midnight_opt(seconds as u32, nanos as u32).expect("a time")
}

fn moment(instant: NaiveDateTime, scale: u8) -> String {
    format!("{} {}", instant.date(), fraction(instant.time(), scale))
}

fn fraction(time: NaiveTime, scale: u8) -> String {
    let text = time.format("%H:%M:%S.%9f").to_string();
    let length = if scale == 0 {
        8
    } else {
        9 + usize::from(scale)
    };
    text[..length].to_owned()
}
