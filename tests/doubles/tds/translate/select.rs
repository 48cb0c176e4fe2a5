//! Queries: what they select, in which groups and order, and how much of it.

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Fetch, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TopQuantity,
};

use super::from::table_name;
use super::{Scope, Translator, Typed, quoted};
use crate::doubles::tds::refusal::{Refusal, Result};
use crate::doubles::tds::token::Column;
use crate::doubles::tds::types::Family;

/// A translated query.
pub(super) struct Selected {
    pub sql: String,
    pub columns: Vec<Column>,
    pub order: Vec<u16>,
}

/// A column of the select list.
pub(super) struct Item {
    name: String,
    value: Typed,
}

impl Translator<'_> {
    pub(super) fn query(&mut self, query: &Query) -> Result<Selected> {
        let plain = query.with.is_none()
            && query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        match &*query.body {
            SetExpr::Select(select) if plain => {
                self.scopes.push(Scope::default());
                let selected = self.select(select, query);
                self.scopes.pop();
                selected
            }
            _ => Err(Refusal::unknown(format!("the query {query}"))),
        }
    }

    fn select(&mut self, select: &Select, query: &Query) -> Result<Selected> {
        refuse_clauses(select)?;
        let from = self.from(select)?;
        let mut items = Vec::new();
        for item in &select.projection {
            self.item(item, &mut items)?;
        }
        let condition = self.filter(select.selection.as_ref())?;
        let group = self.group(select, &items)?;
        let order = self.order(query, &items)?;
        let limit = self.limit(select, query, !order.keys.is_empty())?;
        let distinct = match &select.distinct {
            None => "",
            Some(Distinct::Distinct) => "DISTINCT ",
            Some(other) => return Err(Refusal::unknown(other)),
        };
        let list: Result<Vec<String>> = items
            .iter()
            .map(|item| listed(item, !distinct.is_empty()))
            .collect();
        let order_by = if order.keys.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", order.keys.join(", "))
        };
        let sql = format!(
            "SELECT {distinct}{}{from}{condition}{group}{order_by}{limit}",
            list?.join(", ")
        );
        let columns = items.into_iter().map(|Item { name, value }| Column {
            name,
            declared: value.declared,
            collation: value.collation,
            nullable: value.nullable,
        });
        Ok(Selected {
            sql,
            columns: columns.collect(),
            order: order.places,
        })
    }

    /// A query in the place of a value.
    pub(super) fn scalar_subquery(&mut self, query: &Query) -> Result<Typed> {
        let selected = self.query(query)?;
        let [column] = &selected.columns[..] else {
            return Err(Refusal::new(
                116,
                "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
            ));
        };
        let value = Typed::new(format!("({})", selected.sql), column.declared);
        Ok(Typed {
            collation: column.collation,
            ..value
        })
    }

    fn filter(&mut self, selection: Option<&Expr>) -> Result<String> {
        let Some(condition) = selection else {
            return Ok(String::new());
        };
        // What WHERE names is not what the groups are checked for.
        let bare = self.scope().bare.len();
        let condition = self.condition(condition)?;
        self.scope().bare.truncate(bare);
        Ok(format!(" WHERE {condition}"))
    }

    pub(super) fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("the scope of this query")
    }

    fn item(&mut self, item: &SelectItem, items: &mut Vec<Item>) -> Result<()> {
        let (expression, alias) = match item {
            SelectItem::UnnamedExpr(expression) => (expression, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value.clone())),
            SelectItem::Wildcard(_) => return self.all_columns(None, items),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let (_, table) = table_name(name)?;
                return self.all_columns(Some(&table), items);
            }
            _ => return Err(Refusal::unknown(item)),
        };
        let value = self.value(expression)?;
        let own = match expression {
            Expr::Identifier(name) if !name.value.starts_with('@') => name.value.clone(),
            Expr::CompoundIdentifier(parts) => parts
                .last()
                .map(|name| name.value.clone())
                .unwrap_or_default(),
            _ => String::new(),
        };
        items.push(Item {
            name: alias.unwrap_or(own),
            value,
        });
        Ok(())
    }

    fn all_columns(&mut self, table: Option<&str>, items: &mut Vec<Item>) -> Result<()> {
        let names: Vec<(String, String)> = self
            .scope()
            .columns
            .iter()
            .filter(|column| !column.hidden)
            .filter(|column| table.is_none_or(|table| column.table.eq_ignore_ascii_case(table)))
            .map(|column| (column.table.clone(), column.name.clone()))
            .collect();
        for (table, name) in names {
            let value = self.column(Some(&table), &name)?;
            items.push(Item { name, value });
        }
        Ok(())
    }

    fn group(&mut self, select: &Select, items: &[Item]) -> Result<String> {
        let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else {
            return Err(Refusal::unknown("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(Refusal::unknown("a modifier of GROUP BY"));
        }
        let bare = self.scope().bare.clone();
        let keys: Result<Vec<Typed>> = keys.iter().map(|key| self.value(key)).collect();
        let keys = keys?;
        let has_aggregates = self.scope().has_aggregates;
        let grouped = |sql: &String| keys.iter().any(|key| key.sql == *sql);
        let stray = bare.iter().find(|sql| {
            !grouped(sql)
                && !items
                    .iter()
                    .any(|item| grouped(&item.value.sql) && item.value.sql.contains(*sql))
        });
        if let (true, Some(stray)) = (has_aggregates || !keys.is_empty(), stray) {
            let told = format!(
                "Column {stray} is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause."
            );
            return Err(Refusal::new(8120, told));
        }
        let keys: Result<Vec<String>> = keys.iter().map(Typed::comparable).collect();
        let keys = keys?.join(", ");
        Ok(if keys.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {keys}")
        })
    }

    fn order(&mut self, query: &Query, items: &[Item]) -> Result<Order> {
        let mut order = Order::default();
        let Some(by) = &query.order_by else {
            return Ok(order);
        };
        let OrderByKind::Expressions(keys) = &by.kind else {
            return Err(Refusal::unknown("ORDER BY ALL"));
        };
        for key in keys {
            order.keys.push(self.sort_key(key, items)?);
            let place = items.iter().position(|item| named(&key.expr, &item.name));
            order.places.extend(place.map(|place| place as u16 + 1));
        }
        Ok(order)
    }

    /// A key of ORDER BY: a name of the select list, or an expression. NULLs come first, here as there.
    pub(super) fn sort_key(&mut self, key: &OrderByExpr, items: &[Item]) -> Result<String> {
        if key.options.nulls_first.is_some() || key.with_fill.is_some() {
            return Err(Refusal::unknown(format!("the sort key {key}")));
        }
        let listed = items.iter().find(|item| named(&key.expr, &item.name));
        let value = match (listed, &key.expr) {
            (Some(item), _) => item.value.clone(),
            (None, Expr::Value(_)) => {
                return Err(Refusal::unknown("ORDER BY a place or a constant"));
            }
            (None, expression) => self.value(expression)?,
        };
        let direction = if key.options.asc == Some(false) {
            " DESC"
        } else {
            ""
        };
        Ok(value.comparable()? + direction)
    }

    fn limit(&mut self, select: &Select, query: &Query, is_ordered: bool) -> Result<String> {
        let top = match &select.top {
            None => None,
            Some(top) if top.percent || top.with_ties => return Err(Refusal::unknown(top)),
            Some(top) => match &top.quantity {
                Some(TopQuantity::Constant(count)) => Some(count.to_string()),
                Some(TopQuantity::Expr(count)) => Some(self.value(count)?.sql),
                None => None,
            },
        };
        let offset = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset {
                limit: None,
                offset: Some(offset),
                limit_by,
            }) if limit_by.is_empty() && is_ordered => Some(self.value(&offset.value)?.sql),
            Some(other) => return Err(Refusal::unknown(format!("the clause{other}"))),
        };
        let fetch = match &query.fetch {
            None => None,
            Some(Fetch {
                with_ties: false,
                percent: false,
                quantity: Some(count),
            }) => Some(self.value(count)?.sql),
            Some(other) => return Err(Refusal::unknown(other)),
        };
        match (top, offset, fetch) {
            (None, None, None) => Ok(String::new()),
            (Some(top), None, None) => Ok(format!(" LIMIT {top}")),
            (None, Some(offset), fetch) => Ok(format!(
                " LIMIT {} OFFSET {offset}",
                fetch.unwrap_or("-1".to_owned())
            )),
            (None, None, Some(_)) => Err(Refusal::new(
                153,
                "Invalid usage of the option NEXT in the FETCH statement.",
            )),
            (Some(_), _, _) => Err(Refusal::new(
                10_741,
                "A TOP can not be used in the same query or sub-query as an OFFSET.",
            )),
        }
    }
}

/// The keys of ORDER BY, and which columns of the result they are.
#[derive(Default)]
struct Order {
    keys: Vec<String>,
    places: Vec<u16>,
}

fn named(expression: &Expr, name: &str) -> bool {
    match expression {
        Expr::Identifier(written) => written.value.eq_ignore_ascii_case(name),
        _ => false,
    }
}

/// An item of the list. What is made distinct is compared under its collation.
fn listed(item: &Item, distinct: bool) -> Result<String> {
    let compared = distinct && item.value.declared.family() == Family::Text;
    let sql = if compared {
        item.value.comparable()?
    } else {
        item.value.sql.clone()
    };
    if distinct && item.value.declared.family() == Family::Offset {
        return Err(Refusal::unknown("DISTINCT of a datetimeoffset"));
    }
    Ok(if item.name.is_empty() {
        sql
    } else {
        format!("{sql} AS {}", quoted(&item.name))
    })
}

fn refuse_clauses(select: &Select) -> Result<()> {
    let unknown = [
        (select.into.is_some(), "SELECT INTO"),
        (select.having.is_some(), "HAVING"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.prewhere.is_some(), "PREWHERE"),
        (select.exclude.is_some(), "EXCLUDE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.named_window.is_empty(), "WINDOW"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
    ];
    let found = unknown.iter().find(|(is_there, _)| *is_there);
    found.map_or(Ok(()), |(_, clause)| Err(Refusal::unknown(clause)))
}
