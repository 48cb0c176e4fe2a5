//! A SELECT over one table, taken apart: such a query is the same offload as a table with a list
//! and a condition.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use crate::schema::TableName;

/// A SELECT of columns of one table, with at most a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::offload) struct PlainSelect {
    pub(in crate::offload) from: TableName,
    /// What stands between SELECT and FROM.
    pub(in crate::offload) list: String,
    /// What follows WHERE.
    pub(in crate::offload) filter: Option<String>,
}

/// Words that begin another clause, or another query, where they stand outside parentheses.
const OTHER_CLAUSES: [&str; 22] = [
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "WINDOW",
    "QUALIFY",
    "FOR",
    "CLUSTER",
    "DISTRIBUTE",
    "SORT",
    "INTO",
    "LATERAL",
    "CONNECT",
    "START",
    "SETTINGS",
    "FORMAT",
];

/// Takes a query apart; `None` for any other query, and for what is none.
pub(in crate::offload) fn plain_select(query: &str) -> Option<PlainSelect> {
    let mut reader = Reader::new(query).ok()?;
    let end = reader.end().ok()?;
    if !reader.take(&["SELECT"])
        || ["DISTINCT", "ALL", "TOP"]
            .iter()
            .any(|w| reader.comes(&[w]))
    {
        return None;
    }
    let list = reader.at();
    let from = reader
        .outside(list..end)
        .find(|&at| reader.is_at(at, "FROM") && !reader.is_at(at.saturating_sub(1), "DISTINCT"))?;
    let other = |range| {
        let mut words = reader.outside(range);
        words.any(|at| OTHER_CLAUSES.iter().any(|word| reader.is_at(at, word)))
    };
    if from == list || other(list..from) || other(from..end) {
        return None;
    }
    let list = reader.written(list..from).to_owned();
    // As the engine takes it: without quotes the connection's name is in lower case.
    let connection_is_plain =
        matches!(reader.token(from + 1), Token::Word(word) if word.quote_style.is_none());
    reader.go_to(from + 1);
    let mut table = reader.table().ok()?;
    if connection_is_plain {
        table.connection = table.connection.to_lowercase();
    }
    let filter = if reader.take(&["WHERE"]) {
        Some(reader.written(reader.at()..end).to_owned()).filter(|filter| !filter.is_empty())?
    } else if reader.at() == end {
        return Some(PlainSelect {
            from: table,
            list,
            filter: None,
        });
    } else {
        return None;
    };
    Some(PlainSelect {
        from: table,
        list,
        filter: Some(filter),
    })
}

/// The names in quotes of a query: one may be a URL.
pub(in crate::offload) fn quoted_names(query: &str) -> Vec<String> {
    let Ok(reader) = Reader::new(query) else {
        return Vec::new();
    };
    let names = (0..reader.len()).filter_map(|at| match reader.token(at) {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_select_is_a_table_with_a_list_and_a_condition() {
        let table = [
            ("SELECT * FROM shop.main.orders", "*", None),
            (
                "select id, extract(year FROM d) AS y\nFROM Shop.main.orders -- all\nwhere a > 1 OR b;",
                "id, extract(year FROM d) AS y",
                Some("a > 1 OR b"),
            ),
            (
                "SELECT a IS DISTINCT FROM b AS c FROM \"shop\".main.orders WHERE x IN (SELECT 1 LIMIT 1)",
                "a IS DISTINCT FROM b AS c",
                Some("x IN (SELECT 1 LIMIT 1)"),
            ),
        ];
        for (query, list, filter) in table {
            let plain = plain_select(query).unwrap();
            assert_eq!(
                plain.from,
                TableName::new("shop", "main", "orders"),
                "{query}"
            );
            assert_eq!(
                (plain.list.as_str(), plain.filter.as_deref()),
                (list, filter)
            );
        }
    }

    #[test]
    fn any_other_query_stays_whole() {
        let others = [
            "SELECT DISTINCT a FROM c.s.t",
            "SELECT a FROM c.s.t ORDER BY a",
            "SELECT a FROM c.s.t WHERE x LIMIT 5",
            "SELECT a FROM c.s.t AS t",
            "SELECT a FROM c.s.t, c.s.u",
            "SELECT a FROM c.s.t JOIN c.s.u ON true",
            "SELECT count(*) FROM c.s.t GROUP BY a",
            "SELECT a FROM c.s.t UNION ALL SELECT a FROM c.s.u",
            "SELECT a FROM (SELECT 1 AS a)",
            "SELECT a FROM t",
            "WITH x AS (SELECT 1) SELECT * FROM c.s.t",
            "SELECT a FROM c.s.t WHERE",
            "SELECT 1",
            "SELECT a FROM c.s.t; SELECT 2",
            "nonsense '",
        ];
        for query in others {
            assert_eq!(plain_select(query), None, "{query}");
        }
    }
}
