//! `TIMESTAMP '…'` as people mean it: in microseconds, and in nanoseconds only where digits say so.
//!
//! The engine's own literal is in nanoseconds, of which 64 bits hold the years 1677 to 2262 alone,
//! and a column compared with it is taken there too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{DataType, Expr, Value, VisitMut, VisitorMut};

/// Digits of a second that a microsecond has.
const MICROSECONDS: u64 = 6;

/// Gives every TIMESTAMP literal without a precision one.
pub(crate) fn timestamps_in_microseconds(parsed: &mut impl VisitMut) {
    let _: ControlFlow<()> = parsed.visit(&mut Literals);
}

struct Literals;

impl VisitorMut for Literals {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::TypedString(literal) = expr
            && let DataType::Timestamp(precision @ None, _) = &mut literal.data_type
            && let Value::SingleQuotedString(text) = &literal.value.value
            && fraction_digits(text) <= 6
        {
            *precision = Some(MICROSECONDS);
        }
        ControlFlow::Continue(())
    }
}

fn fraction_digits(text: &str) -> usize {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn a_literal_has_the_digits_that_it_shows() {
        let state = SessionContext::new().state();
        let cases = [
            ("TIMESTAMP '0001-01-01'", "TIMESTAMP(6) '0001-01-01'"),
            (
                "a < TIMESTAMP '2020-01-01 10:00:00.123456'",
                "a < TIMESTAMP(6) '2020-01-01 10:00:00.123456'",
            ),
            (
                "TIMESTAMP '2020-01-01 10:00:00.1234567'",
                "TIMESTAMP '2020-01-01 10:00:00.1234567'",
            ),
            ("TIMESTAMP(3) '2020-01-01'", "TIMESTAMP(3) '2020-01-01'"),
        ];
        for (written, meant) in cases {
            let dialect = state.config().options().sql_parser.dialect;
            let mut parsed = state.sql_to_expr_with_alias(written, &dialect).unwrap();
            timestamps_in_microseconds(&mut parsed.expr);
            assert_eq!(parsed.expr.to_string(), meant);
        }
    }
}
