//! Texts in which somebody may have written a secret, for people to read: the last wall before the
//! screen, whoever put the text together.

/// Options whose values are secrets, as they end in URLs, keywords and statements.
const SECRETS: [&str; 9] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "access_key",
    "account_key",
    "secret_key",
    "sas_key",
];

/// A text without the passwords of URLs (`//user:password@`) and without the values of what is
/// called a secret (`password = '…'`). References to secrets (`${…}`) stay.
#[must_use]
pub fn redact_text(text: &str) -> String {
    without_values(&without_logins(text))
}

fn without_logins(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        let (before, after) = rest.split_at(at + 2);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let address = &after[..after.find(ends).unwrap_or(after.len())];
        // A password that was not encoded may hold anything, an @ or a slash too.
        let login = address.rfind('@').and_then(|end| {
            let (user, password) = address[..end].split_once(':')?;
            Some((user, password, end))
        });
        rest = match login {
            Some((user, password, end)) => {
                shown.push_str(user);
                shown.push(':');
                shown.push_str(if is_reference(password) {
                    password
                } else {
                    "***"
                });
                &after[end..]
            }
            None => match cut_login(address) {
                Some(user) => {
                    shown.push_str(user);
                    shown.push_str(":***");
                    &after[address.len()..]
                }
                None => after,
            },
        };
    }
    shown + rest
}

/// The user of a URL that ends before its `@`: what follows the colon is no port.
fn cut_login(address: &str) -> Option<&str> {
    let authority = address.split(['/', '?']).next()?;
    let (user, rest) = authority.split_once(':')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    let port = match digits {
        None | Some(0) => digits.is_none(),
        Some(end) => !rest[end..].starts_with(char::is_alphanumeric),
    };
    (!port && !rest.is_empty() && !user.starts_with('[')).then_some(user)
}

fn without_values(text: &str) -> String {
    // Only ASCII letters change, so that places are the same in both.
    let lower = text.to_ascii_lowercase();
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for (at, name) in SECRETS
        .iter()
        .flat_map(|name| lower.match_indices(name))
        .collect::<std::collections::BTreeMap<_, _>>()
    {
        let Some(value) = value_after(text, at + name.len()) else {
            continue;
        };
        if value.start >= done {
            shown.push_str(&text[done..value.start]);
            shown.push_str("***");
            done = value.end;
        }
    }
    shown + &text[done..]
}

/// Where the value is that a name which ends at a place is given, if it is one to hide.
fn value_after(text: &str, end: usize) -> Option<std::ops::Range<usize>> {
    let after = text[end..].trim_start_matches(['"', '\'', '`']);
    let given = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = given.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = quote.map_or(given, |_| &given[1..]);
    let ends = |c: char| match quote {
        Some(quote) => c == quote,
        None => c.is_whitespace() || matches!(c, '&' | ',' | ';' | ')' | '}'),
    };
    let value = &value[..value.find(ends).unwrap_or(value.len())];
    let start = value.as_ptr() as usize - text.as_ptr() as usize;
    let hidden = !value.is_empty() && !is_reference(value);
    hidden.then_some(start..start + value.len())
}

fn is_reference(value: &str) -> bool {
    value.starts_with("${") || value == "***"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_may_be_a_secret_is_hidden_and_the_rest_stays() {
        let table = [
            ("sys://me:s3cr3t@h/d is wrong", "sys://me:***@h/d is wrong"),
            ("\"sys//me:s3/c@r3t@h\" and", "\"sys//me:***@h\" and"),
            ("sys://me:${env:A}@h/d", "sys://me:${env:A}@h/d"),
            ("sys://me@h:5432/d?x=a:b", "sys://me@h:5432/d?x=a:b"),
            ("to 'sys://me:s3cr3", "to 'sys://me:***"),
            (
                "http://h:80: no http://[::1]:8 a://h:1,i:2/d",
                "http://h:80: no http://[::1]:8 a://h:1,i:2/d",
            ),
            ("a://u:p@h b://v:q@i", "a://u:***@h b://v:***@i"),
            (
                "WITH (Password = 's3c r3t', x = 1)",
                "WITH (Password = '***', x = 1)",
            ),
            ("WITH (password = 's3cr3t", "WITH (password = '***"),
            (
                "h/d?user=me&password=s3cr3t&x=1",
                "h/d?user=me&password=***&x=1",
            ),
            ("secret_access_key=s3cr3t", "secret_access_key=***"),
            (
                "\"session_token\" = \"s3cr3t\"",
                "\"session_token\" = \"***\"",
            ),
            ("password = \"${env:NAME}\"", "password = \"${env:NAME}\""),
            ("the password: it is missing", "the password: it is missing"),
            ("tokens = 5", "tokens = 5"),
        ];
        for (text, shown) in table {
            assert_eq!(redact_text(text), shown);
            assert_eq!(redact_text(shown), shown, "twice is once");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "(\\PC|[:/@='\"]|//|password=){0,40}") {
            let shown = redact_text(&text);
            prop_assert!(shown.len() <= text.len() + 3 * text.len().max(1));
        }
    }
}
