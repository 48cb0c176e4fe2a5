//! SQL as PostgreSQL wants it. Every comparison is held by the differential test.

use datafusion::scalar::ScalarValue;

use super::literal;
use super::native::{Kind, Native};
use crate::frontend::{AggregateFunction, Comparison, Dialect};
use crate::schema::Column;

/// The dialect. Stateless: what it must know of a column is in its native text.
#[derive(Debug)]
pub(super) struct Postgres;

/// How a column is read, and so how it compares.
enum Form {
    /// As it is, decoded from its binary form.
    Plain,
    /// As text by its own name, because it is text.
    Text,
    /// As text of a fixed length, whose blanks at the end don't count in comparisons there.
    Blanks,
    /// By an expression of the type that is decoded.
    Cast(String),
    /// By an expression that makes text of it.
    CastToText(String),
    /// Of 36 characters that are 16 bytes there.
    Uuid,
}

impl Postgres {
    fn form(&self, column: &Column) -> (Form, Native) {
        let name = self.quote(&column.name);
        let other = Native {
            kind: Kind::Other,
            as_text: true,
            deterministic: true,
            utf8: true,
        };
        let native = Native::parse(&column.native).unwrap_or(other);
        let text = || Form::CastToText(format!("{name}::text"));
        let form = match native.kind {
            Kind::Text | Kind::Varchar(_) => Form::Text,
            _ if native.as_text => text(),
            Kind::Bpchar(_) => Form::Blanks,
            Kind::Array | Kind::Composite => Form::CastToText(format!("to_json({name})::text")),
            Kind::Uuid => Form::Uuid,
            // Numbers without precision, and all that has no canonical type.
            _ if column.canonical.is_text() => text(),
            Kind::Oid => Form::Cast(format!("{name}::bigint")),
            Kind::Money => Form::Cast(format!("{name}::numeric")),
            _ => Form::Plain,
        };
        (form, native)
    }

    /// The column as text that compares by bytes, as ours does.
    fn by_bytes(&self, column: &Column) -> String {
        let name = self.quote(&column.name);
        match self.form(column).0 {
            Form::Text | Form::Plain => format!("{name} COLLATE \"C\""),
            Form::Cast(_) | Form::Uuid => format!("{name}::text COLLATE \"C\""),
            Form::CastToText(sql) => format!("({sql}) COLLATE \"C\""),
            // A cast to text would strip the blanks that we read.
            Form::Blanks => {
                format!("(CASE WHEN {name} IS NOT NULL THEN concat({name}) END) COLLATE \"C\"")
            }
        }
    }

    fn extreme(&self, function: &str, column: &Column) -> String {
        let name = self.quote(&column.name);
        let (form, native) = self.form(column);
        match (form, native.kind) {
            (Form::Uuid, _) => format!("{function}({})::uuid", self.by_bytes(column)),
            (Form::Text | Form::Blanks | Form::CastToText(_), _) => {
                format!("{function}({})", self.by_bytes(column))
            }
            (Form::Cast(sql), _) => format!("{function}({sql})"),
            // Neither has a least and a greatest of its own (bytes from 18 on).
            (Form::Plain, Kind::Boolean) => match function {
                "min" => format!("bool_and({name})"),
                _ => format!("bool_or({name})"),
            },
            (Form::Plain, Kind::Bytea) => {
                format!("decode({function}(encode({name}, 'hex') COLLATE \"C\"), 'hex')")
            }
            (Form::Plain, _) => format!("{function}({name})"),
        }
    }

    fn sum(&self, column: &Column) -> String {
        let operand = match self.form(column).0 {
            Form::Cast(sql) => sql,
            _ => self.quote(&column.name),
        };
        let scale = match column.canonical {
            crate::schema::CanonicalType::Decimal { scale, .. } => scale,
            _ => 0,
        };
        format!("sum({operand}::numeric)::numeric(38,{scale})")
    }
}

impl Dialect for Postgres {
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn read_column(&self, column: &Column) -> String {
        match self.form(column).0 {
            Form::Cast(sql) | Form::CastToText(sql) => sql,
            Form::Plain | Form::Text | Form::Blanks | Form::Uuid => self.quote(&column.name),
        }
    }

    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        let (form, native) = self.form(column);
        let text = || literal::text(value.try_as_str()??);
        match form {
            Form::Text | Form::Blanks | Form::CastToText(_) => text(),
            Form::Uuid => literal::uuid(value.try_as_str()??),
            Form::Plain | Form::Cast(_) => literal::typed(native.kind, value),
        }
    }

    fn equality(&self, column: &Column) -> Option<(String, Comparison)> {
        let (form, native) = self.form(column);
        let exact = |sql| Some((sql, Comparison::Exact));
        match form {
            Form::Plain if matches!(native.kind, Kind::Real | Kind::Double) => None,
            Form::Plain | Form::Uuid => exact(self.quote(&column.name)),
            Form::Cast(sql) => exact(sql),
            _ if !native.utf8 => None,
            // Without COLLATE an index of the column's own collation serves.
            Form::Text if native.deterministic => exact(self.quote(&column.name)),
            Form::Text | Form::CastToText(_) => exact(self.by_bytes(column)),
            Form::Blanks if native.deterministic => {
                Some((self.quote(&column.name), Comparison::Superset))
            }
            Form::Blanks => None,
        }
    }

    fn order(&self, column: &Column) -> Option<(String, Comparison)> {
        let (form, native) = self.form(column);
        match form {
            Form::Plain | Form::Uuid | Form::Cast(_) => self.equality(column),
            Form::Text | Form::CastToText(_) if native.utf8 => {
                Some((self.by_bytes(column), Comparison::Exact))
            }
            Form::Text | Form::CastToText(_) | Form::Blanks => None,
        }
    }

    fn like_operand(&self, column: &Column) -> Option<(String, Comparison)> {
        let (form, native) = self.form(column);
        match form {
            Form::Text | Form::CastToText(_) | Form::Uuid if native.utf8 => {
                Some((self.by_bytes(column), Comparison::Exact))
            }
            _ => None,
        }
    }

    fn like(&self, operand: &str, pattern: &str) -> Option<String> {
        Some(format!("{operand} LIKE {}", literal::text(pattern)?))
    }

    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String {
        let Some(column) = column else {
            return "count(*)".to_owned();
        };
        match function {
            AggregateFunction::Rows => "count(*)".to_owned(),
            AggregateFunction::Count => format!("count({})", self.quote(&column.name)),
            AggregateFunction::Min => self.extreme("min", column),
            AggregateFunction::Max => self.extreme("max", column),
            AggregateFunction::Sum => self.sum(column),
        }
    }
}

/// What the decoders must expect for a column: the bytes that [`Dialect::read_column`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Text,
    Uuid,
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Numeric,
    Real,
    Double,
    Date,
    Time,
    Timestamp,
    Bytea,
}

/// The wire form of a column as it is read.
pub(super) fn wire(column: &Column) -> Wire {
    let (form, native) = Postgres.form(column);
    match (form, native.kind) {
        (Form::Text | Form::Blanks | Form::CastToText(_), _) => Wire::Text,
        (Form::Uuid, _) => Wire::Uuid,
        (_, Kind::Boolean) => Wire::Boolean,
        (_, Kind::SmallInt) => Wire::SmallInt,
        (_, Kind::Integer) => Wire::Integer,
        (_, Kind::BigInt | Kind::Oid) => Wire::BigInt,
        (_, Kind::Numeric(_) | Kind::Money) => Wire::Numeric,
        (_, Kind::Real) => Wire::Real,
        (_, Kind::Double) => Wire::Double,
        (_, Kind::Date) => Wire::Date,
        (_, Kind::Time(_)) => Wire::Time,
        (_, Kind::Timestamp(_) | Kind::TimestampTz(_)) => Wire::Timestamp,
        (_, Kind::Bytea) => Wire::Bytea,
        _ => Wire::Text,
    }
}
