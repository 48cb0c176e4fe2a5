//! Conditions on the rows of a source, as people write them, and the regions that they mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use chrono::{DateTime, SubsecRound, Utc};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, Result as PlanResult, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{Cast, InList, ScalarFunction};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, ExprSchemable, Operator, Volatility, lit,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::literals::timestamps_in_microseconds;
use super::names::name_columns;
use super::region::Region;
use crate::error::{Error, Result};
use crate::schema::Column;

/// The most operators of one condition: the engine walks them recursively.
const MOST_OPERATORS: usize = 500;

/// Reads conditions on the rows of one source.
#[derive(Debug)]
pub struct Conditions {
    state: SessionState,
    schema: DFSchemaRef,
    names: BTreeSet<String>,
    table: String,
    now: DateTime<Utc>,
}

impl Conditions {
    /// A reader for a source with these columns. `now()` in a condition is `now`, in microseconds.
    ///
    /// # Errors
    /// Kind Internal for columns that the engine can't take.
    pub fn new(
        state: SessionState,
        table: &str,
        columns: &[Column],
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let fields: Vec<Field> = columns.iter().map(Column::field).collect();
        let schema = DFSchema::try_from(Schema::new(fields))?;
        Ok(Self {
            state,
            schema: Arc::new(schema),
            names: columns.iter().map(|column| column.name.clone()).collect(),
            table: table.to_owned(),
            now: now.trunc_subsecs(6),
        })
    }

    /// The time of `now()`.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The rows for which a condition is true.
    ///
    /// # Errors
    /// Kind Usage for text that is no condition, NotFound for a column that is not there,
    /// Unsupported for a condition whose outcome may change or that can't be remembered.
    pub fn region(&self, text: &str) -> Result<Region> {
        let region = Region::read(&self.expression(text)?, &self.schema)?;
        self.check(text, &region)?;
        Ok(region)
    }

    /// The rows for which an expression over bare columns is true.
    ///
    /// # Errors
    /// As [`Conditions::region`].
    pub fn region_of(&self, condition: Expr) -> Result<Region> {
        let region = Region::read(&self.typed(condition)?, &self.schema)?;
        self.check(&region.to_string(), &region)?;
        Ok(region)
    }

    /// The rows of several conditions together, such as a record keeps.
    ///
    /// # Errors
    /// As [`Conditions::region`].
    pub fn union(&self, texts: &[String]) -> Result<Region> {
        texts.iter().try_fold(Region::none(), |all, text| {
            all.union(&Region::read(&self.expression(text)?, &self.schema)?)
        })
    }

    /// What is kept of a condition must mean what was written.
    fn check(&self, text: &str, region: &Region) -> Result<()> {
        if self.union(&region.texts()?)? == *region {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "The condition {text} can't be remembered: it reads back as another one"
        ))
        .hint("write it with comparisons, IN, BETWEEN, LIKE and IS NULL"))
    }

    /// A condition over bare columns, its types in agreement and its constants worked out.
    ///
    /// # Errors
    /// As [`Conditions::region`].
    pub fn expression(&self, text: &str) -> Result<Expr> {
        bounded(text)?;
        let wrong = |error: DataFusionError| self.wrong(text, error);
        let dialect = self.state.config().options().sql_parser.dialect;
        let mut parsed = self
            .state
            .sql_to_expr_with_alias(text, &dialect)
            .map_err(wrong)?;
        if parsed.alias.is_some() {
            let text = shortened(text);
            return Err(
                Error::usage(format!("\"{text}\" is no condition: it has a name"))
                    .hint("leave AS out"),
            );
        }
        timestamps_in_microseconds(&mut parsed.expr);
        name_columns(&mut parsed.expr, &self.names);
        let expr = self
            .state
            .create_logical_expr_from_sql_expr(parsed, &self.schema)
            .map_err(wrong)?;
        self.typed(expr)
    }

    /// A condition with types that agree, its constants worked out.
    fn typed(&self, expr: Expr) -> Result<Expr> {
        let text = expr.to_string();
        let wrong = |error: DataFusionError| self.wrong(&text, error);
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&self.schema))
            .with_config_options(Arc::clone(self.state.config().options()))
            .with_query_execution_start_time(Some(self.now))
            .build();
        let simplifier = ExprSimplifier::new(context.clone());
        let coerced = simplifier.coerce(expr, &self.schema).map_err(wrong)?;
        let found = coerced.get_type(&self.schema).map_err(wrong)?;
        if !matches!(found, DataType::Boolean | DataType::Null) {
            return Err(
                Error::usage(format!("\"{text}\" is no condition: it is of type {found}"))
                    .hint("write a condition such as sold_at >= DATE '2026-01-01'"),
            );
        }
        // Constants alone: the simplifier's rules for conditions are not all true for NULL.
        let folded = coerced.transform_down(|expr| {
            if matches!(expr, Expr::Literal(..)) || expr.any_column_refs() {
                return Ok(Transformed::no(expr));
            }
            let value = simplifier.simplify(expr)?;
            Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
        });
        let simple = folded.map_err(wrong)?.data;
        immutable(&simple)?;
        let plain = simple.transform_up(|expr| spelled_out(expr, &context));
        let plain = plain.map_err(wrong)?.data;
        let aligned = plain.transform_up(|expr| Ok(align(expr, &self.schema)))?;
        Ok(aligned.data)
    }

    fn wrong(&self, text: &str, error: DataFusionError) -> Error {
        if let DataFusionError::SchemaError(found, _) = error.find_root()
            && let SchemaError::FieldNotFound { field, .. } = found.as_ref()
        {
            let names = self.names.iter().map(String::as_str);
            let message = format!("Column \"{}\" is not in {}", field.name, self.table);
            return Error::not_found(message, &field.name, names);
        }
        let error = Error::from(error);
        let (text, why) = (shortened(text), error.message());
        Error::usage(format!("\"{text}\" is no condition: {why}"))
            .hint(format!("write SQL over the columns of {}", self.table))
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Refuses a text that the engine, which walks it recursively, might not survive.
fn bounded(text: &str) -> Result<()> {
    let dialect = GenericDialect {};
    let Ok(tokens) = Tokenizer::new(&dialect, text).tokenize() else {
        return Ok(()); // The parser says it better.
    };
    let operators = tokens.iter().filter(|token| is_operator(token)).count();
    if operators <= MOST_OPERATORS {
        return Ok(());
    }
    Err(Error::usage(format!(
        "A condition of {operators} operators is too long; at most {MOST_OPERATORS} are taken"
    ))
    .hint("list values with IN, or take the rows in several runs"))
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::CASE | Keyword::WHEN
        ),
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => {
            true
        }
        _ => false,
    }
}

/// What is covered must stay what it was: a condition may not come out differently another time.
fn immutable(expr: &Expr) -> Result<()> {
    let mut found = None;
    expr.apply(|expr| {
        let what = match expr {
            Expr::ScalarFunction(function) => {
                let steady = function.func.signature().volatility == Volatility::Immutable;
                (!steady).then(|| format!("{}() may give another value each time", function.name()))
            }
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                Some("a subquery may find other rows each time".to_owned())
            }
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                Some("an aggregate is of many rows".to_owned())
            }
            Expr::Placeholder(_) => Some("a parameter has no value".to_owned()),
            _ => None,
        };
        found = found.take().or(what);
        Ok(TreeNodeRecursion::Continue)
    })?;
    match found {
        None => Ok(()),
        Some(why) => Err(Error::unsupported(format!(
            "The condition {expr} can't be remembered: {why}"
        ))
        .hint("use constants; now() is the time of the plan")),
    }
}

/// A BETWEEN as two comparisons, and a call of `arrow_cast` as the cast that it is.
fn spelled_out(expr: Expr, context: &SimplifyContext) -> PlanResult<Transformed<Expr>> {
    Ok(Transformed::yes(match expr {
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let both = expr.clone().gt_eq(*low).and(expr.lt_eq(*high));
            if negated { !both } else { both }
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "arrow_cast" => {
            match func.simplify(args, context)? {
                ExprSimplifyResult::Simplified(expr) => expr,
                ExprSimplifyResult::Original(args) => func.call(args),
            }
        }
        other => return Ok(Transformed::no(other)),
    }))
}

/// Where a column was cast to the type of a constant, the constant as one of the column's type, if
/// there is one that means the same.
fn align(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(binary) if compares(binary.op) => {
            if let Some((column, value)) = narrowed_pair(&binary.left, &binary.right, schema) {
                let (column, value) = (Box::new(column), Box::new(value));
                return Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
                    column, binary.op, value,
                )));
            }
            match (
                binary.op.swap(),
                narrowed_pair(&binary.right, &binary.left, schema),
            ) {
                (Some(op), Some((column, value))) => {
                    let (column, value) = (Box::new(column), Box::new(value));
                    Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(column, op, value)))
                }
                _ => Transformed::no(Expr::BinaryExpr(binary)),
            }
        }
        Expr::InList(list) => {
            let values: Vec<&Expr> = list.list.iter().collect();
            match narrowed(&list.expr, &values, schema) {
                Some((column, values)) => Transformed::yes(Expr::InList(InList::new(
                    Box::new(column),
                    values,
                    list.negated,
                ))),
                None => Transformed::no(Expr::InList(list)),
            }
        }
        other => Transformed::no(other),
    }
}

fn compares(op: Operator) -> bool {
    use Operator as O;
    matches!(
        op,
        O::Eq
            | O::NotEq
            | O::Lt
            | O::LtEq
            | O::Gt
            | O::GtEq
            | O::IsDistinctFrom
            | O::IsNotDistinctFrom
    )
}

fn narrowed_pair(expr: &Expr, value: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
    let (column, values) = narrowed(expr, &[value], schema)?;
    values.into_iter().next().map(|value| (column, value))
}

/// The column under a cast, and the constants as values of its type.
fn narrowed(expr: &Expr, values: &[&Expr], schema: &DFSchema) -> Option<(Expr, Vec<Expr>)> {
    let Expr::Cast(Cast { expr: column, .. }) = expr else {
        return None;
    };
    if !matches!(**column, Expr::Column(_)) {
        return None;
    }
    let to = column.get_type(schema).ok()?;
    // A cast that makes two values of the column one would change what is equal.
    if !widens(&to, &expr.get_type(schema).ok()?) {
        return None;
    }
    let values: Option<Vec<Expr>> = values
        .iter()
        .map(|value| match value {
            Expr::Literal(value, _) => exactly(value, &to).map(lit),
            _ => None,
        })
        .collect();
    Some((column.as_ref().clone(), values?))
}

/// Whether a cast keeps every value, and their order.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Timestamp(a, zone), T::Timestamp(b, to)) => a <= b && (zone.is_some() || plain(to)),
        (T::Date32, T::Timestamp(_, to)) => plain(to),
        (T::Decimal128(p, s), T::Decimal128(q, t) | T::Decimal256(q, t)) => {
            t >= s && i16::from(*q) - i16::from(*t) >= i16::from(*p) - i16::from(*s)
        }
        (T::Int8 | T::Int16 | T::Int32 | T::Int64, T::Decimal128(q, t) | T::Decimal256(q, t)) => {
            i16::from(*q) - i16::from(*t) >= 19
        }
        _ if from.is_signed_integer() && to.is_signed_integer() => {
            from.primitive_width() <= to.primitive_width()
        }
        (T::Utf8, T::LargeUtf8 | T::Utf8View) | (T::LargeUtf8, T::Utf8View) => true,
        (T::Binary, T::LargeBinary | T::BinaryView) => true,
        _ => false,
    }
}

/// Whether local time is taken as it is: in other zones an hour may come twice.
fn plain(zone: &Option<Arc<str>>) -> bool {
    zone.as_deref()
        .is_none_or(|zone| matches!(zone, "UTC" | "+00:00" | "Z"))
}

fn exactly(value: &ScalarValue, to: &DataType) -> Option<ScalarValue> {
    let cast = value.cast_to(to).ok()?;
    let back = cast.cast_to(&value.data_type()).ok()?;
    (cast.is_null() == value.is_null() && back == *value).then_some(cast)
}
