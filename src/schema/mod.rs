//! The common tongue: the twenty canonical types, columns, names and hashes that every system
//! maps to and from. Nothing here does I/O or knows a product.

mod canonical;
mod column;
mod hash;
mod literal;
mod name;
mod value;

pub use crate::error::nearest;
pub use canonical::{CANONICAL_KEY, CanonicalType, NATIVE_KEY};
pub use column::{Column, Fidelity, Mapping};
pub use hash::{ColumnHash, PartitionHashes, RowHasher, TableHashes};
pub(crate) use hash::{
    ColumnHasher, ColumnsHasher, hash_bytes, hash_decimal, hash_f64, hash_i64, hash_nanos,
    hash_wide_decimal,
};
pub use literal::parse_value;
pub use name::{TableName, pick};
pub use value::{describe_value, shorten};
