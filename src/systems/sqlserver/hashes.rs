//! Cutting by a hash of a unique key, where ranges of no key can be read.
//!
//! `CHECKSUM` of the same values under the same collation is the same `int`, NULLs among them, so that
//! each row is in exactly one piece whatever the server's arithmetic is. No index serves it: each
//! piece scans the whole table, and so there are few of them.

use super::catalog::{Index, Relation};
use super::literal::quote;
use super::native::{Kind, Native};
use crate::frontend::SourceTable;
use crate::schema::Column;

/// How many pieces there may be. Primes beside 2 and 5: the hash of a whole number may be the number
/// itself, and keys are often multiples of two or ten.
const PIECES: [u64; 2] = [3, 7];

/// A table of fewer splits than this is not worth the scans.
const FEWEST: u64 = 4;

/// The columns whose hash decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hash(Vec<String>);

/// The key to hash: the primary one, else a unique one, one without NULLs first.
pub(super) fn key(relation: &Relation, table: &SourceTable) -> Option<Hash> {
    let mut unique: Vec<&Index> = relation.unique_indexes().collect();
    unique.sort_by_key(|index| (!index.primary, has_nulls(index, table)));
    let hashed = |index: &Index| {
        let columns = columns(index, table).filter(|column| is_hashed(column));
        Hash(columns.map(|column| quote(&column.name)).collect())
    };
    unique
        .into_iter()
        .map(hashed)
        .find(|Hash(columns)| !columns.is_empty())
}

fn columns<'a>(index: &'a Index, table: &'a SourceTable) -> impl Iterator<Item = &'a Column> {
    let named = |name: &String| table.columns.iter().find(|column| column.name == *name);
    index.key.iter().filter_map(named)
}

fn has_nulls(index: &Index, table: &SourceTable) -> bool {
    columns(index, table).any(|column| column.nullable)
}

/// Whether the server hashes it, and the same value always alike.
fn is_hashed(column: &Column) -> bool {
    let Some(native) = Native::parse(&column.native) else {
        return false;
    };
    match native.kind {
        Kind::Xml
        | Kind::Json
        | Kind::HierarchyId
        | Kind::Geography
        | Kind::Geometry
        | Kind::Variant
        | Kind::Other => false,
        kind => !kind.is_unbounded(),
    }
}

impl Hash {
    /// The predicates of the pieces of what is as large as so many splits; none where it is not
    /// worth the scans.
    pub(super) fn pieces(&self, wanted: u64) -> Vec<Option<String>> {
        let count = PIECES.into_iter().rfind(|pieces| *pieces <= wanted);
        match count.filter(|_| wanted >= FEWEST) {
            None => vec![None],
            Some(count) => (0..count)
                .map(|piece| Some(self.piece(piece, count)))
                .collect(),
        }
    }

    /// The remainder is taken before the sign is: the least `int` has no absolute value.
    fn piece(&self, piece: u64, of: u64) -> String {
        format!("ABS(CHECKSUM({}) % {of}) = {piece}", self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::MsSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::frontend::RelationKind;
    use crate::schema::TableName;
    use crate::systems::sqlserver::testing;
    use crate::systems::sqlserver::types::canonical;

    fn column(name: &str, native: &str, nullable: bool) -> Column {
        let mapping = canonical(&Native::parse(native).unwrap()).unwrap();
        Column::new(name, native, nullable, mapping)
    }

    fn table(columns: Vec<Column>) -> SourceTable {
        SourceTable {
            name: TableName::new("c", "dbo", "t"),
            kind: RelationKind::Table,
            columns,
            primary_key: Vec::new(),
            unique: Vec::new(),
            rows: None,
            bytes: None,
            comment: None,
            partitions: None,
        }
    }

    fn chosen(indexes: Vec<Index>) -> Option<String> {
        let table = table(vec![
            column("id", "int", false),
            column("a", "nvarchar(20)", true),
            column("b", "decimal(12,2)", false),
            column("path", "hierarchyid", false),
        ]);
        let mut relation = testing::relation();
        relation.indexes = indexes;
        key(&relation, &table).map(|hash| hash.piece(1, 3))
    }

    #[test]
    fn the_best_unique_key_is_hashed() {
        let primary = testing::index(&["id"], true, true);
        let with_nulls = testing::index(&["a", "b"], true, false);
        let without = testing::index(&["b", "path"], true, false);
        let path = testing::index(&["path"], true, false);
        let plain = testing::index(&["b"], false, false);
        let unread = testing::index(&["hidden"], true, false);
        let of = |list: &[&Index]| chosen(list.iter().map(|index| (*index).clone()).collect());
        let hashed = |columns: &str| Some(format!("ABS(CHECKSUM({columns}) % 3) = 1"));
        assert_eq!(of(&[&with_nulls, &without, &primary]), hashed("[id]"));
        assert_eq!(of(&[&with_nulls, &without]), hashed("[b]"));
        assert_eq!(of(&[&with_nulls, &path]), hashed("[a], [b]"));
        assert_eq!(of(&[&path, &plain, &unread]), None);
    }

    #[test]
    fn pieces_are_few_and_t_sql() {
        let hash = Hash(vec![quote("k"), quote("l")]);
        for (wanted, count) in [
            (0, 1),
            (1, 1),
            (3, 1),
            (4, 3),
            (6, 3),
            (7, 7),
            (u64::MAX, 7),
        ] {
            assert_eq!(hash.pieces(wanted).len(), count, "{wanted}");
        }
        for piece in hash.pieces(7).into_iter().flatten() {
            let sql = format!("SELECT [k] FROM [dbo].[t] WHERE ({piece})");
            assert!(Parser::parse_sql(&MsSqlDialect {}, &sql).is_ok(), "{sql}");
        }
    }

    proptest! {
        /// The server's arithmetic, whose remainder has the sign of what is divided.
        #[test]
        fn every_hash_is_in_one_piece(
            hash in prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)],
            count in prop_oneof![Just(3), Just(7)],
        ) {
            let remainder: i32 = hash % count;
            let pieces = (0..count).filter(|piece| remainder.abs() == *piece);
            prop_assert_eq!(pieces.count(), 1);
        }
    }
}
