//! What a predicate, or partitions, mean for a target that has rows already.

use datafusion::logical_expr::Expr;

use super::request::{PREDICATE, PredicateType};
use crate::error::{Error, Result};

/// How a target was filled so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Not at all.
    Nothing,
    /// With everything, and no boundary.
    Full,
    /// By windows of this type.
    Windows(PredicateType),
}

/// What a request means for the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The window is taken beside what is covered, and the target's type is this one afterwards.
    More(PredicateType),
    /// Rows that came after their window was covered are brought in; what is covered stays.
    Late,
    /// Rows of partitions that are still open are taken ahead of their boundary, and the target's
    /// type is this one afterwards. The predicate names every key column.
    Open(PredicateType),
}

/// What a request of a type means over what is there.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] where the type can't be, or must be said.
pub fn over_existing(
    existing: Existing,
    requested: Option<PredicateType>,
    has_predicate: bool,
) -> Result<Effect> {
    if has_predicate {
        predicate_over(existing, requested)
    } else {
        partitions_over(existing, requested)
    }
}

fn predicate_over(existing: Existing, requested: Option<PredicateType>) -> Result<Effect> {
    use PredicateType as T;
    let more = Effect::More(T::Predicate);
    match (existing, requested) {
        (Existing::Full, _) => Ok(Effect::Late),
        (Existing::Nothing | Existing::Windows(T::Predicate), None | Some(T::Predicate)) => {
            Ok(more)
        }
        (Existing::Nothing, Some(asked)) => Err(Error::usage(format!(
            "{asked} is not valid for a first predicate-based offload"
        ))
        .hint("leave --offload-predicate-type out, or take partitions first")),
        (Existing::Windows(T::List), _) => Err(Error::usage(format!(
            "{PREDICATE} is incompatible with a target that was filled by LIST partitions"
        ))
        .hint("take partitions by --equal-to-values or --partition-names")),
        (Existing::Windows(now @ (T::Range | T::ListAsRange)), None) => Err(Error::usage(format!(
            "--offload-predicate-type is required: the target was filled by {now}"
        ))
        .hint(format!(
            "{now} brings in late rows, {} takes rows of open partitions",
            now.with_predicate()
        ))),
        (Existing::Windows(now @ (T::Range | T::ListAsRange)), Some(asked)) if asked == now => {
            Ok(Effect::Late)
        }
        (Existing::Windows(now), Some(asked)) if asked == now.with_predicate() => {
            Ok(Effect::Open(asked))
        }
        (Existing::Windows(now), None) => Ok(Effect::Open(now)),
        (Existing::Windows(now), Some(asked)) => Err(changed(now, asked)),
    }
}

fn partitions_over(existing: Existing, requested: Option<PredicateType>) -> Result<Effect> {
    let Existing::Windows(now) = existing else {
        return Ok(Effect::More(requested.unwrap_or(PredicateType::Range)));
    };
    let plain = now.without_predicate();
    match requested {
        _ if now == PredicateType::Predicate => Err(Error::usage(format!(
            "Missing {PREDICATE}: the target was filled by predicates"
        ))
        .hint(format!("add {PREDICATE}"))),
        Some(asked) if asked != plain => Err(changed(now, asked)),
        _ => Ok(Effect::More(plain)),
    }
}

fn changed(now: PredicateType, asked: PredicateType) -> Error {
    Error::usage(format!(
        "--offload-predicate-type {asked} cannot be had for a target that was filled by {now}"
    ))
    .hint("leave --offload-predicate-type out, or offload to another target")
}

/// Checks that a predicate for open partitions names every key column.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] with the columns that are missing.
pub fn check_names_keys(predicate: &Expr, keys: &[String]) -> Result<()> {
    let named = predicate.column_refs();
    let missing: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !named.iter().any(|column| column.name == **key))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{PREDICATE} says nothing of the partition key: {}",
        missing.join(", ")
    ))
    .hint("add a condition on each of them"))
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::PredicateType as T;
    use super::*;
    use crate::error::ErrorKind;

    const PLAIN: [T; 2] = [T::Range, T::ListAsRange];

    fn predicate(existing: Existing, requested: Option<T>) -> Option<Effect> {
        let outcome = over_existing(existing, requested, true);
        if let Err(error) = &outcome {
            assert_eq!(error.kind(), ErrorKind::Usage);
        }
        outcome.ok()
    }

    /// Section 11.3, row by row.
    #[test]
    fn a_predicate_over_what_is_there() {
        let windows = Existing::Windows;
        // none / PREDICATE, none or PREDICATE: one more predicate.
        for existing in [Existing::Nothing, windows(T::Predicate)] {
            for requested in [None, Some(T::Predicate)] {
                assert_eq!(
                    predicate(existing, requested),
                    Some(Effect::More(T::Predicate))
                );
            }
        }
        // none, RANGE or *_AND_PREDICATE: a first offload can't.
        for requested in T::ALL.into_iter().filter(|one| *one != T::Predicate) {
            assert_eq!(
                predicate(Existing::Nothing, Some(requested)),
                None,
                "{requested}"
            );
        }
        // RANGE, RANGE and LIST_AS_RANGE, LIST_AS_RANGE: late rows.
        for plain in PLAIN {
            assert_eq!(predicate(windows(plain), Some(plain)), Some(Effect::Late));
        }
        // FULL without a boundary, any: late rows.
        for requested in T::ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(predicate(Existing::Full, requested), Some(Effect::Late));
        }
        // RANGE, RANGE_AND_PREDICATE and the same for LIST_AS_RANGE: open partitions.
        for plain in PLAIN {
            let both = plain.with_predicate();
            assert_eq!(
                predicate(windows(plain), Some(both)),
                Some(Effect::Open(both))
            );
            // *_AND_PREDICATE, the same or none: more of it.
            for requested in [None, Some(both)] {
                assert_eq!(
                    predicate(windows(both), requested),
                    Some(Effect::Open(both))
                );
            }
            // A later offload of partitions returns to the plain type.
            assert_eq!(
                over_existing(windows(both), None, false).unwrap(),
                Effect::More(plain)
            );
            // RANGE / LIST_AS_RANGE, none: the type must be said.
            assert_eq!(predicate(windows(plain), None), None);
        }
        // LIST, any: incompatible.
        for requested in T::ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(predicate(windows(T::List), requested), None);
        }
    }

    /// Section 2.5: every other change of the type is refused.
    #[test]
    fn the_type_of_a_target_stays() {
        for now in T::ALL {
            for asked in T::ALL {
                let same = asked == now.without_predicate() && now != T::Predicate;
                let outcome = over_existing(Existing::Windows(now), Some(asked), false);
                assert_eq!(outcome.is_ok(), same, "{now} {asked}");
            }
        }
        for (now, asked) in [
            (T::Range, T::Predicate),
            (T::Range, T::ListAsRangeAndPredicate),
            (T::RangeAndPredicate, T::Range),
            (T::Predicate, T::Range),
        ] {
            assert_eq!(
                predicate(Existing::Windows(now), Some(asked)),
                None,
                "{now} {asked}"
            );
        }
    }

    #[test]
    fn a_predicate_for_open_partitions_names_the_key() {
        let keys = ["a".to_owned(), "B".to_owned()];
        let both = col("a")
            .gt(lit(1))
            .and(datafusion::prelude::ident("B").lt(lit(2)));
        assert!(check_names_keys(&both, &keys).is_ok());
        let error = check_names_keys(&col("a").gt(lit(1)), &keys).unwrap_err();
        assert!(error.message().ends_with(": B"), "{error}");
    }
}
