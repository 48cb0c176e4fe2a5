//! SQL as SQL Server wants it.

use datafusion::scalar::ScalarValue;

use super::literal;
use super::native::{Form, Kind, Native};
use crate::frontend::{AggregateFunction, Comparison, Dialect};
use crate::schema::{CanonicalType, Column};

/// The dialect. Stateless: what it must know of a column is in its native text.
#[derive(Debug)]
pub(super) struct SqlServer;

/// What text is compared by where the engine's order, that of bytes, is wanted.
const BY_CODES: &str = "COLLATE Latin1_General_BIN2";

impl SqlServer {
    fn native(column: &Column) -> Native {
        Native::parse(&column.native).unwrap_or(Native {
            kind: Kind::Other,
            form: Form::Text,
            binary: false,
            converted: false,
        })
    }

    fn number(&self, column: &Column) -> String {
        let name = self.quote(&column.name);
        match Self::native(column).kind {
            Kind::Money => format!("CAST({name} AS decimal(19,4))"),
            Kind::SmallMoney => format!("CAST({name} AS decimal(10,4))"),
            _ => name,
        }
    }

    /// The column as the text that a person asked for.
    fn text(&self, column: &Column, kind: Kind) -> String {
        let name = self.quote(&column.name);
        let styled = |style: u8| format!("CONVERT(nvarchar(max), {name}, {style})");
        match kind {
            Kind::HierarchyId | Kind::Geography | Kind::Geometry | Kind::Other => {
                format!("{name}.ToString()")
            }
            Kind::Date
            | Kind::Time(_)
            | Kind::SmallDateTime
            | Kind::DateTime
            | Kind::DateTime2(_)
            | Kind::DateTimeOffset(_) => styled(126),
            Kind::Real | Kind::Float => styled(3),
            // Four digits behind the point, and no commas.
            Kind::Money | Kind::SmallMoney => styled(2),
            Kind::Binary(_) | Kind::VarBinary(_) | Kind::Image | Kind::RowVersion => {
                format!("CONVERT(nvarchar(max), CONVERT(varbinary(max), {name}), 2)")
            }
            Kind::Variant => variant(&name),
            _ => format!("CONVERT(nvarchar(max), {name})"),
        }
    }

    /// The column as Unicode. A text of so many bytes has at most so many units.
    fn unicode(&self, column: &Column, kind: Kind) -> String {
        let name = self.quote(&column.name);
        match kind {
            Kind::Char(length @ ..=4000) | Kind::VarChar(Some(length @ ..=4000)) => {
                format!("CONVERT(nvarchar({length}), {name})")
            }
            _ => format!("CONVERT(nvarchar(max), {name})"),
        }
    }

    fn extreme(&self, function: &str, column: &Column) -> String {
        let native = Self::native(column);
        match native.kind {
            _ if native.form == Form::Text => {
                format!("{function}({} {BY_CODES})", self.read_column(column))
            }
            Kind::Bit => {
                let name = self.quote(&column.name);
                format!("CAST({function}(CAST({name} AS tinyint)) AS bit)")
            }
            Kind::Uuid => {
                let name = self.quote(&column.name);
                let text = format!("{function}(CONVERT(char(36), {name}) {BY_CODES})");
                format!("CAST({text} AS uniqueidentifier)")
            }
            _ if column.canonical.is_text() => {
                format!("{function}({} {BY_CODES})", self.read_column(column))
            }
            _ => format!("{function}({})", self.number(column)),
        }
    }

    fn sum(&self, column: &Column) -> String {
        let scale = match column.canonical {
            CanonicalType::Decimal { scale, .. } => scale,
            _ => 0,
        };
        let name = self.quote(&column.name);
        format!("SUM(CAST({name} AS decimal(38,{scale})))")
    }
}

/// The text of a value that has a type of its own, as a column of that type is read: without a style
/// a float would lose digits, a moment its seconds.
fn variant(name: &str) -> String {
    let own = format!("CONVERT(nvarchar(128), SQL_VARIANT_PROPERTY({name}, 'BaseType'))");
    let when = |types: &str, value: &str, style: u8| {
        format!("WHEN {own} IN ({types}) THEN CONVERT(nvarchar(max), {value}, {style})")
    };
    let moments =
        "N'date', N'time', N'smalldatetime', N'datetime', N'datetime2', N'datetimeoffset'";
    let cases = [
        when("N'real', N'float'", &format!("CONVERT(float, {name})"), 3),
        when(
            "N'money', N'smallmoney'",
            &format!("CONVERT(money, {name})"),
            2,
        ),
        when(
            "N'binary', N'varbinary'",
            &format!("CONVERT(varbinary(8000), {name})"),
            2,
        ),
        when(moments, name, 126),
    ];
    let cases = cases.join(" ");
    format!("CASE {cases} ELSE CONVERT(nvarchar(max), {name}) END")
}

impl Dialect for SqlServer {
    fn quote(&self, name: &str) -> String {
        literal::quote(name)
    }

    fn read_column(&self, column: &Column) -> String {
        let native = Self::native(column);
        match native.kind {
            kind if native.form == Form::Text => self.text(column, kind),
            kind @ (Kind::Xml
            | Kind::Json
            | Kind::HierarchyId
            | Kind::Geography
            | Kind::Geometry) => self.text(column, kind),
            kind if native.converted => self.unicode(column, kind),
            _ => self.number(column),
        }
    }

    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        let native = Self::native(column);
        match native.kind {
            _ if native.form == Form::Text => None,
            Kind::Uuid => literal::uuid(value.try_as_str()??),
            kind if kind.is_text() => literal::text(value.try_as_str()??),
            kind => literal::typed(kind, value),
        }
    }

    fn equality(&self, column: &Column) -> Option<(String, Comparison)> {
        let native = Self::native(column);
        let name = self.quote(&column.name);
        match native.kind {
            _ if native.form == Form::Text => None,
            Kind::Uuid => Some((name, Comparison::Exact)),
            // Blanks at the end, and zeros at the end of bytes, do not count there.
            Kind::Char(_) | Kind::NChar(_) | Kind::VarChar(_) | Kind::NVarChar(_) => {
                native.binary.then_some((name, Comparison::Superset))
            }
            Kind::Binary(_) | Kind::VarBinary(Some(_)) | Kind::RowVersion => {
                Some((name, Comparison::Superset))
            }
            Kind::Bit => Some((name, Comparison::Exact)),
            _ => self.order(column),
        }
    }

    fn order(&self, column: &Column) -> Option<(String, Comparison)> {
        let native = Self::native(column);
        let ordered = matches!(
            native.kind,
            Kind::TinyInt
                | Kind::SmallInt
                | Kind::Int
                | Kind::BigInt
                | Kind::Decimal(..)
                | Kind::Money
                | Kind::SmallMoney
                | Kind::Date
                | Kind::Time(_)
                | Kind::SmallDateTime
                | Kind::DateTime
                | Kind::DateTime2(_)
                | Kind::DateTimeOffset(_)
        );
        let plain = ordered && native.form != Form::Text;
        plain.then(|| (self.quote(&column.name), Comparison::Exact))
    }

    fn like_operand(&self, _: &Column) -> Option<(String, Comparison)> {
        // Blanks at the end and brackets mean something else there.
        None
    }

    fn like(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn is_true(&self, predicate: &str) -> String {
        format!("(CASE WHEN {predicate} THEN 1 ELSE 0 END = 1)")
    }

    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String {
        let Some(column) = column else {
            return "COUNT_BIG(*)".to_owned();
        };
        match function {
            AggregateFunction::Rows => "COUNT_BIG(*)".to_owned(),
            AggregateFunction::Count => format!("COUNT_BIG({})", self.quote(&column.name)),
            AggregateFunction::Min => self.extreme("MIN", column),
            AggregateFunction::Max => self.extreme("MAX", column),
            AggregateFunction::Sum => self.sum(column),
        }
    }

    fn limit(&self, sql: String, limit: Option<usize>) -> String {
        match (limit, sql.strip_prefix("SELECT ")) {
            (Some(limit), Some(rest)) => format!("SELECT TOP ({limit}) {rest}"),
            _ => sql,
        }
    }
}

/// What the decoders must expect for a column: the values that [`Dialect::read_column`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Text(Size),
    Uuid,
    Bit,
    Integer,
    Numeric,
    Real,
    Float,
    Date,
    Time,
    SmallDateTime,
    DateTime,
    DateTime2,
    DateTimeOffset,
    Bytes(Size),
}

/// What bounds a text or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Its type.
    Bound,
    /// Nothing but our own limit, in bytes as they are sent.
    Bytes,
    /// The same, sent in units of UTF-16.
    Units,
}

/// The wire form of a column as it is read.
pub(super) fn wire(column: &Column) -> Wire {
    let native = SqlServer::native(column);
    if native.form == Form::Text {
        return Wire::Text(Size::Units);
    }
    match native.kind {
        Kind::Bit => Wire::Bit,
        Kind::TinyInt | Kind::SmallInt | Kind::Int | Kind::BigInt => Wire::Integer,
        Kind::Decimal(..) | Kind::Money | Kind::SmallMoney => Wire::Numeric,
        Kind::Real => Wire::Real,
        Kind::Float => Wire::Float,
        Kind::Date => Wire::Date,
        Kind::Time(_) => Wire::Time,
        Kind::SmallDateTime => Wire::SmallDateTime,
        Kind::DateTime => Wire::DateTime,
        Kind::DateTime2(_) => Wire::DateTime2,
        Kind::DateTimeOffset(_) => Wire::DateTimeOffset,
        Kind::Uuid => Wire::Uuid,
        Kind::Binary(_) | Kind::VarBinary(_) | Kind::Image | Kind::RowVersion => {
            Wire::Bytes(match native.kind.is_unbounded() {
                true => Size::Bytes,
                false => Size::Bound,
            })
        }
        Kind::VarChar(None) | Kind::Text if !native.converted => Wire::Text(Size::Bytes),
        kind => Wire::Text(match kind.is_unbounded() {
            true => Size::Units,
            false => Size::Bound,
        }),
    }
}

#[cfg(test)]
mod tests;
