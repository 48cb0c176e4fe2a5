//! The statements of `sql/catalog`, filled in.

/// A statement without its comment lines and with values in the places of `:name`.
///
/// One pass: what a value holds is never filled in itself.
pub(super) fn filled(sql: &str, values: &[(&str, String)]) -> String {
    let lines = sql.lines().filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut filled = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(':') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after
            .find(|c: char| !c.is_ascii_lowercase() && c != '_')
            .unwrap_or(after.len());
        match values.iter().find(|(name, _)| *name == &after[..end]) {
            Some((_, value)) => filled.push_str(value),
            None => filled.push_str(&rest[at..=at + end]),
        }
        rest = &after[end..];
    }
    filled.push_str(rest);
    filled.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_filled_in_again() {
        let sql = "-- what :a is\nSELECT :a, :ab, x::DATE WHERE :b\n";
        let values = [("a", "':b'".to_owned()), ("b", "TRUE".to_owned())];
        assert_eq!(filled(sql, &values), "SELECT ':b', :ab, x::DATE WHERE TRUE");
    }
}
