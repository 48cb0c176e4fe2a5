//! What holds the architecture: the import order, who may name a product, which SQL files are used.
//!
//! Each rule gives the places that break it, so that one run shows all of them.

use std::fs;
use std::path::Path;

use crate::source::{Source, files, root, shown, sources};

/// A module uses only what stands before it in this list.
const ORDER: [&str; 14] = [
    "error",
    "fault",
    "schema",
    "config",
    "frontend",
    "staging",
    "backend",
    "offload",
    "transport",
    "repository",
    "run",
    "session",
    "cli",
    "listener",
];

/// Everything that a system may use.
const BELOW_SYSTEMS: [&str; 7] = [
    "error", "fault", "schema", "config", "frontend", "staging", "backend",
];

/// Who may use the registry of systems.
const ABOVE_SYSTEMS: [&str; 5] = ["run", "session", "cli", "listener", "testing"];

/// The one place that reaches up: the repository's engine on a server connects as the system of that
/// server does, and uses nothing else of it.
const SERVER_ENGINE: (&str, &str) = (
    "src/repository/postgres.rs",
    "use crate::systems::postgres::Server;",
);

/// Names that say nothing.
const EMPTY_NAMES: [&str; 10] = [
    "util",
    "utils",
    "common",
    "helper",
    "helpers",
    "manager",
    "api",
    "interface",
    "factory",
    "base",
];

/// What every system's README tells; one of the words stands in a heading or in bold.
const README_HEADINGS: [(&str, &[&str]); 5] = [
    ("what it needs", &["need", "grant", "right", "connect"]),
    ("options", &["option", "connect"]),
    ("types", &["type"]),
    ("limits", &["limit"]),
    (
        "what is proved, on which versions",
        &["prove", "version", "tried"],
    ),
];

fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The lines of a file, outside tests, that break a rule.
fn broken_lines(source: &Source, breaks: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = source.lines().into_iter().filter(|(_, line)| breaks(line));
    lines
        .map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim()))
        .collect()
}

/// The top module of a file below `src/`; `None` for `lib.rs` and `main.rs`.
fn module(source: &Source) -> Option<&str> {
    let inside = source.path.strip_prefix("src/")?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then_some(name)
}

/// What `crate::` or `use crate::{…}` names first, outside tests, with its line.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in source.bare_lines() {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let names = match rest.strip_prefix('{') {
                Some(list) if list.contains('}') => list.split(',').map(first_word).collect(),
                Some(_) => vec!["a_list_over_several_lines".to_owned()],
                None => vec![first_word(rest)],
            };
            found.extend(
                names
                    .into_iter()
                    .filter(|name| !name.is_empty())
                    .map(|n| (number, n)),
            );
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The module that the crate's root takes a name from: `pub use error::{Error, Result};`.
fn home_of(name: &str, library: &Source) -> String {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .map(str::to_owned)
            .collect()
    };
    let mut exports = library
        .bare
        .split(';')
        .filter_map(|item| item.split_once("pub use "));
    let from = exports.find(|(_, export)| words(export).iter().any(|word| word == name));
    from.map_or_else(|| name.to_owned(), |(_, export)| first_word(export))
}

/// Whether a line is the one import that the repository's engine may have.
fn names_only(source: &Source, number: usize) -> bool {
    let mut lines = source.lines().into_iter();
    lines.any(|(line, text)| line == number && text.trim() == SERVER_ENGINE.1)
}

fn may_use(user: &str, used: &str) -> bool {
    let rank = |name: &str| ORDER.iter().position(|module| *module == name);
    match (user, used) {
        (user, used) if user == used => true,
        ("testing", _) => true,
        ("systems", used) => BELOW_SYSTEMS.contains(&used),
        (user, "systems") => ABOVE_SYSTEMS.contains(&user),
        (user, used) => matches!((rank(user), rank(used)), (Some(user), Some(used)) if used < user),
    }
}

#[test]
fn imports_go_one_way() {
    let all = sources("src");
    let library = all
        .iter()
        .find(|source| source.path == "src/lib.rs")
        .expect("src/lib.rs");
    let mut broken = Vec::new();
    for source in &all {
        let Some(user) = module(source) else { continue };
        for (number, name) in imports(source) {
            let used = home_of(&name, library);
            let server = source.path == SERVER_ENGINE.0 && names_only(source, number);
            if !may_use(user, &used) && !server {
                broken.push(format!("{}:{number}: {user} uses {used}", source.path));
            }
        }
    }
    none(
        "A module uses only what stands before it (CONTRIBUTING.md)",
        broken,
    );
}

/// The products: the names of the folders under `src/systems`.
fn products() -> Vec<String> {
    let mut names: Vec<String> = sources("src/systems")
        .iter()
        .filter_map(|source| {
            let (folder, _) = source.path.strip_prefix("src/systems/")?.split_once('/')?;
            Some(folder.to_owned())
        })
        .collect();
    names.dedup();
    names
}

/// Where a product may be named: its folder, the registry, the command line, and the repository's
/// engine if it is one.
fn may_name(path: &str, product: &str) -> bool {
    path.starts_with(&format!("src/systems/{product}/"))
        || path == "src/systems/mod.rs"
        || path.starts_with("src/cli/")
        || (path.starts_with("src/repository/") && ["sqlite", "postgres"].contains(&product))
}

/// Whether a line names a product as a word of its own, alone or in a longer name
/// (`rusqlite`, `PostgresDialect`, `delta_log`). A time delta is none.
fn names_product(line: &str, product: &str) -> bool {
    let line = line.replace("TimeDelta", "").replace("timedelta", "");
    words(&line).iter().any(|word| {
        word == product
            || (product.len() > 5 && word.contains(product))
            || word == "deltalake" && product == "delta"
    })
}

/// The lower-case words of a line's identifiers: `DeltaTable` is `delta`, `table`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words
                .last_mut()
                .expect("at least one")
                .extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

#[test]
fn products_are_named_in_their_own_folders_only() {
    let all = sources("src");
    let mut broken = Vec::new();
    for product in products() {
        for source in all
            .iter()
            .filter(|source| !may_name(&source.path, &product))
        {
            broken.extend(broken_lines(source, |line| names_product(line, &product)));
        }
    }
    none(
        "A product is named only in its own folder, the registry and the command line",
        broken,
    );
}

#[test]
fn every_sql_file_is_used() {
    let users: Vec<Source> = ["src", "tests", "examples", "benches"]
        .iter()
        .flat_map(|folder| sources(folder))
        .collect();
    let used = |file: &str| {
        users.iter().any(|user| {
            user.literals()
                .iter()
                .any(|literal| resolve(&user.path, literal).ends_with(file))
        })
    };
    let unused = files("sql").into_iter().map(|path| shown(&path));
    let unused = unused
        .filter(|path| !path.ends_with(".md") && !used(path))
        .collect();
    none("A file under sql/ is used by no code and no test", unused);
}

/// A path as `include_str!` reads it, from the repository's folder.
fn resolve(user: &str, literal: &str) -> String {
    let mut parts: Vec<&str> = user.split('/').collect();
    parts.pop();
    for part in literal.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn nothing_is_left_for_later() {
    let everywhere = ["src", "tests", "examples", "benches"]
        .map(sources)
        .into_iter()
        .flatten();
    let mut broken = Vec::new();
    for source in everywhere {
        for (index, line) in source.bare.lines().enumerate() {
            let later = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];
            if later.iter().any(|word| line.contains(word)) {
                broken.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    none("Work that is left, or tests that do not run", broken);
}

#[test]
fn nothing_panics_and_only_the_command_line_prints() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let panics = [
            ".unwrap()",
            ".expect(\"",
            ".expect(&format!",
            "panic!(",
            "unsafe ",
        ];
        broken.extend(broken_lines(&source, |line| {
            panics.iter().any(|word| line.contains(word))
        }));
        if !source.path.starts_with("src/cli/") && source.path != "src/main.rs" {
            let prints = ["println!(", "print!("];
            broken.extend(broken_lines(&source, |line| {
                prints.iter().any(|word| line.contains(word))
            }));
        }
    }
    none("Panics and prints outside tests", broken);
}

#[test]
fn sql_is_written_where_it_is_quoted() {
    let systems = ["src/systems/", "src/frontend/query.rs", "src/repository/"];
    // Statements for our own engine: their names are quoted, their texts are those of a person.
    let engine = [
        (
            "src/offload/definition.rs",
            "format!(\"SELECT {list} FROM {}{filter}\"",
        ),
        (
            "src/offload/statement/print.rs",
            "format!(\"CREATE OFFLOAD {}\\n  TO {}\"",
        ),
        (
            "src/run/planning/window.rs",
            "format!(\"SELECT {text} AS boundary\"",
        ),
    ];
    let statements = [
        "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "DROP ", "ALTER ",
    ];
    let formats = |line: &str| {
        statements
            .iter()
            .any(|statement| line.contains(&format!("format!(\"{statement}")))
    };
    let elsewhere = sources("src")
        .into_iter()
        .filter(|source| !systems.iter().any(|writer| source.path.starts_with(writer)));
    let broken = elsewhere
        .flat_map(|source| {
            let allowed = engine.iter().find(|(path, _)| *path == source.path);
            broken_lines(&source, |line| {
                formats(line) && !allowed.is_some_and(|(_, statement)| line.contains(statement))
            })
        })
        .collect();
    none("SQL is put together outside the writers that quote", broken);
}

#[test]
fn modules_have_names_that_say_something() {
    let mut broken = Vec::new();
    for path in files("src").into_iter().map(|path| shown(&path)) {
        let names = path.trim_end_matches(".rs").split('/');
        let empty = |name: &str| EMPTY_NAMES.contains(&name) || name == "context";
        if names.into_iter().any(empty) {
            broken.push(path);
        }
    }
    none("A module's name says nothing", broken);
}

#[test]
fn every_module_begins_with_what_it_is_for() {
    let documented = |source: &Source| {
        let text = source.text.trim_start();
        text.starts_with("//!") || text.starts_with("#![doc = include_str!(\"README.md\")]")
    };
    let all = ["src", "tests", "examples", "benches"]
        .map(sources)
        .into_iter()
        .flatten();
    let broken = all
        .filter(|source| !documented(source))
        .map(|source| source.path)
        .collect();
    none("A file has no module documentation", broken);
}

#[test]
fn every_system_has_a_readme_that_is_its_documentation() {
    let mut broken = Vec::new();
    for product in products() {
        let folder = root().join("src/systems").join(&product);
        let module = fs::read_to_string(folder.join("mod.rs")).expect("a system has mod.rs");
        if !module.contains("#![doc = include_str!(\"README.md\")]") {
            broken.push(format!("{product}/mod.rs does not include README.md"));
        }
        let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        let headings: Vec<String> = readme
            .lines()
            .filter(|line| line.starts_with(['#', '*']))
            .map(str::to_lowercase)
            .collect();
        for (what, words) in README_HEADINGS {
            let told = headings
                .iter()
                .any(|heading| words.iter().any(|word| heading.contains(word)));
            if !told {
                broken.push(format!("{product}/README.md has no heading for {what}"));
            }
        }
    }
    none("A system's README", broken);
}

#[test]
fn nothing_speaks_of_one_machine() {
    let texts = ["rs", "md", "sql", "slt", "py", "toml", "snap"];
    let folders = ["src", "tests", "examples", "benches", "sql"];
    let root_files = fs::read_dir(root())
        .expect("the repository")
        .map(|entry| entry.unwrap().path());
    let all = folders
        .iter()
        .flat_map(|folder| files(folder))
        .chain(root_files);
    let ours = |path: &Path| !path.ends_with("tests/tidy.rs");
    let mut broken = Vec::new();
    for path in all.filter(|path| ours(path)) {
        let named = path.extension().and_then(|extension| extension.to_str());
        if !named.is_some_and(|extension| texts.contains(&extension)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let paths = ["/home/", "/root/", "/Users/", "C:\\\\Users"];
        let hits = text
            .lines()
            .filter(|line| paths.iter().any(|machine| line.contains(machine)));
        broken.extend(hits.map(|line| format!("{}: {}", shown(&path), line.trim())));
    }
    none("A path of one machine", broken);
}

#[test]
fn the_rules_see_what_they_forbid() {
    assert!(may_use("frontend", "schema") && !may_use("schema", "frontend"));
    assert!(may_use("systems", "backend") && !may_use("systems", "run"));
    assert!(may_use("cli", "systems") && !may_use("offload", "systems"));
    assert!(names_product("use rusqlite::Connection;", "sqlite"));
    assert!(names_product("let table = DeltaTable::new();", "delta"));
    assert!(names_product("if scheme == \"postgresql\" {", "postgres"));
    assert!(!names_product("chrono::TimeDelta::days(1)", "delta"));
    assert_eq!(resolve("src/a/b.rs", "../../sql/x.sql"), "sql/x.sql");
}
