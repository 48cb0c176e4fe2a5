use clap::CommandFactory;
use clap::error::ErrorKind as ParseError;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_arguments_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn command_lines_are_read_or_refused() {
    let offload = "goe offload a.b.c --to d.e.f";
    let good = [
        offload,
        "goe offload orders",
        "goe offload a.b.c --to d.e.f --execute",
        "goe offload a.b.c --to d.e.f --yes --verify count --parallel 4 --memory 512MB",
        "goe offload a.b.c --to d.e.f --incremental-by x --until 5 --reset --transport native",
        "goe offload a.b.c --to d.e.f --partition-by month(x),y --partition-by z --read-as x=unix",
        "goe preview a.b.c --to d.e.f --limit 5",
        "goe plan a.b.c --to d.e.f --output json --quiet",
        "goe plan a.b.c --to d.e.f --older-than-days 90 --max-offload-chunk-size 16G",
        "goe verify d.e.f --stored",
        "goe demo --scale 0.01 --folder here",
        "goe types postgres delta",
        "goe sql -c x --output table",
        "goe help exit-codes",
        "goe completions fish",
    ];
    for line in good {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
    let bad = [
        ("goe", ParseError::DisplayHelpOnMissingArgumentOrSubcommand),
        ("goe ofload", ParseError::InvalidSubcommand),
        (
            "goe offload a.b.c --parallel 0",
            ParseError::ValueValidation,
        ),
        (
            "goe offload a.b.c --memory lots",
            ParseError::ValueValidation,
        ),
        ("goe offload a.b.c --verify all", ParseError::InvalidValue),
        (
            "goe offload a.b.c --transport pigeon",
            ParseError::InvalidValue,
        ),
        (
            "goe offload a.b.c --until 5",
            ParseError::MissingRequiredArgument,
        ),
        ("goe offload a.b.c --read-as x", ParseError::ValueValidation),
        ("goe offload a.b.c --paralel 2", ParseError::UnknownArgument),
        ("goe sql -c x -f y", ParseError::ArgumentConflict),
        (
            "goe plan a.b.c --less-than-value 5 --partition-names p",
            ParseError::ArgumentConflict,
        ),
    ];
    for (line, kind) in bad {
        assert_eq!(parse(line).unwrap_err().kind(), kind, "{line}");
    }
}

#[test]
fn a_slip_is_told_what_was_meant() {
    let shown = parse("goe offload a.b.c --paralel 2")
        .unwrap_err()
        .to_string();
    assert!(shown.contains("--parallel"), "{shown}");
}

#[test]
fn every_command_has_an_example_that_parses() {
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let first = help.lines().find(|line| line.trim().starts_with("goe "));
        let first = first.unwrap_or_else(|| panic!("{name} has no example"));
        let words = first
            .trim()
            .trim_end_matches('\\')
            .split("   ")
            .next()
            .unwrap();
        let words: Vec<String> = demo::words(words.split(" > ").next().unwrap().trim());
        let parsed = Cli::try_parse_from(&words);
        assert!(parsed.is_ok(), "{first}: {}", parsed.unwrap_err());
    }
}
