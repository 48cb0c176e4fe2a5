//! Delta's types and the canonical ones.

use crate::error::{Error, Result};
use crate::frontend::{NativeType, TypeMap};
use crate::schema::{CanonicalType, Mapping};

/// Delta's type map.
#[derive(Debug)]
pub(super) struct DeltaTypes;

/// Text of any length: Delta has no other.
const TEXT: CanonicalType = CanonicalType::VariableString { length: None };

impl TypeMap for DeltaTypes {
    fn natives(&self) -> Vec<String> {
        [
            "string",
            "byte",
            "short",
            "integer",
            "long",
            "decimal(15,2)",
            "float",
            "double",
            "boolean",
            "binary",
            "date",
            "timestamp",
            "timestamp_ntz",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        use CanonicalType as T;
        Ok(Mapping::exact(match native {
            "string" => TEXT,
            "byte" => T::Integer1,
            "short" => T::Integer2,
            "integer" => T::Integer4,
            "long" => T::Integer8,
            "float" => T::Float,
            "double" => T::Double,
            "boolean" => T::Boolean,
            "binary" => T::Binary { length: None },
            "date" => T::Date,
            "timestamp" => T::TimestampTz { scale: 6 },
            "timestamp_ntz" => T::Timestamp { scale: 6 },
            other => return decimal(other),
        }))
    }

    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        use CanonicalType as T;
        let same = |native: &str, stored| {
            Ok(Mapping::exact(NativeType {
                native: native.to_owned(),
                stored,
            }))
        };
        let text = |reason: &str| {
            let to = NativeType {
                native: "string".to_owned(),
                stored: TEXT,
            };
            Ok(Mapping::widening(to, reason))
        };
        match canonical {
            T::LargeString => same("string", T::LargeString),
            T::FixedString { .. } | T::VariableString { .. } => same("string", TEXT),
            T::LargeBinary => same("binary", T::LargeBinary),
            T::Binary { .. } => same("binary", T::Binary { length: None }),
            T::Integer1 => same("byte", canonical),
            T::Integer2 => same("short", canonical),
            T::Integer4 => same("integer", canonical),
            T::Integer8 => same("long", canonical),
            T::Integer38 => same("decimal(38,0)", canonical),
            T::Decimal { precision, scale } if precision <= 38 => {
                same(&format!("decimal({precision},{scale})"), canonical)
            }
            T::Decimal { .. } => {
                text("Delta's decimals end at 38 digits; every digit is kept as text")
            }
            T::Float => same("float", canonical),
            T::Double => same("double", canonical),
            T::Date => same("date", canonical),
            T::Timestamp { scale: 0..=6 } => same("timestamp_ntz", T::Timestamp { scale: 6 }),
            T::TimestampTz { scale: 0..=6 } => same("timestamp", T::TimestampTz { scale: 6 }),
            T::Timestamp { .. } | T::TimestampTz { .. } => {
                text("Delta's timestamps end at microseconds; every digit is kept as text")
            }
            T::Time { .. } => text("Delta has no time of day; kept as text"),
            T::IntervalDs | T::IntervalYm => text("Delta has no interval; kept as text"),
            T::Boolean => same("boolean", canonical),
        }
    }
}

/// `decimal(p,s)`, or the refusal of a type that is none of the plain ones.
fn decimal(native: &str) -> Result<Mapping<CanonicalType>> {
    let digits = native
        .strip_prefix("decimal(")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|rest| rest.split_once(','))
        .and_then(|(p, s)| Some((p.trim().parse::<u8>().ok()?, s.trim().parse::<u8>().ok()?)))
        .filter(|(precision, scale)| (1..=38).contains(precision) && scale <= precision);
    match digits {
        Some((38, 0)) => Ok(Mapping::exact(CanonicalType::Integer38)),
        Some((precision, scale)) => Ok(Mapping::exact(CanonicalType::Decimal { precision, scale })),
        None => Err(
            Error::unsupported(format!("Delta's type {native} has no canonical type"))
                .hint("goe keeps plain columns; structs, arrays, maps and variants it does not"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Fidelity;

    #[test]
    fn every_canonical_type_is_stored_and_comes_back() {
        let more = [
            CanonicalType::Decimal {
                precision: 38,
                scale: 38,
            },
            CanonicalType::Decimal {
                precision: 39,
                scale: 0,
            },
            CanonicalType::Timestamp { scale: 9 },
            CanonicalType::TimestampTz { scale: 7 },
            CanonicalType::Timestamp { scale: 0 },
        ];
        for canonical in CanonicalType::ALL.into_iter().chain(more) {
            let mapping = DeltaTypes.from_canonical(canonical).unwrap();
            let back = DeltaTypes.to_canonical(&mapping.to.native).unwrap().to;
            assert!(back.holds(mapping.to.stored), "{canonical}: {back}");
            assert!(
                mapping.fidelity != Fidelity::Exact || back.holds(canonical),
                "{canonical}"
            );
            assert!(mapping.fidelity != Fidelity::Lossy);
        }
    }

    #[test]
    fn every_native_type_is_mapped_or_refused() {
        for native in DeltaTypes.natives() {
            let canonical = DeltaTypes.to_canonical(&native).unwrap().to;
            assert_eq!(
                DeltaTypes.from_canonical(canonical).unwrap().to.native,
                native
            );
        }
        for native in [
            "",
            "struct",
            "decimal",
            "decimal(39,0)",
            "decimal(0,0)",
            "decimal(5,6)",
            "variant",
        ] {
            assert!(DeltaTypes.to_canonical(native).is_err(), "{native}");
        }
    }
}
