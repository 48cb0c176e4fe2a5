//! Cutting a text into statements.

/// The statements of a text, cut at semicolons outside quotes and comments; empty ones are left
/// out. The last needs no semicolon.
pub(super) fn split(text: &str) -> Vec<String> {
    let statements = pieces(text);
    let statements = statements.iter().map(|statement| statement.trim());
    let said = statements.filter(|statement| !is_blank(statement));
    said.map(str::to_owned).collect()
}

/// The same, each on the line on which it stands in the text, so that a complaint names that line.
pub(super) fn split_in_place(text: &str) -> Vec<String> {
    let mut line = 0;
    let mut statements = Vec::new();
    for piece in pieces(text) {
        let said = piece.trim_start();
        let blank = &piece[..piece.len() - said.len()];
        let before = line + blank.matches('\n').count();
        line += piece.matches('\n').count();
        if !is_blank(said) {
            statements.push("\n".repeat(before) + said.trim_end());
        }
    }
    statements
}

/// What stands between semicolons.
fn pieces(text: &str) -> Vec<String> {
    let (mut statements, rest) = scan(text);
    statements.push(rest);
    statements
}

/// Whether a text ends with a semicolon outside quotes and comments, or says nothing at all.
pub(super) fn is_complete(text: &str) -> bool {
    let (_, rest) = scan(text);
    is_blank(&rest)
}

/// Where the scan is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Plain,
    Quote(char),
    LineComment,
    /// With its depth; block comments nest.
    BlockComment(u32),
}

/// The statements that end, and what comes after the last.
fn scan(text: &str) -> (Vec<String>, String) {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut place = Place::Plain;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        if place == Place::Plain && c == ';' {
            statements.push(std::mem::take(&mut current));
            continue;
        }
        current.push(c);
        let (new, takes_next) = step(place, c, next);
        place = new;
        if takes_next {
            current.extend(chars.next());
        }
    }
    (statements, current)
}

/// The place after a character, and whether the next one belongs to it.
fn step(place: Place, c: char, next: Option<char>) -> (Place, bool) {
    match (place, c, next) {
        (Place::Plain, '\'' | '"', _) => (Place::Quote(c), false),
        (Place::Plain, '-', Some('-')) => (Place::LineComment, true),
        (Place::Plain, '/', Some('*')) => (Place::BlockComment(1), true),
        (Place::BlockComment(depth), '/', Some('*')) => (Place::BlockComment(depth + 1), true),
        (Place::BlockComment(1), '*', Some('/')) => (Place::Plain, true),
        (Place::BlockComment(depth), '*', Some('/')) => (Place::BlockComment(depth - 1), true),
        (Place::Quote(quote), _, _) if c == quote => (Place::Plain, false),
        (Place::LineComment, '\n', _) => (Place::Plain, false),
        _ => (place, false),
    }
}

/// Whether there is nothing but blanks and comments.
fn is_blank(text: &str) -> bool {
    let mut place = Place::Plain;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let (new, takes_next) = step(place, c, chars.peek().copied());
        let comments = matches!(new, Place::LineComment | Place::BlockComment(_));
        if place == Place::Plain && !comments && !c.is_whitespace() {
            return false;
        }
        place = new;
        if takes_next {
            chars.next();
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_cut_where_they_end() {
        let table: [(&str, &[&str]); 9] = [
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"]),
            ("SELECT ';'; SELECT \";\"", &["SELECT ';'", "SELECT \";\""]),
            ("SELECT 'it''s; so'; x", &["SELECT 'it''s; so'", "x"]),
            ("a -- ; b\n; c", &["a -- ; b", "c"]),
            ("a /* ; /* ; */ ; */ b; c", &["a /* ; /* ; */ ; */ b", "c"]),
            (";;  ; -- nothing", &[]),
            ("SELECT 'open; quote", &["SELECT 'open; quote"]),
            ("1 - 1; 2 / 2", &["1 - 1", "2 / 2"]),
        ];
        for (text, statements) in table {
            assert_eq!(split(text), statements, "{text}");
        }
    }

    #[test]
    fn a_statement_stays_on_its_line() {
        let text = "-- first\nSELECT 1;\n\n  SELECT\n2; SELECT 3;\n";
        let expected = ["-- first\nSELECT 1", "\n\n\nSELECT\n2", "\n\n\n\nSELECT 3"];
        assert_eq!(split_in_place(text), expected);
    }

    #[test]
    fn a_line_is_complete_after_its_semicolon() {
        let table = [
            ("", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; -- done", true),
            ("SELECT ';", false),
            ("SELECT 1; SELECT", false),
            ("/* ; ", true),
        ];
        for (text, complete) in table {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }
}
