//! Our statements as PostgreSQL reads them. They are written once, in what it and SQLite both
//! know, but for this little:
//!
//! | written | PostgreSQL |
//! |---|---|
//! | `?1` | `$1`, whose type is told beside the value |
//! | `INTEGER` | `BIGINT`: the one is 64 bits wide in SQLite, the other here |
//! | `TEXT` | `TEXT COLLATE "C"`: compared and sorted byte by byte |
//! | `STRICT` | nothing: it is always so |
//! | `unixepoch()` | whole seconds of the server's clock |
//!
//! Comments go, quoted text stays as it is.

/// The seconds since 1970 at the server, when the transaction began.
const SECONDS: &str = "CAST(floor(extract(epoch FROM now())) AS BIGINT)";

/// A statement, or a script of them, for PostgreSQL.
pub(super) fn translate(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '\'' || first == '"' {
            let length = quoted(rest, first);
            text.push_str(&rest[..length]);
            length
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            push_word(&mut text, &rest[..length]);
            length
        } else {
            text.push(if first == '?' { '$' } else { first });
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    text.replace("unixepoch()", SECONDS)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of what begins with a quote. A doubled quote inside begins a second one at once.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

fn push_word(text: &mut String, word: &str) {
    text.push_str(match word {
        "INTEGER" => "BIGINT",
        "TEXT" => "TEXT COLLATE \"C\"",
        "STRICT" => "",
        other => other,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let table = [
            ("SELECT a FROM b", "SELECT a FROM b"),
            ("WHERE ?1 IS NULL OR a = ?12", "WHERE $1 IS NULL OR a = $12"),
            ("a INTEGER, b TEXT", "a BIGINT, b TEXT COLLATE \"C\""),
            ("(a INTEGER) STRICT;", "(a BIGINT) ;"),
            ("a -- is ?1, 'so\n, b", "a \n, b"),
            (
                "'?1 INTEGER -- it''s' \"TEXT\"",
                "'?1 INTEGER -- it''s' \"TEXT\"",
            ),
            ("INTEGERS PRETEXT", "INTEGERS PRETEXT"),
            (
                "expires < unixepoch() + ?1",
                "expires < CAST(floor(extract(epoch FROM now())) AS BIGINT) + $1",
            ),
            ("'open", "'open"),
        ];
        for (written, translated) in table {
            assert_eq!(translate(written), translated);
        }
    }

    #[test]
    fn nothing_of_the_other_dialect_is_left_in_any_statement() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/repository");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let translated = translate(&std::fs::read_to_string(&path).unwrap());
            for word in ["?", "--", "STRICT", "INTEGER", "unixepoch", "LIKE", " max("] {
                assert!(!translated.contains(word), "{}: {word}", path.display());
            }
        }
    }
}
