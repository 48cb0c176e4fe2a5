//! The server's types and the canonical ones.

use crate::error::{Error, Result};
use crate::frontend::{NativeType, TypeMap};
use crate::schema::{CanonicalType, Mapping};

/// The type map.
#[derive(Debug)]
pub(super) struct Types;

/// The type of JSON documents.
pub(super) const DOCUMENT: &str = "VARIANT";

/// Text of any length.
const TEXT: CanonicalType = CanonicalType::VariableString { length: None };

/// The characters of a text, and the bytes of a binary, whose type names no length.
const LONGEST_TEXT: u32 = 16_777_216;
const LONGEST_BINARY: u32 = 8_388_608;

impl TypeMap for Types {
    fn natives(&self) -> Vec<String> {
        [
            "NUMBER(3,0)",
            "NUMBER(5,0)",
            "NUMBER(10,0)",
            "NUMBER(19,0)",
            "NUMBER(38,0)",
            "NUMBER(15,2)",
            "FLOAT",
            "VARCHAR",
            "VARCHAR(100)",
            "BINARY",
            "BINARY(16)",
            "BOOLEAN",
            "DATE",
            "TIME(6)",
            "TIMESTAMP_NTZ(6)",
            "TIMESTAMP_NTZ(9)",
            "TIMESTAMP_LTZ(6)",
            "TIMESTAMP_TZ(6)",
            "TIMESTAMP_TZ(9)",
            DOCUMENT,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        use CanonicalType as T;
        let (name, arguments) = taken_apart(native).ok_or_else(|| unknown(native))?;
        let scale = || arguments.first().map_or(9, |&scale| scale.min(9) as u8);
        Ok(match (name, arguments.as_slice()) {
            ("NUMBER", [precision @ 1..=38, scale]) if scale <= precision => {
                Mapping::exact(T::exact_number(*precision, *scale as i32)?)
            }
            ("FLOAT", []) => Mapping::exact(T::Double),
            ("VARCHAR" | "TEXT", [length]) if *length < LONGEST_TEXT => {
                Mapping::exact(T::VariableString {
                    length: Some(*length),
                })
            }
            ("VARCHAR" | "TEXT", [] | [_]) => Mapping::exact(T::LargeString),
            ("BINARY", [length]) if *length < LONGEST_BINARY => Mapping::exact(T::Binary {
                length: Some(*length),
            }),
            ("BINARY", [] | [_]) => Mapping::exact(T::LargeBinary),
            ("BOOLEAN", []) => Mapping::exact(T::Boolean),
            ("DATE", []) => Mapping::exact(T::Date),
            ("TIME", [] | [_]) => Mapping::exact(T::Time { scale: scale() }),
            ("TIMESTAMP_NTZ", [] | [_]) => Mapping::exact(T::Timestamp { scale: scale() }),
            ("TIMESTAMP_LTZ", [] | [_]) => Mapping::exact(T::TimestampTz { scale: scale() }),
            ("TIMESTAMP_TZ", [] | [_]) => Mapping::widening(
                T::TimestampTz { scale: scale() },
                "the instant is read; the offset that it was written with is not",
            ),
            (DOCUMENT, []) => Mapping::lossy(
                T::LargeString,
                "JSON as the server writes it: its order of keys, blanks and forms of numbers",
            ),
            _ => return Err(unknown(native)),
        })
    }

    fn json(&self) -> Option<&'static str> {
        Some(DOCUMENT)
    }

    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        use CanonicalType as T;
        let same = |native: String| Ok(Mapping::exact(stored(native, canonical)));
        let text = |why: &str| Ok(Mapping::widening(stored("VARCHAR".to_owned(), TEXT), why));
        // Microseconds or nanoseconds, as they are staged: a fraction is never cut.
        let digits = |scale: u8| if scale <= 6 { 6 } else { 9 };
        match canonical {
            T::FixedString {
                length: Some(length @ 1..LONGEST_TEXT),
            }
            | T::VariableString {
                length: Some(length @ 1..LONGEST_TEXT),
            } => same(format!("VARCHAR({length})")),
            T::FixedString { .. } | T::VariableString { .. } | T::LargeString => {
                same("VARCHAR".to_owned())
            }
            T::Binary {
                length: Some(length @ 1..LONGEST_BINARY),
            } => same(format!("BINARY({length})")),
            T::Binary { .. } | T::LargeBinary => same("BINARY".to_owned()),
            T::Integer1 => same("NUMBER(3,0)".to_owned()),
            T::Integer2 => same("NUMBER(5,0)".to_owned()),
            T::Integer4 => same("NUMBER(10,0)".to_owned()),
            T::Integer8 => same("NUMBER(19,0)".to_owned()),
            T::Integer38 => same("NUMBER(38,0)".to_owned()),
            T::Decimal {
                precision: precision @ ..=38,
                scale: scale @ ..=37,
            } => same(format!("NUMBER({precision},{scale})")),
            T::Decimal { .. } => text("NUMBER ends at 38 digits, 37 of them after the point"),
            T::Float => Ok(Mapping::widening(
                stored("FLOAT".to_owned(), canonical),
                "FLOAT has 64 bits there",
            )),
            T::Double => same("FLOAT".to_owned()),
            T::Date => same("DATE".to_owned()),
            T::Time { scale } => {
                let scale = digits(scale);
                Ok(Mapping::exact(stored(
                    format!("TIME({scale})"),
                    T::Time { scale },
                )))
            }
            T::Timestamp { scale } => {
                let scale = digits(scale);
                let to = stored(format!("TIMESTAMP_NTZ({scale})"), T::Timestamp { scale });
                Ok(Mapping::exact(to))
            }
            T::TimestampTz { scale } => {
                let scale = digits(scale);
                let to = stored(format!("TIMESTAMP_TZ({scale})"), T::TimestampTz { scale });
                Ok(Mapping::exact(to))
            }
            T::IntervalDs | T::IntervalYm => text("there is no interval; kept as text"),
            T::Boolean => same("BOOLEAN".to_owned()),
        }
    }
}

fn stored(native: String, stored: CanonicalType) -> NativeType {
    NativeType { native, stored }
}

/// `NAME` or `NAME(1,2)` as name and numbers.
fn taken_apart(native: &str) -> Option<(&str, Vec<u32>)> {
    let Some((name, rest)) = native.split_once('(') else {
        return Some((native, Vec::new()));
    };
    let arguments = rest.strip_suffix(')')?.split(',');
    let arguments: Option<Vec<u32>> = arguments.map(|text| text.trim().parse().ok()).collect();
    Some((name, arguments?))
}

fn unknown(native: &str) -> Error {
    Error::unsupported(format!("The type {native} has no canonical type"))
        .hint("goe keeps plain columns and JSON in VARIANT; OBJECT, ARRAY, GEOGRAPHY and VECTOR it does not")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Fidelity;

    #[test]
    fn every_canonical_type_is_stored_and_comes_back_as_wide() {
        let more = [
            CanonicalType::Decimal {
                precision: 38,
                scale: 37,
            },
            CanonicalType::Decimal {
                precision: 38,
                scale: 38,
            },
            CanonicalType::Decimal {
                precision: 76,
                scale: 10,
            },
            CanonicalType::Decimal {
                precision: 18,
                scale: 0,
            },
            CanonicalType::Timestamp { scale: 0 },
            CanonicalType::Timestamp { scale: 9 },
            CanonicalType::TimestampTz { scale: 7 },
            CanonicalType::VariableString {
                length: Some(LONGEST_TEXT),
            },
            CanonicalType::VariableString { length: Some(0) },
            CanonicalType::Binary { length: None },
        ];
        for canonical in CanonicalType::ALL.into_iter().chain(more) {
            let mapping = Types.from_canonical(canonical).unwrap();
            let back = Types.to_canonical(&mapping.to.native).unwrap().to;
            assert!(back.holds(mapping.to.stored), "{canonical}: {back}");
            assert!(mapping.fidelity != Fidelity::Lossy, "{canonical}");
        }
    }

    #[test]
    fn every_native_type_is_mapped_or_refused() {
        for native in Types.natives() {
            let canonical = Types.to_canonical(&native).unwrap().to;
            let again = Types.from_canonical(canonical).unwrap().to;
            let back = Types.to_canonical(&again.native).unwrap().to;
            assert!(back.holds(canonical), "{native}");
        }
        for native in [
            "",
            "VARIANT(1)",
            "OBJECT",
            "NUMBER",
            "NUMBER(39,0)",
            "NUMBER(5,6)",
            "NUMBER(0,0)",
            "NUMBER(5,x)",
            "FLOAT(3)",
            "VECTOR(FLOAT, 3)",
        ] {
            assert!(Types.to_canonical(native).is_err(), "{native}");
        }
    }
}
