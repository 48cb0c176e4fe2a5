//! Cutting a table: by its partitions, and where they are too large by ranges of the clustered key,
//! or by a hash of another one.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::scalar::ScalarValue;
use tiberius::Row;

use super::catalog::{Part, Relation};
use super::connect::Settings;
use super::decode::{Decoder, decoder};
use super::dialect::{SqlServer, Wire, wire};
use super::hashes::{self, Hash};
use super::partitions::{membership, partition_of};
use super::session::Session;
use super::state::one_reader;
use crate::error::{Error, Result};
use crate::frontend::{Dialect, RelationKind, SourceTable, Split, Splits};
use crate::schema::Column;

/// How much of a table is looked at for boundaries.
const SAMPLED_BYTES: u64 = 256 << 20;

/// The most pieces that a partition, or a table without any, is cut into.
const MOST_TILES: u64 = 2000;

/// Splits of about `bytes` each.
pub(super) async fn cut(
    settings: &Arc<Settings>,
    relation: &Relation,
    table: &SourceTable,
    bytes: u64,
) -> Result<Splits> {
    let bytes = bytes.max(1);
    match table.kind {
        RelationKind::View => return Ok(Splits::one("a view has no rows of its own")),
        RelationKind::Foreign => {
            return Ok(Splits::one("the rows of an external table are elsewhere"));
        }
        _ => {}
    }
    let largest = relation.parts.iter().map(|part| part.bytes).max();
    let tiles = largest.unwrap_or_default().div_ceil(bytes).min(MOST_TILES);
    let (cut, why_not) = match key(relation, table) {
        Ok(key) => (Cut::Ranges(key), None),
        Err(why_not) => hashed(settings, relation, table, why_not),
    };
    let found = match cut {
        Cut::Ranges(key) if tiles > 1 => {
            let mut session = Session::open(settings).await?;
            let found = boundaries(&mut session, relation, table, key, tiles).await?;
            settings.shelf.keep(session);
            found
        }
        _ => Boundaries::default(),
    };
    let list: Vec<Split> = relation
        .parts
        .iter()
        .flat_map(|part| pieces(part, &cut, &found, bytes))
        .collect();
    let has_partitions = relation.parts.iter().any(|part| part.function.is_some());
    let is_cut = list.len() > relation.parts.len();
    if list.len() <= 1 {
        let why = match (why_not, tiles) {
            (Some(why), 2..) if matches!(cut, Cut::Hash(_)) => {
                format!("{why}, and it is too small for several scans by a hash of another")
            }
            (Some(why), 2..) => why,
            _ => "it is smaller than two splits".to_owned(),
        };
        return Ok(Splits::one(why));
    }
    let (kind, cost) = match is_cut {
        true => cut.kind_and_cost(has_partitions),
        false => ("partitions", ""),
    };
    Ok(Splits {
        kind,
        reason: why_not.filter(|_| tiles > 1).map(|why| why + cost),
        list,
    })
}

/// What a part that is too large is cut by.
enum Cut<'a> {
    Ranges(&'a Column),
    Hash(Hash),
    Nothing,
}

impl Cut<'_> {
    /// For the plan.
    fn kind_and_cost(&self, has_partitions: bool) -> (&'static str, &'static str) {
        match (self, has_partitions) {
            (Self::Hash(_), true) => (
                "partitions and hash of the key",
                ", so each split scans a whole partition",
            ),
            (Self::Hash(_), false) => ("hash of the key", ", so each split scans the whole table"),
            (_, true) => ("partitions and key ranges", ""),
            (_, false) => ("key ranges", ""),
        }
    }
}

/// A hash of a key, where the scans of several readers at once are worth something; and why no
/// ranges, or nothing at all.
fn hashed<'a>(
    settings: &Settings,
    relation: &Relation,
    table: &SourceTable,
    why_not: String,
) -> (Cut<'a>, Option<String>) {
    if let Some(one) = one_reader(relation, settings) {
        let why = format!("{why_not}, and a hash of another is nothing for one reader: {one}");
        return (Cut::Nothing, Some(why));
    }
    match hashes::key(relation, table) {
        Some(hash) => (Cut::Hash(hash), Some(why_not)),
        None => {
            let why = format!("{why_not}, and it has no unique key to hash");
            (Cut::Nothing, Some(why))
        }
    }
}

/// The first column of the clustered key, if ranges of it can be read; else why not.
fn key<'a>(relation: &Relation, table: &'a SourceTable) -> Result<&'a Column, String> {
    let clustered = relation.indexes.iter().find(|index| index.kind == 1);
    let Some(clustered) = clustered else {
        let is_heap = relation.indexes.iter().any(|index| index.kind == 0);
        return Err(match is_heap {
            true => "a heap has no clustered key".to_owned(),
            false => "a columnstore has no clustered key".to_owned(),
        });
    };
    let first = clustered.key.first().map(String::as_str);
    let column = table
        .columns
        .iter()
        .find(|column| Some(column.name.as_str()) == first)
        .ok_or("the clustered key is not read")?;
    match wire(column) {
        Wire::Integer
        | Wire::Numeric
        | Wire::Date
        | Wire::SmallDateTime
        | Wire::DateTime
        | Wire::DateTime2
        | Wire::DateTimeOffset => Ok(column),
        _ => Err(format!(
            "the clustered key begins with \"{}\", which is neither a number nor a day",
            column.name
        )),
    }
}

/// Where the partitions may be cut: per number of a partition, its boundaries.
#[derive(Debug, Default)]
struct Boundaries(Vec<(i64, Vec<ScalarValue>)>);

impl Boundaries {
    fn of(&self, part: i64) -> &[ScalarValue] {
        let found = self.0.iter().find(|(number, _)| *number == part);
        found.map_or(&[], |(_, values)| values)
    }
}

/// Asks for the least key of each of so many tiles of every partition, by a sample of its rows.
async fn boundaries(
    session: &mut Session,
    relation: &Relation,
    table: &SourceTable,
    key: &Column,
    tiles: u64,
) -> Result<Boundaries> {
    let doing = format!("Table {} can't be cut into splits", table.name);
    let sql = boundary_sql(relation, key, tiles);
    let answer = session.ask(&doing, &sql).await?;
    let rows: Vec<Row> = answer.into_iter().flatten().collect();
    let mut part_of = decoder(Wire::Integer, &arrow::datatypes::DataType::Int64, 0)?;
    let mut value_of = decoder(wire(key), &key.canonical.to_arrow(), 0)?;
    for row in rows {
        let mut values = row.into_iter();
        let (part, _, value) = (values.next(), values.next(), values.next());
        let (Some(part), Some(value)) = (part, value) else {
            return Err(Error::internal(doing));
        };
        let wrong = |_| Error::internal(doing.clone());
        part_of.take(part).map_err(wrong)?;
        // A key that can't be read is found when its row is; no split need begin there.
        let outside = value_of.take(value).is_err();
        if outside {
            value_of.append_null();
        }
    }
    group(part_of, value_of)
}

fn group(mut part_of: Box<dyn Decoder>, mut value_of: Box<dyn Decoder>) -> Result<Boundaries> {
    let (parts, values) = (part_of.finish(), value_of.finish());
    let parts = Arc::clone(&parts);
    let mut found = Boundaries::default();
    for (i, part) in parts.as_primitive::<Int64Type>().iter().enumerate() {
        let value = ScalarValue::try_from_array(&values, i)?;
        let Some(part) = part.filter(|_| !value.is_null()) else {
            continue;
        };
        match found.0.last_mut() {
            Some((number, values)) if *number == part => {
                if values.last() != Some(&value) {
                    values.push(value);
                }
            }
            _ => found.0.push((part, vec![value])),
        }
    }
    Ok(found)
}

fn boundary_sql(relation: &Relation, key: &Column, tiles: u64) -> String {
    let function = relation
        .parts
        .iter()
        .find_map(|part| part.function.as_ref());
    let part = function.and_then(|function| {
        let key = function.key.as_deref()?;
        Some(partition_of(&function.name, key))
    });
    let over = part.as_ref().map(|part| format!("PARTITION BY {part} "));
    let part = part.unwrap_or_else(|| "1".to_owned());
    let sampled = sample(relation.bytes());
    let (name, value) = (SqlServer.quote(&key.name), SqlServer.read_column(key));
    let from = relation.quoted();
    format!(
        "SELECT part, tile, MIN(boundary) AS boundary FROM (SELECT {part} AS part, \
         {value} AS boundary, NTILE({tiles}) OVER ({}ORDER BY {name}) AS tile \
         FROM {from}{sampled} WHERE {name} IS NOT NULL) AS sampled \
         GROUP BY part, tile ORDER BY part, tile",
        over.unwrap_or_default()
    )
}

/// The part of a table that is looked at.
fn sample(bytes: u64) -> String {
    let percent = SAMPLED_BYTES * 100 / bytes.max(1);
    match percent {
        100.. => String::new(),
        percent => format!(" TABLESAMPLE ({} PERCENT) REPEATABLE (1)", percent.max(1)),
    }
}

/// The splits of a part: open at both ends of the key, so that no row of tomorrow is left out.
fn pieces(part: &Part, cut: &Cut<'_>, found: &Boundaries, bytes: u64) -> Vec<Split> {
    let member = membership(part);
    let wanted = part.bytes.div_ceil(bytes);
    let ranges = match cut {
        Cut::Ranges(key) => ranges(key, &thinned(found.of(part.number), wanted)),
        Cut::Hash(hash) => hash.pieces(wanted),
        Cut::Nothing => vec![None],
    };
    let count = ranges.len() as u64;
    // What the server reads for a piece, which decides how long it may be silent.
    let read = match cut {
        Cut::Hash(_) => part.bytes,
        _ => part.bytes / count,
    };
    ranges
        .into_iter()
        .map(|range| Split {
            relation: None,
            predicate: match (member.clone(), range) {
                (Some(member), Some(range)) => Some(format!("{member} AND {range}")),
                (member, range) => member.or(range),
            },
            rows: Some(part.rows / count),
            bytes: Some(read),
        })
        .collect()
}

/// As many boundaries as are wanted of those that there are, without the first: it begins what is
/// open.
fn thinned(values: &[ScalarValue], wanted: u64) -> Vec<ScalarValue> {
    let count = values.len() as u64;
    let pieces = wanted.clamp(1, count.max(1));
    let at = |piece: u64| usize::try_from(piece * count / pieces).unwrap_or_default();
    (1..pieces)
        .filter_map(|piece| values.get(at(piece)).cloned())
        .collect()
}

fn ranges(key: &Column, boundaries: &[ScalarValue]) -> Vec<Option<String>> {
    let name = SqlServer.quote(&key.name);
    let texts: Vec<String> = boundaries
        .iter()
        .filter_map(|value| SqlServer.literal(key, value))
        .collect();
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else {
        return vec![None];
    };
    let below = match key.nullable {
        true => format!("({name} < {first} OR {name} IS NULL)"),
        false => format!("{name} < {first}"),
    };
    let between = texts
        .iter()
        .zip(texts.iter().skip(1))
        .map(|(from, to)| format!("{name} >= {from} AND {name} < {to}"));
    let mut list = vec![Some(below)];
    list.extend(between.map(Some));
    list.push(Some(format!("{name} >= {last}")));
    list
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::MsSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::systems::sqlserver::native::Native;
    use crate::systems::sqlserver::types::canonical;

    fn column(nullable: bool) -> Column {
        let mapping = canonical(&Native::parse("bigint").unwrap()).unwrap();
        Column::new("k]", "bigint", nullable, mapping)
    }

    #[test]
    fn ranges_leave_no_row_out() {
        let values = [1, 5, 9].map(|n| ScalarValue::Int64(Some(n)));
        let list: Vec<String> = ranges(&column(true), &values)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(
            list,
            [
                "([k]]] < 1 OR [k]]] IS NULL)",
                "[k]]] >= 1 AND [k]]] < 5",
                "[k]]] >= 5 AND [k]]] < 9",
                "[k]]] >= 9"
            ]
        );
        assert_eq!(ranges(&column(true), &[]), [None]);
    }

    #[test]
    fn large_tables_are_sampled() {
        assert_eq!(sample(0), "");
        assert_eq!(sample(SAMPLED_BYTES), "");
        assert_eq!(
            sample(SAMPLED_BYTES * 4),
            " TABLESAMPLE (25 PERCENT) REPEATABLE (1)"
        );
        assert_eq!(sample(u64::MAX), " TABLESAMPLE (1 PERCENT) REPEATABLE (1)");
    }

    #[test]
    fn what_asks_for_boundaries_is_t_sql() {
        let sql = "SELECT part, tile, MIN(boundary) AS boundary FROM (SELECT 1 AS part, \
                   [k] AS boundary, NTILE(16) OVER (ORDER BY [k]) AS tile FROM [dbo].[t] \
                   WHERE [k] IS NOT NULL) AS sampled GROUP BY part, tile ORDER BY part, tile";
        assert!(Parser::parse_sql(&MsSqlDialect {}, sql).is_ok());
    }

    proptest! {
        #[test]
        fn boundaries_are_thinned_evenly(count in 0_usize..200, wanted in 0_u64..300) {
            let values: Vec<ScalarValue> =
                (0..count as i64).map(|n| ScalarValue::Int64(Some(n))).collect();
            let kept = thinned(&values, wanted);
            let most = wanted.clamp(1, (count as u64).max(1)) - 1;
            prop_assert_eq!(kept.len() as u64, most);
            prop_assert!(kept.windows(2).all(|pair| pair[0].partial_cmp(&pair[1]).is_some_and(|o| o.is_lt())));
            prop_assert!(kept.first() != values.first() || kept.is_empty());
        }
    }
}
