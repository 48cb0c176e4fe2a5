//! A chunk's list of staged files, with all that is known of them: what a load takes in and what a
//! proof compares with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::{PartitionHashes, TableHashes};

/// The files of one chunk. Immutable once staged; its id names it everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Unique: the run's id and the chunk's number, `0192…-0001`.
    pub id: String,
    /// The files, in no order.
    pub files: Vec<StagedFile>,
}

/// One Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Where it is, relative to the staging root, partition folders included; not URL-encoded.
    pub path: String,
    /// The values of the target's partition columns that all its rows share, as text; `None` is
    /// NULL. In the order of the partition columns.
    pub partition: Vec<(String, Option<String>)>,
    /// Its size.
    pub bytes: u64,
    /// Exact bounds of each column, in the order of the staged schema.
    pub bounds: Vec<ColumnBounds>,
    /// Its rows, NULLs and hashes; columns in the order of the staged schema, partition columns
    /// included.
    pub hashes: TableHashes,
}

/// Exact bounds of a column in one file, as text: plain digits for exact numbers, ISO 8601 for
/// dates and times (instants with `Z`), the text itself for text. `None` where there is no value,
/// or none that may be stated (binary, intervals, a column with a NaN).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ColumnBounds {
    /// The least value.
    pub min: Option<String>,
    /// The greatest value.
    pub max: Option<String>,
    /// The sum of an exact number's values, where 38 digits hold it.
    #[serde(default)]
    pub sum: Option<String>,
}

impl Manifest {
    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let rows = self.files.iter().map(|file| file.hashes.rows);
        rows.fold(0, u64::saturating_add)
    }

    /// How many bytes of Parquet.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.files.iter().map(|file| file.bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// The sums of each partition.
    #[must_use]
    pub fn hashes(&self) -> PartitionHashes {
        let mut sums: PartitionHashes = BTreeMap::new();
        for file in &self.files {
            sums.entry(partition_path(&file.partition))
                .or_default()
                .add(&file.hashes);
        }
        sums
    }
}

/// What a NULL is called in a folder's name, as Hive began and everybody reads.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// The folder of a partition, `month=2024-01-01/region=EU`; empty without partition columns.
///
/// Whatever could leave the folder, or that a file system or an object store minds, is
/// percent-encoded, so different values have different folders, and a value can be read from its
/// folder. One that would be longer than file systems take (255 bytes) ends with `~` and its hash.
#[must_use]
pub fn partition_path(partition: &[(String, Option<String>)]) -> String {
    let folder = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{}={}", encode(name), encode(value)),
        None => format!("{}={NULL_PARTITION}", encode(name)),
    };
    partition.iter().map(folder).collect::<Vec<_>>().join("/")
}

/// A part longer than this is cut; name and value together fit in a folder's name then.
const LONGEST_PART: usize = 120;

fn encode(text: &str) -> String {
    let mut whole = encode_whole(text);
    if whole.len() > LONGEST_PART {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let cut = LONGEST_PART - 17;
        // Not in the middle of a percent sign's digits.
        let end = whole[cut - 2..cut].find('%').map_or(cut, |at| cut - 2 + at);
        whole.truncate(end);
        whole.push_str(&format!("~{hash:016x}"));
    }
    whole
}

fn encode_whole(text: &str) -> String {
    if text == NULL_PARTITION {
        return text.replacen('_', "%5F", 1);
    }
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b' ');
    let dots = !text.is_empty() && text.bytes().all(|byte| byte == b'.');
    text.bytes()
        .map(|byte| {
            if plain(byte) && !dots {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_values_stay_in_the_folder() {
        for hostile in [
            "..",
            ".",
            "../x",
            "/etc",
            "a\0b",
            "%2e%2e",
            "a\\b",
            "con?",
            NULL_PARTITION,
        ] {
            let path = partition_path(&[("c".to_owned(), Some(hostile.to_owned()))]);
            let value = path.strip_prefix("c=").unwrap();
            assert!(!value.contains(['/', '\\', '\0', '?']), "{path}");
            assert!(!matches!(value, "." | ".." | NULL_PARTITION), "{path}");
        }
    }

    #[test]
    fn a_long_value_fits_in_a_folder_and_is_like_no_other() {
        let name = "n".repeat(300);
        let paths = ["é".repeat(150), "a".repeat(300), "a".repeat(299) + "b"].map(|value| {
            let path = partition_path(&[(name.clone(), Some(value))]);
            assert!(path.len() <= 255 && path.is_ascii(), "{path}");
            path
        });
        assert!(paths[0] != paths[1] && paths[1] != paths[2], "{paths:?}");
    }

    /// The value of a folder, as other readers of partitioned folders find it.
    fn decoded(folder: &str) -> Option<String> {
        let (_, text) = folder.split_once('=').unwrap();
        if text == NULL_PARTITION {
            return None;
        }
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            bytes.push(match first {
                b'%' => {
                    rest = &after[2..];
                    u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap()
                }
                plain => plain,
            });
        }
        Some(String::from_utf8(bytes).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn different_values_have_different_folders(a: Option<String>, b: Option<String>) {
            let path = |value: &Option<String>| partition_path(&[("c".to_owned(), value.clone())]);
            prop_assert_eq!(a == b, path(&a) == path(&b));
        }

        #[test]
        fn a_value_comes_back_from_its_folder(
            value in prop::option::of("\\PC{0,9}|[./%=\\\\\0\n~:@ -]{0,9}|(CON|__HIVE_DEFAULT_PARTITION__)")
        ) {
            let path = partition_path(&[("c".to_owned(), value.clone())]);
            prop_assert!(path.is_ascii() && !path.contains(['/', '\\', '\0', '\n']), "{}", path);
            prop_assert!(!path.ends_with("=.") && !path.ends_with("=.."), "{}", path);
            prop_assert_eq!(decoded(&path), value);
        }
    }
}
