//! The types that a header may name.

use goe::frontend::{NativeType, TypeMap};
use goe::schema::{CanonicalType, Mapping};
use goe::{Error, Result};

/// The types that a header may name.
#[derive(Debug)]
pub struct CsvTypes;

impl TypeMap for CsvTypes {
    fn natives(&self) -> Vec<String> {
        let natives = [
            "bigint",
            "text",
            "double",
            "boolean",
            "date",
            "decimal(15,2)",
        ];
        natives.map(str::to_owned).to_vec()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        Ok(Mapping::exact(match native {
            "bigint" => CanonicalType::Integer8,
            "text" => CanonicalType::LargeString,
            "double" => CanonicalType::Double,
            "boolean" => CanonicalType::Boolean,
            "date" => CanonicalType::Date,
            other => match other.parse() {
                Ok(
                    decimal @ CanonicalType::Decimal {
                        precision: ..=38, ..
                    },
                ) => decimal,
                _ => {
                    let message = format!("\"{other}\" is no type that a header may name");
                    let known = self.natives().join(", ");
                    return Err(Error::unsupported(message).hint(format!("known are: {known}")));
                }
            },
        }))
    }

    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        let message = format!("CSV files of {canonical} are not written");
        Err(Error::unsupported(message).hint("choose another target"))
    }
}
