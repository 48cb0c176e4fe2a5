//! Types: Parquet's own, under the names of the canonical ones.

use goe::frontend::{NativeType, TypeMap};
use goe::schema::{CanonicalType, Mapping};
use goe::{Error, Result};

pub struct ParquetTypes;

impl TypeMap for ParquetTypes {
    fn natives(&self) -> Vec<String> {
        CanonicalType::ALL.map(|kind| kind.to_string()).to_vec()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        let unknown = |error: Error| {
            let known = self.natives().join(", ");
            Error::unsupported(error.message()).hint(format!("known are: {known}"))
        };
        native.parse().map(Mapping::exact).map_err(unknown)
    }

    /// Parquet has no interval that readers agree on.
    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        let as_it_is = |stored: CanonicalType| NativeType {
            native: stored.to_string(),
            stored,
        };
        Ok(match canonical {
            CanonicalType::IntervalDs | CanonicalType::IntervalYm => {
                let text = as_it_is(CanonicalType::LargeString);
                Mapping::widening(text, "an interval; as text")
            }
            kept => Mapping::exact(as_it_is(kept)),
        })
    }
}
