//! Names: ours as people write them, and the server's.
//!
//! A name that needs no quotes is the server's own in upper case, as if it had been written there
//! without them. Every other name is kept as it is, in quotes.

/// Whether a name can be written without quotes.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'))
}

/// What a name of ours is called on the server.
pub(super) fn there(name: &str) -> String {
    if is_plain(name) {
        name.to_ascii_uppercase()
    } else {
        name.to_owned()
    }
}

/// What a name of the server is called here, unless somebody remembers another spelling.
pub(super) fn here(name: &str) -> String {
    let upper = is_plain(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase());
    if upper {
        name.to_ascii_lowercase()
    } else {
        name.to_owned()
    }
}

/// A name of ours in quotes, as the server calls it.
pub(super) fn quote(name: &str) -> String {
    quote_exactly(&there(name))
}

/// A name of the server in quotes.
pub(super) fn quote_exactly(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text in quotes; the server reads a backslash as the beginning of an escape.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_become_upper_case_and_others_stay() {
        for (ours, theirs, back) in [
            ("l_orderkey", "L_ORDERKEY", "l_orderkey"),
            ("OrderId", "ORDERID", "orderid"),
            ("_x$1", "_X$1", "_x$1"),
            ("order date", "order date", "order date"),
            ("größe", "größe", "größe"),
            ("1st", "1st", "1st"),
        ] {
            assert_eq!(there(ours), theirs);
            assert_eq!(here(theirs), back);
        }
        assert_eq!(here("mixedCase"), "mixedCase");
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("it's \\ so"), "'it''s \\\\ so'");
    }
}
