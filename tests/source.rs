//! Rust source as the checks of this repository see it: without comments, without test code, and
//! with or without what stands in string literals.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the repository, sorted; none where the folder is missing.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            collect(&path, found)
        } else {
            found.push(path)
        }
    }
}

/// A file's path from the repository's folder, with `/` on every system.
pub fn shown(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    inside.to_string_lossy().replace('\\', "/")
}

/// A source file of this repository.
pub struct Source {
    /// From the repository's folder: `src/schema/name.rs`.
    pub path: String,
    /// Everything.
    pub text: String,
    /// Comments blanked.
    pub code: String,
    /// Comments and the content of string literals blanked.
    pub bare: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a source file is UTF-8");
        let (code, bare) = blank(&text);
        Self {
            path: shown(path),
            text,
            code,
            bare,
        }
    }

    /// The lines of `code` outside test code, numbered from 1.
    pub fn lines(&self) -> Vec<(usize, &str)> {
        let tested = test_lines(&self.bare);
        numbered(&self.code)
            .filter(|(number, _)| !tested[number - 1])
            .collect()
    }

    /// The lines of `bare` outside test code, numbered from 1.
    pub fn bare_lines(&self) -> Vec<(usize, &str)> {
        let tested = test_lines(&self.bare);
        numbered(&self.bare)
            .filter(|(number, _)| !tested[number - 1])
            .collect()
    }

    /// What the string literals say, those of tests among them.
    pub fn literals(&self) -> Vec<&str> {
        let mut literals = Vec::new();
        let mut open = None;
        for (at, (code, bare)) in self.code.bytes().zip(self.bare.bytes()).enumerate() {
            match (code != bare, open) {
                (true, None) => open = Some(at),
                (false, Some(start)) if bare == b'"' => {
                    literals.extend(self.code.get(start..at));
                    open = None;
                }
                _ => {}
            }
        }
        literals
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Every Rust file of a folder; files that only tests compile are left out.
pub fn sources(folder: &str) -> Vec<Source> {
    let all: Vec<Source> = files(folder)
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| Source::read(path))
        .collect();
    let tests: Vec<String> = all.iter().flat_map(test_modules).collect();
    let only_tested = |path: &str| {
        tests
            .iter()
            .any(|module| path == format!("{module}.rs") || path.starts_with(&format!("{module}/")))
    };
    all.into_iter()
        .filter(|source| !only_tested(&source.path))
        .collect()
}

/// `#[cfg(test)] mod name;` as the path of that module without its extension.
fn test_modules(source: &Source) -> Vec<String> {
    let path = Path::new(&source.path);
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") | None => path.parent().expect("in a folder").to_path_buf(),
        Some(stem) => path.with_file_name(stem),
    };
    let lines: Vec<&str> = source.bare.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].strip_suffix(';')?.split_once("mod "))
        .map(|(_, name)| shown(&root().join(&folder).join(name)))
        .collect()
}

/// Which lines belong to an item marked `#[cfg(test)]`. The code is formatted, so an item ends with
/// the first brace or semicolon as far to the left as it began.
fn test_lines(bare: &str) -> Vec<bool> {
    let lines: Vec<&str> = bare.lines().collect();
    let mut tested = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() == "#[cfg(test)]" {
            let depth = indent(lines[at]);
            let ends = |line: &str| indent(line) == depth && line.ends_with([';', '}', ',']);
            let end = (at + 1..lines.len()).find(|&line| ends(lines[line]));
            let end = end.unwrap_or(lines.len() - 1);
            tested[at..=end].fill(true);
            at = end;
        }
        at += 1;
    }
    tested
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What the reader of Rust text stands in.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

/// The text without comments, and without comments and the content of literals; both as long as
/// the text, blanks for what is gone.
fn blank(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut bare) = (bytes.to_vec(), bytes.to_vec());
    let mut inside = Inside::Code;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (next, width) = advance(inside, rest, at.checked_sub(1).map(|before| bytes[before]));
        let comment = |state| matches!(state, Inside::LineComment | Inside::BlockComment(_));
        for offset in at..at + width {
            let kept = bytes[offset] == b'\n';
            if (comment(inside) || comment(next)) && !kept {
                (code[offset], bare[offset]) = (b' ', b' ');
            } else if inside != Inside::Code && next == inside && !kept {
                bare[offset] = b' ';
            }
        }
        inside = next;
        at += width;
    }
    let text = |bytes| String::from_utf8(bytes).expect("blanked in whole characters");
    (text(code), text(bare))
}

/// Where we stand after the next token, and how many bytes it has.
fn advance(inside: Inside, rest: &[u8], before: Option<u8>) -> (Inside, usize) {
    let starts = |token: &str| rest.starts_with(token.as_bytes());
    match inside {
        Inside::Code if starts("//") => (Inside::LineComment, 2),
        Inside::Code if starts("/*") => (Inside::BlockComment(1), 2),
        Inside::Code if starts("\"") => (Inside::Text, 1),
        Inside::Code if starts("r") && !before.is_some_and(is_word) => raw_text(&rest[1..]),
        Inside::Code if starts("br") && !before.is_some_and(is_word) => {
            let (next, width) = raw_text(&rest[2..]);
            (next, width + 1)
        }
        Inside::Code if starts("'") => (Inside::Code, character(rest)),
        Inside::LineComment if starts("\n") => (Inside::Code, 1),
        Inside::BlockComment(depth) if starts("/*") => (Inside::BlockComment(depth + 1), 2),
        Inside::BlockComment(1) if starts("*/") => (Inside::Code, 2),
        Inside::BlockComment(depth) if starts("*/") => (Inside::BlockComment(depth - 1), 2),
        Inside::Text if starts("\\") => (Inside::Text, 2.min(rest.len())),
        Inside::Text if starts("\"") => (Inside::Code, 1),
        Inside::RawText(hashes) if starts(&format!("\"{}", "#".repeat(hashes))) => {
            (Inside::Code, 1 + hashes)
        }
        _ => (inside, 1),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// After an `r`: a raw text if hashes and a quote follow, else a word that begins with r.
fn raw_text(rest: &[u8]) -> (Inside, usize) {
    let hashes = rest.iter().take_while(|&&byte| byte == b'#').count();
    match rest.get(hashes) {
        Some(b'"') => (Inside::RawText(hashes), hashes + 2),
        _ => (Inside::Code, 1),
    }
}

/// How long a character literal is; 1 for the tick of a lifetime.
fn character(rest: &[u8]) -> usize {
    match rest {
        [b'\'', b'\\', _, tail @ ..] => {
            3 + tail
                .iter()
                .position(|&byte| byte == b'\'')
                .map_or(0, |end| end + 1)
        }
        [b'\'', tail @ ..] => match tail.iter().take(5).position(|&byte| byte == b'\'') {
            Some(end) if end == 1 || tail[0] >= 0x80 => end + 2,
            _ => 1,
        },
        _ => 1,
    }
}

#[test]
fn comments_literals_and_tests_are_told_apart() {
    let text = r##"
let a = "x // y"; // "z"
/* one /* two */ */ let b = r#"p"q"#;
let c = '"'; let d = '\''; fn e<'a>() {}
"##;
    let (code, bare) = blank(text);
    assert!(code.contains("\"x // y\";") && !code.contains('z') && !code.contains("two"));
    assert!(bare.contains("let a = \"      \";") && !bare.contains("p\"q"));
    assert!(bare.contains("fn e<'a>() {}"), "{bare}");

    let text = "a\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nc\n#[cfg(test)]\nuse d;\ne\n";
    let kept: Vec<&str> = text
        .lines()
        .zip(test_lines(text))
        .filter_map(|(line, tested)| (!tested).then_some(line))
        .collect();
    assert_eq!(kept, ["a", "c", "e"]);
}
