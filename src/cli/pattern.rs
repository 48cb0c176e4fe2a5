//! Tables named by a pattern, as files are in a shell.

use crate::frontend::TableEntry;

/// Whether a table's name, alone or behind its schema's, fits a pattern; upper and lower case are one.
pub(super) fn is_named(entry: &TableEntry, pattern: &str) -> bool {
    let full = format!("{}.{}", entry.schema, entry.table);
    fits(pattern, &entry.table) || fits(pattern, &full)
}

/// Whether a text fits a pattern of `*`, any text, and `?`, any character, whatever the case; in time
/// that does not explode.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for c in pattern.to_lowercase().chars() {
        if c == '*' {
            let first = reachable
                .iter()
                .position(|reached| *reached)
                .unwrap_or(reachable.len());
            reachable[first..].fill(true);
        } else {
            for end in (1..reachable.len()).rev() {
                reachable[end] = reachable[end - 1] && (c == '?' || c == text[end - 1]);
            }
            reachable[0] = false;
        }
    }
    reachable[text.len()]
}

/// Whether a source's name is a pattern: an asterisk or a question mark outside of quotes, behind the
/// URL where there is one.
pub(super) fn is_pattern(source: &str) -> bool {
    let names = match source.rsplit_once('#') {
        Some((url, names)) if url.contains(':') => names,
        _ => source,
    };
    let outside = names.split('"').step_by(2);
    outside.into_iter().any(|part| part.contains(['*', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        let table = [
            ("orders", "orders", true),
            ("ORDERS", "Orders", true),
            ("orders", "order", false),
            ("o*", "orders", true),
            ("*items", "lineitems", true),
            ("l?ne*m", "lineitem", true),
            ("*", "", true),
            ("?", "", false),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_is_told_from_a_name() {
        let table = [
            ("pg.public.*", true),
            ("pg.public.ord?rs", true),
            ("pg.*.orders", true),
            ("pg.public.orders", false),
            ("pg.public.\"a*b\"", false),
            ("pg.\"x\".o*", true),
            ("postgres://h/db?sslmode=require#public.orders", false),
            ("postgres://h/db?sslmode=require#public.*", true),
        ];
        for (source, expected) in table {
            assert_eq!(is_pattern(source), expected, "{source}");
        }
    }
}
