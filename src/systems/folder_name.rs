//! Names of schemas and tables as folders of an object store or a disk.

use crate::error::{Error, Result};

/// Marks an encoded byte in a folder's name. Not `%`, which readers take for a URL's.
const ESCAPE: u8 = b'@';

/// A name as a folder: letters, digits, `_`, `-` and `.` stand, the rest becomes `@` and two hex
/// digits a byte.
pub(super) fn encode_part(name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(Error::usage("The name of a schema or table is empty"));
    }
    let dots = name.bytes().all(|byte| byte == b'.');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    Ok(name
        .bytes()
        .map(|byte| {
            if plain(byte) && !dots {
                char::from(byte).to_string()
            } else {
                format!("{}{byte:02X}", char::from(ESCAPE))
            }
        })
        .collect())
}

/// The name that a folder stands for; `None` for a folder that no name is encoded as.
pub(super) fn decode_part(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.bytes();
    while let Some(byte) = rest.next() {
        if byte == ESCAPE {
            let digits = [rest.next()?, rest.next()?];
            let text = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(text, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (encode_part(&name).ok()? == folder).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn a_name_comes_back_from_its_folder(name in "\\PC{1,12}|[.%/\\\\\0\n]{1,4}") {
            let folder = encode_part(&name).unwrap();
            prop_assert!(!folder.contains(['/', '\\', '\0']) && folder != "." && folder != "..");
            prop_assert_eq!(decode_part(&folder), Some(name));
        }
    }
}
