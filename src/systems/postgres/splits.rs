//! Cutting a table into ranges of pages, which cost the server nothing to find.

use super::catalog::{Member, Relation};
use crate::frontend::{RelationKind, Split, Splits};

/// The first version that finds a range of ctids without reading the whole table.
pub(super) const RANGE_SCANS: i32 = 140_000;

const TOO_OLD: &str = "the server finds ranges of pages from PostgreSQL 14 on";

/// Splits of about `bytes` each.
pub(super) fn cut(relation: &Relation, kind: RelationKind, bytes: u64) -> Splits {
    let by_ranges = relation.server.version >= RANGE_SCANS;
    match (kind, relation.members.as_slice()) {
        (RelationKind::View, _) => Splits::one("a view has no pages"),
        (RelationKind::Foreign, _) => Splits::one("a foreign table has no pages here"),
        (_, []) => Splits::one("it has no partitions"),
        (RelationKind::Partitioned, members) if by_name(relation) => {
            leaves(members, relation.server.block, bytes, by_ranges)
        }
        (_, members) if !members.iter().all(Member::has_pages) => {
            Splits::one("some of its rows are in foreign tables")
        }
        _ if !by_ranges => Splits::one(TOO_OLD),
        (_, members) => through_parent(members, relation.server.block, bytes),
    }
}

/// Whether the partitions may be read by their own names: rights and row security are checked
/// on the name that is read.
fn by_name(relation: &Relation) -> bool {
    !relation.row_security && relation.members.iter().all(|member| member.readable)
}

fn leaves(members: &[Member], block: u64, bytes: u64, by_ranges: bool) -> Splits {
    let cut_leaf = |member: &Member| {
        let ranges = match by_ranges && member.has_pages() {
            true => ranges(member.pages_bytes.div_ceil(block), member.bytes, bytes),
            false => vec![None],
        };
        let parts = ranges.len() as u64;
        let split = |predicate| Split {
            relation: Some(member.relation.clone()),
            predicate,
            rows: member.rows().map(|rows| rows / parts),
            bytes: Some(member.bytes / parts),
        };
        ranges.into_iter().map(split).collect::<Vec<_>>()
    };
    let list: Vec<Split> = members.iter().flat_map(cut_leaf).collect();
    Splits {
        kind: if list.len() > members.len() {
            "partitions and ctid ranges"
        } else {
            "partitions"
        },
        reason: (!by_ranges).then(|| TOO_OLD.to_owned()),
        list,
    }
}

/// Ranges over the table's own name: each holds the same pages of every member, so they are cut
/// for the longest.
fn through_parent(members: &[Member], block: u64, bytes: u64) -> Splits {
    let longest = members
        .iter()
        .map(|member| member.pages_bytes.div_ceil(block))
        .max();
    let total = members.iter().map(|member| member.bytes).sum::<u64>();
    let rows: Option<u64> = members.iter().map(Member::rows).sum();
    let ranges = ranges(longest.unwrap_or_default(), total, bytes);
    let parts = ranges.len() as u64;
    let split = |predicate| Split {
        relation: None,
        predicate,
        rows: rows.map(|rows| rows / parts),
        bytes: Some(total / parts),
    };
    let list = ranges.into_iter().map(split).collect();
    Splits {
        kind: "ctid ranges",
        reason: None,
        list,
    }
}

/// Predicates over `pages` that hold `total` bytes together: the first is open below and the last
/// above, so that a row in a page of tomorrow falls into one of them, too.
fn ranges(pages: u64, total: u64, bytes: u64) -> Vec<Option<String>> {
    let parts = total.div_ceil(bytes.max(1)).clamp(1, pages.max(1));
    if parts == 1 {
        return vec![None];
    }
    let start = |part: u64| u128::from(pages) * u128::from(part) / u128::from(parts);
    (0..parts)
        .map(|part| {
            let from = format!("ctid >= '({},0)'::tid", start(part));
            let below = format!("ctid < '({},0)'::tid", start(part + 1));
            Some(match part {
                0 => below,
                _ if part + 1 == parts => from,
                _ => format!("{from} AND {below}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pages of a predicate, as the server will see them.
    fn bounds(predicate: Option<&str>) -> (u64, u64) {
        let number = |sign: &str| {
            let (_, rest) = predicate?.split_once(&format!("{sign} '("))?;
            rest.split(',').next()?.parse().ok()
        };
        (number(">=").unwrap_or(0), number("<").unwrap_or(u64::MAX))
    }

    proptest! {
        #[test]
        fn ranges_touch_and_leave_nothing_out(
            pages in 0u64..1_000_000, page_bytes in 0u64..20_000, target in 1u64..(1 << 30)
        ) {
            let target = target.max(pages * page_bytes / 1000);
            let list = ranges(pages, pages * page_bytes, target);
            prop_assert!(!list.is_empty());
            let mut reached = 0;
            for predicate in &list {
                let (from, below) = bounds(predicate.as_deref());
                prop_assert_eq!(from, reached);
                prop_assert!(below > from);
                reached = below;
            }
            prop_assert_eq!(reached, u64::MAX);
        }
    }
}
