//! What the demo says and does.

use std::path::Path;

/// A line of the demo.
pub(super) enum Line {
    /// Words between commands.
    Say(&'static str),
    /// A command, as a shell takes it.
    Do(&'static str),
}

use Line::{Do, Say};

/// The tour.
pub(super) const LINES: &[Line] = &[
    Say("What is there, and how it would look in the lake:"),
    Do("goe tables shop"),
    Do("goe preview shop.main.lineitem --to lake.tpch.shipments \
        --select \"l_orderkey, l_linenumber, l_quantity, l_extendedprice, l_shipdate\" \
        --partition-by \"month(l_shipdate)\" --limit 5"),
    Say(
        "A whole table, and two that are covered up to a day, partitioned by month. \
         Nothing is\nvisible before it is proved equal:",
    ),
    Do("goe offload shop.main.customer --to lake.tpch.customer -x"),
    Do(
        "goe offload shop.main.orders --to lake.tpch.orders --partition-by \"month(o_orderdate)\" \
        --incremental-by o_orderdate --until \"DATE '1999-01-01'\" -x",
    ),
    Do(
        "goe offload shop.main.lineitem --to lake.tpch.lineitem --partition-by \"month(l_shipdate)\" \
        --incremental-by l_shipdate --until \"DATE '1999-01-01'\" -x",
    ),
    Do("goe verify lake.tpch.orders"),
    Do("goe verify lake.tpch.lineitem"),
    Say("A month later the shop has newer orders; the same commands take only those:"),
    Do("goe demo --add-newer"),
    Do(
        "goe offload shop.main.orders --to lake.tpch.orders --partition-by \"month(o_orderdate)\" \
        --incremental-by o_orderdate --until \"DATE '1999-02-01'\" -x",
    ),
    Do(
        "goe offload shop.main.lineitem --to lake.tpch.lineitem --partition-by \"month(l_shipdate)\" \
        --incremental-by l_shipdate --until \"DATE '1999-02-01'\" -x",
    ),
    Do("goe verify lake.tpch.orders"),
    Do("goe verify lake.tpch.lineitem"),
    Say("Both sides in one query:"),
    Do("goe sql -c \"SELECT count(*) AS orders, \
        count(*) FILTER (WHERE s.o_totalprice = l.o_totalprice AND s.o_orderdate = l.o_orderdate) \
        AS equal FROM shop.main.orders s JOIN lake.tpch.orders l ON s.o_orderkey = l.o_orderkey\""),
    Say("What was done:"),
    Do("goe history"),
];

/// What a person types first, for all that follows to work when pasted.
pub(super) fn beginning(folder: &Path) -> String {
    let mut text = format!(
        "\n$ cd {}",
        super::super::request::shell_line(&[folder.display().to_string()])
    );
    if let Some(program) = program_folder() {
        text = format!("{text}\n$ export PATH={program}:\"$PATH\"");
    }
    text
}

/// The program's folder, unless a shell finds `goe` by itself.
fn program_folder() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|known| known == folder);
    let shown = folder.display().to_string();
    (!found).then(|| super::super::request::shell_line(&[shown]))
}

/// Where things are, and what to try next.
pub(super) fn ending(folder: &Path) -> String {
    let shown = folder.display();
    format!(
        "\nDone. In {shown}: the shop (shop.db), the lake (lake/, Delta tables that others read \
         too),\nthe connections (goe.toml) and the memory of runs (goe.db).\n\n\
         Try there:\n  \
         goe describe shop.main.lineitem\n  \
         goe plan shop.main.nation --to lake.tpch.nation\n  \
         goe offload shop.main.nation --to lake.tpch.nation -x\n  \
         goe sql\n  \
         goe help connections    your own systems\n\n\
         To remove all of it, delete the folder."
    )
}

/// The words of a line as a shell takes them: blanks part, quotes hold together.
pub(in crate::cli) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                current.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(current.take()),
            _ => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::request::shell_line;

    #[test]
    fn words_are_read_as_a_shell_does() {
        let table: [(&str, &[&str]); 4] = [
            ("a  b", &["a", "b"]),
            ("a \"b 'c'\" ''", &["a", "b 'c'", ""]),
            ("--x='y z'", &["--x=y z"]),
            ("", &[]),
        ];
        for (line, expected) in table {
            assert_eq!(words(line), expected, "{line}");
        }
    }

    #[test]
    fn every_command_of_the_tour_is_one() {
        for line in LINES {
            if let Do(command) = line {
                let words = words(command);
                assert!(Cli::try_parse_from(&words).is_ok(), "{command}");
                assert_eq!(super::words(&shell_line(&words)), words);
            }
        }
    }
}
