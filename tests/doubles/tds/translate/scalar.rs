//! Functions of single values.

use datafusion::sql::sqlparser::ast::Expr;

use super::expression::common;
use super::{Translator, Typed};
use crate::doubles::tds::refusal::{Refusal, Result};
use crate::doubles::tds::types::{Family, Length, SqlType};

impl Translator<'_> {
    pub(super) fn scalar(&mut self, name: &str, arguments: &[&Expr]) -> Result<Typed> {
        match (name, arguments) {
            ("DATALENGTH", [value]) => self.data_length(value),
            ("DATEPART", [part, value]) => self.date_part(part, value),
            ("ABS", [value]) => self.absolute(value),
            ("CHECKSUM", [_, ..]) => self.checksum(arguments),
            ("SQL_VARIANT_PROPERTY", [value, property]) => self.own_type(value, property),
            ("CONCAT", [_, _, ..]) => self.concatenated(arguments),
            ("ISNULL", [_, _]) | ("COALESCE", [_, _, ..]) => self.first_known(name, arguments),
            _ => Err(Refusal::new(
                174,
                format!("The function {name} takes another number of arguments."),
            )),
        }
    }

    /// The bytes of a value: of text those that it has on the wire.
    fn data_length(&mut self, value: &Expr) -> Result<Typed> {
        let value = self.value(value)?;
        let Typed {
            sql,
            declared,
            collation,
            ..
        } = &value;
        let length = match declared {
            _ if declared.is_text() && declared.is_wide() => format!("tds_wide_length({sql})"),
            _ if declared.is_text() && collation.is_utf8() => {
                format!("length(CAST({sql} AS BLOB))")
            }
            // One byte for each character.
            _ if declared.is_text() => format!("length({sql})"),
            _ if declared.family() == Family::Bytes => format!("length({sql})"),
            SqlType::Image => format!("length({sql})"),
            _ => return Err(Refusal::unknown(format!("DATALENGTH of a {declared}"))),
        };
        let counted = match declared.max_length() {
            -1 => SqlType::BigInt,
            _ => SqlType::Int,
        };
        Ok(Typed::new(length, counted))
    }

    /// A part of a point of time, of local time where it has an offset.
    fn date_part(&mut self, part: &Expr, value: &Expr) -> Result<Typed> {
        let part = part.to_string().to_lowercase();
        let known = [
            "year",
            "month",
            "day",
            "hour",
            "minute",
            "second",
            "nanosecond",
        ];
        let value = self.value(value)?;
        let has_date = matches!(
            value.declared.family(),
            Family::Date | Family::Instant | Family::Offset
        );
        if !known.contains(&part.as_str()) || !has_date {
            let told = format!("DATEPART({part}) of a {}", value.declared);
            return Err(Refusal::unknown(told));
        }
        let instant = self.convert(value, SqlType::DateTime2(7), 0);
        let sql = format!("tds_date_part('{part}', {})", instant.sql);
        Ok(Typed::new(sql, SqlType::Int))
    }

    /// Texts of all values one after the other; NULL is empty.
    fn concatenated(&mut self, arguments: &[&Expr]) -> Result<Typed> {
        let declared = SqlType::NVarChar(Length::Max);
        let mut texts = Vec::new();
        for argument in arguments {
            let value = self.value(argument)?;
            texts.push(format!(
                "coalesce({}, '')",
                self.convert(value, declared, 0).sql
            ));
        }
        let sql = format!("({})", texts.join(" || "));
        Ok(Typed::new(sql, declared).never_null())
    }

    /// The least value of a type has none: an overflow.
    fn absolute(&mut self, value: &Expr) -> Result<Typed> {
        let value = self.value(value)?;
        let declared = value.declared;
        if declared.family() != Family::Integer || declared == SqlType::Bit {
            return Err(Refusal::unknown(format!("ABS of a {declared}")));
        }
        let whole = Typed::new(format!("abs({})", value.sql), SqlType::BigInt);
        Ok(self.convert(whole, declared, 0))
    }

    /// A hash of values, each as it is compared.
    fn checksum(&mut self, arguments: &[&Expr]) -> Result<Typed> {
        let mut hashed = Vec::new();
        for (argument, place) in arguments.iter().zip(1..) {
            let value = self.value(argument)?;
            let declared = value.declared;
            hashed.push(match declared.family() {
                Family::Opaque => {
                    let told = format!(
                        "Argument data type {declared} is invalid for argument {place} of checksum function."
                    );
                    return Err(Refusal::new(8116, told));
                }
                Family::Text => {
                    let comparison = value.collation.comparison(declared.is_wide());
                    let insensitive = i32::from(comparison == "tds_insensitive");
                    format!("tds_folded({}, {insensitive})", value.sql)
                }
                _ => value.comparable()?,
            });
        }
        let sql = format!("tds_checksum({})", hashed.join(", "));
        Ok(Typed::new(sql, SqlType::Int))
    }

    /// The name of the type that a value of a `sql_variant` has of its own; it is a `sql_variant` too.
    fn own_type(&mut self, value: &Expr, property: &Expr) -> Result<Typed> {
        let value = self.value(value)?;
        if value.declared != SqlType::SqlVariant || property.to_string() != "'BaseType'" {
            let told = format!("{property} of a {}", value.declared);
            return Err(Refusal::unknown(told));
        }
        let sql = format!("tds_variant_type({})", value.sql);
        Ok(Typed::new(sql, SqlType::SqlVariant))
    }

    fn first_known(&mut self, name: &str, arguments: &[&Expr]) -> Result<Typed> {
        let values: Result<Vec<Typed>> = arguments.iter().map(|value| self.value(value)).collect();
        let values = values?;
        let kind = if name == "ISNULL" {
            values[0].clone()
        } else {
            common(&values)?
        };
        let nullable = values.iter().all(|value| value.nullable);
        let converted = values
            .into_iter()
            .map(|value| self.convert(value, kind.declared, 0).sql);
        let sql = format!("coalesce({})", converted.collect::<Vec<_>>().join(", "));
        Ok(Typed {
            sql,
            nullable,
            ..kind
        })
    }
}
