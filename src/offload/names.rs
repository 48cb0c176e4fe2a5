//! Names of columns in SQL as people mean them: written without quotes a name means a column
//! exactly, or else the only one that differs in case alone.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, VisitMut, VisitorMut};

use crate::schema::pick;

/// Puts the names of columns in a parsed text right. The engine lower-cases a name without quotes;
/// one that is a column otherwise gets quotes.
pub(crate) fn name_columns(parsed: &mut impl VisitMut, columns: &BTreeSet<String>) {
    let _: ControlFlow<()> = parsed.visit(&mut Namer { columns });
}

struct Namer<'a> {
    columns: &'a BTreeSet<String>,
}

impl Namer<'_> {
    fn name(&self, identifier: &mut Ident) {
        let lower = identifier.value.to_lowercase();
        if identifier.quote_style.is_some() || self.columns.contains(&lower) {
            return;
        }
        let known = self.columns.iter().map(String::as_str);
        if let Some(column) = pick(&identifier.value, known) {
            *identifier = Ident::with_quote('"', column);
        }
    }
}

impl VisitorMut for Namer<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(identifier) => self.name(identifier),
            Expr::CompoundIdentifier(parts) => {
                if let Some(last) = parts.last_mut() {
                    self.name(last);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
