//! The names of staged files, which tell the run that made them.

/// The run that staged a file, by the file's name `part-<run>-<chunk>-….parquet`; `None` for a
/// name that goe does not give.
pub(super) fn run_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("part-")?.strip_suffix(".parquet")?;
    run_prefix(rest)
}

/// The run at the front of a manifest's id: a UUID without hyphens, and a hyphen.
pub(super) fn run_prefix(text: &str) -> Option<&str> {
    let run = text.get(..32)?;
    let hex = run
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (hex && text.as_bytes().get(32) == Some(&b'-')).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_goe_gives_are_ours() {
        let run = "0192f0c1d2e37f4a8b5c6d7e8f901234";
        assert_eq!(run_of(&format!("part-{run}-0001-0-3.parquet")), Some(run));
        for other in [
            format!("part-{run}.parquet"),
            format!("part-{}-0001-0-3.parquet", run.to_uppercase()),
            format!("part-{run}-0001-0-3.parquet.bak"),
            "part-00000-6f1b2c3d-aaaa-bbbb-cccc-1234567890ab-c000.snappy.parquet".to_owned(),
            "data.parquet".to_owned(),
            "part-é".to_owned(),
        ] {
            assert_eq!(run_of(&other), None, "{other}");
        }
    }
}
