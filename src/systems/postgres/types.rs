//! PostgreSQL's types to and from the canonical ones.

use super::native::{Kind, Native};
use crate::error::{Error, Result};
use crate::frontend::{NativeType, TypeMap};
use crate::schema::{CanonicalType, Mapping};

/// The most fraction digits of a second that the server keeps.
const TIME_DIGITS: u8 = 6;

/// The longest `character(n)` and `character varying(n)`.
const LONGEST_TEXT: u32 = 10_485_760;

/// The type map. Stateless.
#[derive(Debug)]
pub(super) struct Types;

impl TypeMap for Types {
    fn natives(&self) -> Vec<String> {
        NATIVES.iter().map(|native| (*native).to_owned()).collect()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        Native::parse(native)
            .ok_or_else(|| {
                Error::unsupported(format!(
                    "\"{native}\" is no type of PostgreSQL that goe knows"
                ))
                .hint("write it as psql shows it, such as numeric(15,2)")
            })
            .and_then(|native| canonical(&native))
    }

    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        let native = |native: String| NativeType {
            native,
            stored: canonical,
        };
        let exact = |text: &str| Mapping::exact(native(text.to_owned()));
        let text = || "text".to_owned();
        Ok(match canonical {
            CanonicalType::FixedString {
                length: Some(n @ 1..=LONGEST_TEXT),
            } => Mapping::exact(native(format!("character({n})"))),
            CanonicalType::VariableString {
                length: Some(n @ 1..=LONGEST_TEXT),
            } => Mapping::exact(native(format!("character varying({n})"))),
            CanonicalType::FixedString { .. } | CanonicalType::VariableString { .. } => {
                Mapping::widening(native(text()), "text without a bound")
            }
            CanonicalType::LargeString => exact("text"),
            CanonicalType::Binary { .. } => {
                Mapping::widening(native("bytea".to_owned()), "bytea has no bound")
            }
            CanonicalType::LargeBinary => exact("bytea"),
            CanonicalType::Integer1 => Mapping::widening(
                NativeType {
                    native: "smallint".to_owned(),
                    stored: CanonicalType::Integer2,
                },
                "there is no integer of one byte",
            ),
            CanonicalType::Integer2 => exact("smallint"),
            CanonicalType::Integer4 => exact("integer"),
            CanonicalType::Integer8 => exact("bigint"),
            CanonicalType::Integer38 => exact("numeric(38,0)"),
            CanonicalType::Decimal { precision, scale } => {
                Mapping::exact(native(format!("numeric({precision},{scale})")))
            }
            CanonicalType::Float => exact("real"),
            CanonicalType::Double => exact("double precision"),
            CanonicalType::Date => exact("date"),
            CanonicalType::Time { scale } => timed(scale, |scale| {
                (format!("time({scale}) without time zone"), time(scale))
            }),
            CanonicalType::Timestamp { scale } => timed(scale, |scale| {
                (
                    format!("timestamp({scale}) without time zone"),
                    timestamp(scale),
                )
            }),
            CanonicalType::TimestampTz { scale } => timed(scale, |scale| {
                (
                    format!("timestamp({scale}) with time zone"),
                    timestamp_tz(scale),
                )
            }),
            CanonicalType::IntervalDs => exact("interval day to second"),
            CanonicalType::IntervalYm => exact("interval year to month"),
            CanonicalType::Boolean => exact("boolean"),
        })
    }
}

fn time(scale: u8) -> CanonicalType {
    CanonicalType::Time { scale }
}

fn timestamp(scale: u8) -> CanonicalType {
    CanonicalType::Timestamp { scale }
}

fn timestamp_tz(scale: u8) -> CanonicalType {
    CanonicalType::TimestampTz { scale }
}

fn timed(scale: u8, typed: impl Fn(u8) -> (String, CanonicalType)) -> Mapping<NativeType> {
    let (native, stored) = typed(scale.min(TIME_DIGITS));
    let native = NativeType { native, stored };
    if scale <= TIME_DIGITS {
        Mapping::exact(native)
    } else {
        Mapping::lossy(native, "the server keeps microseconds")
    }
}

/// The canonical type of a parsed native one.
pub(super) fn canonical(native: &Native) -> Result<Mapping<CanonicalType>> {
    if native.as_text {
        return Ok(Mapping::widening(
            CanonicalType::LargeString,
            "read as text, as asked",
        ));
    }
    let text = |reason: &str| Mapping::widening(CanonicalType::LargeString, reason);
    let years = "only the years 1 to 9999; infinity and other years stop the run";
    Ok(match native.kind {
        Kind::Boolean => Mapping::exact(CanonicalType::Boolean),
        Kind::SmallInt => Mapping::exact(CanonicalType::Integer2),
        Kind::Integer => Mapping::exact(CanonicalType::Integer4),
        Kind::BigInt => Mapping::exact(CanonicalType::Integer8),
        Kind::Oid => Mapping::widening(CanonicalType::Integer8, "unsigned, of 4 bytes"),
        Kind::Numeric(None) => text(
            "numeric without precision has no bound; its digits as text \
             (or read it as decimal(p,s))",
        ),
        Kind::Numeric(Some((precision, scale))) => {
            match CanonicalType::exact_number(precision, scale) {
                Ok(decimal) => {
                    Mapping::lossy(decimal, "NaN and infinity have no decimal and stop the run")
                }
                Err(_) => text("more than the 76 digits that a decimal can have"),
            }
        }
        Kind::Money => Mapping::widening(
            CanonicalType::Decimal {
                precision: 19,
                scale: 2,
            },
            "the amount without its currency; lc_monetary must have two fraction digits",
        ),
        Kind::Real => Mapping::exact(CanonicalType::Float),
        Kind::Double => Mapping::exact(CanonicalType::Double),
        Kind::Date => Mapping::lossy(CanonicalType::Date, years),
        Kind::Time(scale) => Mapping::lossy(
            CanonicalType::Time { scale },
            "24:00:00 is no time of day and stops \
                                                           the run",
        ),
        Kind::Timestamp(scale) => Mapping::lossy(CanonicalType::Timestamp { scale }, years),
        Kind::TimestampTz(scale) => Mapping::lossy(CanonicalType::TimestampTz { scale }, years),
        Kind::Uuid => Mapping::widening(
            CanonicalType::FixedString { length: Some(36) },
            "its text form",
        ),
        Kind::Bytea => Mapping::exact(CanonicalType::LargeBinary),
        Kind::Text => Mapping::exact(CanonicalType::LargeString),
        Kind::Name => Mapping::exact(CanonicalType::VariableString { length: Some(63) }),
        Kind::Char => Mapping::widening(
            CanonicalType::VariableString { length: Some(4) },
            "one byte; above 127 as \\ooo",
        ),
        Kind::Varchar(length) => Mapping::exact(CanonicalType::VariableString { length }),
        Kind::Bpchar(length) => Mapping::exact(CanonicalType::FixedString { length }),
        Kind::Json => text("the JSON text as stored"),
        Kind::Jsonb => text("the server's text of the value"),
        Kind::Array => text("an array, as JSON text"),
        Kind::Composite => text("a composite, as JSON text"),
        Kind::Interval => text("months, days and microseconds; as ISO 8601 text"),
        Kind::TimeTz => text("a time with an offset; as text"),
        Kind::Enum => text("an enum's label"),
        Kind::Other => text("the server's text form"),
        Kind::Pseudo => {
            return Err(
                Error::unsupported("A pseudo-type has no values that can be read")
                    .hint("leave the column out"),
            );
        }
    })
}

/// What people see in the table of types.
const NATIVES: &[&str] = &[
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "oid",
    "numeric",
    "numeric(9,0)",
    "numeric(15,2)",
    "numeric(5,-2)",
    "numeric(2,4)",
    "numeric(76,10)",
    "numeric(100,10)",
    "money",
    "real",
    "double precision",
    "date",
    "time without time zone",
    "time(3) with time zone",
    "timestamp without time zone",
    "timestamp(3) without time zone",
    "timestamp with time zone",
    "interval",
    "uuid",
    "bytea",
    "text",
    "name",
    "\"char\"",
    "character varying",
    "character varying(100)",
    "character(10)",
    "json",
    "jsonb",
    "xml",
    "inet",
    "cidr",
    "macaddr",
    "bit(8)",
    "bit varying(8)",
    "tsvector",
    "tsquery",
    "int4range",
    "integer[]",
    "enum mood",
    "composite address",
    "type citext",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Fidelity;

    #[test]
    fn every_native_and_every_canonical_type_maps() {
        for native in Types.natives() {
            let mapping = Types.to_canonical(&native).unwrap();
            let says = mapping.fidelity == Fidelity::Exact || mapping.reason.is_some();
            assert!(says, "{native}");
        }
        for canonical in CanonicalType::ALL {
            let mapping = Types.from_canonical(canonical).unwrap();
            let back = Types.to_canonical(&mapping.to.native).unwrap();
            let kept = back.to.holds(mapping.to.stored) || back.to.is_text();
            assert!(kept, "{canonical} -> {} -> {}", mapping.to.native, back.to);
            assert!(
                mapping.fidelity == Fidelity::Lossy || mapping.to.stored.holds(canonical),
                "{canonical}"
            );
        }
    }

    #[test]
    fn numbers_keep_every_digit() {
        let to = |native: &str| Types.to_canonical(native).unwrap().to;
        assert_eq!(to("numeric(9,0)"), CanonicalType::Integer4);
        assert_eq!(to("numeric(5,-2)"), CanonicalType::Integer4);
        assert_eq!(
            to("numeric(2,4)"),
            CanonicalType::Decimal {
                precision: 4,
                scale: 4
            }
        );
        assert_eq!(
            to("numeric(76,10)"),
            CanonicalType::Decimal {
                precision: 76,
                scale: 10
            }
        );
        assert_eq!(to("numeric(77,10)"), CanonicalType::LargeString);
        assert_eq!(to("numeric"), CanonicalType::LargeString);
        assert!(Types.to_canonical("no such thing").is_err());
        assert!(Types.to_canonical("pseudo record").is_err());
    }
}
