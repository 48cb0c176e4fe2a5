//! Windows that end at a boundary: whole partitions below it, the oldest first.

use std::cmp::Ordering;

use datafusion::logical_expr::{Expr, lit};

use super::key::{Condition, End, below, from};
use super::{OffloadType, Unit, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Bound, PartitionBound, PartitionMethod, Partitions, SourcePartition};
use crate::schema::{Column, pick};

/// Partitions in the order of their ends.
pub(super) struct Ranges<'a> {
    pub(super) keys: Vec<&'a Column>,
    /// The ends that a window may have, the lowest first.
    steps: Vec<Step<'a>>,
    /// Ends that not all partitions share.
    uncommon: Vec<(Vec<Bound>, &'a str)>,
    /// Partitions above the last end that all share.
    unshared: Vec<&'a str>,
    /// Partitions without an upper end.
    open: Vec<&'a str>,
    /// Partitions that hold what no other does.
    rest: Vec<&'a str>,
    /// Whether a step holds its end: list partitions of one value.
    inclusive: bool,
}

struct Step<'a> {
    end: Vec<Bound>,
    parts: Vec<&'a SourcePartition>,
}

/// Where a window is asked to end.
pub(super) enum Cut {
    /// At the last end that there is.
    Last,
    /// At the last end that is not beyond this.
    At(Vec<Bound>),
    /// At the end of this partition.
    Name(String),
}

impl<'a> Ranges<'a> {
    /// The ranges of a table's own partitions.
    pub(super) fn of(partitions: &'a Partitions, keys: Vec<&'a Column>) -> Self {
        let mut ranges = Self::empty(keys, false);
        for part in &partitions.list {
            ranges.add(part);
        }
        ranges
    }

    fn empty(keys: Vec<&'a Column>, inclusive: bool) -> Self {
        Self {
            keys,
            steps: Vec::new(),
            uncommon: Vec::new(),
            unshared: Vec::new(),
            open: Vec::new(),
            rest: Vec::new(),
            inclusive,
        }
    }

    fn add(&mut self, part: &'a SourcePartition) {
        match &part.bound {
            PartitionBound::Range { upper, .. }
                if matches!(upper.first(), Some(Bound::Value(_))) =>
            {
                self.insert(upper.clone(), part);
            }
            PartitionBound::Range { .. } => self.open.push(&part.name),
            _ => self.rest.push(&part.name),
        }
    }

    fn insert(&mut self, end: Vec<Bound>, part: &'a SourcePartition) {
        let at = self
            .steps
            .partition_point(|step| order(&step.end, &end) == Ordering::Less);
        match self.steps.get_mut(at) {
            Some(step) if order(&step.end, &end) == Ordering::Equal => step.parts.push(part),
            _ => self.steps.insert(
                at,
                Step {
                    end,
                    parts: vec![part],
                },
            ),
        }
    }

    /// The ranges one level below: steps end where every partition has a boundary.
    ///
    /// The error says why there are none.
    pub(super) fn below(partitions: &'a Partitions, columns: &'a [Column]) -> Result<Self, String> {
        let mut levels = Vec::new();
        for part in &partitions.list {
            let Some(parts) = &part.parts else {
                return Err(format!("partition \"{}\" has no subpartitions", part.name));
            };
            if parts.method != PartitionMethod::Range {
                return Err(format!(
                    "partition \"{}\" is partitioned by {parts}",
                    part.name
                ));
            }
            if let Some(why) = parts.no_ranges() {
                return Err(why.to_owned());
            }
            levels.push(parts);
        }
        let Some(first) = levels.first() else {
            return Err("the table has no partitions".to_owned());
        };
        if let Some(other) = levels.iter().find(|level| level.keys != first.keys) {
            return Err(format!("some are partitioned by {first}, some by {other}"));
        }
        let keys = super::key_columns(first, columns).ok_or("its key is not read")?;
        let mut ranges = Self::empty(keys, false);
        for part in levels.iter().flat_map(|level| &level.list) {
            ranges.add(part);
        }
        ranges.join_uncommon(&levels);
        Ok(ranges)
    }

    /// Joins each step that not all partitions have to the next that they share.
    fn join_uncommon(&mut self, levels: &[&'a Partitions]) {
        let has = |level: &Partitions, end: &[Bound]| {
            level.list.iter().any(|part| match &part.bound {
                PartitionBound::Range { upper, .. } => order(upper, end) == Ordering::Equal,
                _ => false,
            })
        };
        let mut pending: Vec<&SourcePartition> = Vec::new();
        let mut kept = Vec::new();
        for mut step in std::mem::take(&mut self.steps) {
            if levels.iter().all(|level| has(level, &step.end)) {
                pending.append(&mut step.parts);
                step.parts = std::mem::take(&mut pending);
                kept.push(step);
            } else {
                for part in &step.parts {
                    self.uncommon.push((step.end.clone(), &part.name));
                }
                pending.append(&mut step.parts);
            }
        }
        self.unshared = pending.iter().map(|part| part.name.as_str()).collect();
        self.steps = kept;
    }

    /// The list partitions of one value each as ranges that hold their end.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for a partition of several values.
    pub(super) fn of_list(partitions: &'a Partitions, keys: Vec<&'a Column>) -> Result<Self> {
        let mut ranges = Self::empty(keys, true);
        for part in &partitions.list {
            match &part.bound {
                PartitionBound::List { values } => match values.as_slice() {
                    [row] if row.iter().any(datafusion::scalar::ScalarValue::is_null) => {
                        ranges.rest.push(&part.name);
                    }
                    [row] => ranges.insert(row.iter().cloned().map(Bound::Value).collect(), part),
                    _ => {
                        return Err(Error::usage(format!(
                            "Partition \"{}\" has key values which are incompatible with \
                             LIST_AS_RANGE offloading: {}",
                            part.name, part.bound
                        ))
                        .hint("name partitions by --partition-names or --equal-to-values"));
                    }
                },
                _ => ranges.rest.push(&part.name),
            }
        }
        Ok(ranges)
    }

    /// The window up to a cut.
    pub(super) fn window(&self, cut: &Cut, offload_type: OffloadType) -> Result<Window> {
        let full = offload_type == OffloadType::Full;
        let steps = match self.steps_below(cut) {
            // Everything is taken, whatever is closed.
            Err(error) if full && error.kind() == ErrorKind::Usage => self.common_below(cut),
            steps => steps?,
        };
        let boundary = match steps.checked_sub(1) {
            Some(last) => self.before(last).expr(),
            None => lit(false),
        };
        if full {
            let all = (0..self.steps.len()).map(|at| self.unit(at));
            return Ok(Window {
                predicate: lit(true),
                boundary: Some(boundary),
                units: all.chain([self.rest()]).collect(),
                notes: Vec::new(),
            });
        }
        Ok(Window {
            predicate: boundary,
            boundary: None,
            units: (0..steps).map(|at| self.unit(at)).collect(),
            notes: self.notes(cut, steps),
        })
    }

    /// How many steps lie below a cut.
    fn steps_below(&self, cut: &Cut) -> Result<usize> {
        match cut {
            Cut::Last => Ok(self.steps.len()),
            Cut::At(end) => {
                let common = self.common_below(cut);
                let reached = common.checked_sub(1).map(|last| &self.steps[last].end);
                let beyond = self.uncommon.iter().rfind(|(other, _)| {
                    !self.is_beyond(other, end)
                        && reached.is_none_or(|end| order(other, end) == Ordering::Greater)
                });
                match beyond {
                    Some((end, _)) => Err(self.not_common(end)),
                    None => Ok(common),
                }
            }
            Cut::Name(name) => self.named(name),
        }
    }

    fn common_below(&self, cut: &Cut) -> usize {
        match cut {
            Cut::At(end) => self
                .steps
                .partition_point(|step| !self.is_beyond(&step.end, end)),
            _ => self.steps.len(),
        }
    }

    /// Whether a partition with this end has rows at or above a boundary.
    fn is_beyond(&self, end: &[Bound], boundary: &[Bound]) -> bool {
        match order(end, boundary) {
            Ordering::Greater => true,
            Ordering::Equal => self.inclusive,
            Ordering::Less => false,
        }
    }

    fn named(&self, name: &str) -> Result<usize> {
        let stepped = self.steps.iter().flat_map(|step| &step.parts);
        let known: Vec<&str> = stepped
            .map(|part| part.name.as_str())
            .chain(self.outside())
            .collect();
        let Some(found) = pick(name, known.iter().copied()) else {
            return Err(unknown(name, known));
        };
        if let Some((end, _)) = self.uncommon.iter().find(|(_, part)| *part == found) {
            return Err(self.not_common(end));
        }
        let has = |step: &Step| step.parts.iter().any(|part| part.name == found);
        match self.steps.iter().position(has) {
            Some(at) => Ok(at + 1),
            None => Err(never_closed(found, self.open.contains(&found))),
        }
    }

    fn not_common(&self, end: &[Bound]) -> Error {
        let shown = tuple(end);
        let at = self
            .steps
            .partition_point(|step| order(&step.end, end) == Ordering::Less);
        let below = at.checked_sub(1).and_then(|at| self.steps.get(at));
        let near: Vec<String> = [below, self.steps.get(at)]
            .into_iter()
            .flatten()
            .map(|step| tuple(&step.end))
            .collect();
        let error = Error::usage(format!(
            "No common boundary at {shown}: not all partitions have a subpartition that ends there"
        ));
        match near.as_slice() {
            [] => error.hint("no boundary is shared by all partitions; use --offload-predicate"),
            near => error.hint(format!("the next that all share: {}", near.join(", or "))),
        }
    }

    /// Rows before the end of a step.
    fn before(&self, at: usize) -> Condition {
        below(&self.keys, self.end(at))
    }

    fn end(&self, at: usize) -> End<'_> {
        End {
            bounds: &self.steps[at].end,
            inclusive: self.inclusive,
        }
    }

    /// A step's partitions, with all rows since the end of the step before.
    fn unit(&self, at: usize) -> Unit {
        let since = match at.checked_sub(1) {
            Some(before) => from(&self.keys, self.end(before)),
            None => Condition::Always,
        };
        let parts = &self.steps[at].parts;
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        Unit {
            rows: parts.iter().map(|part| part.rows).sum(),
            bytes: parts.iter().map(|part| part.bytes).sum(),
            ..Unit::new(&names, since.and(self.before(at)).expr())
        }
    }

    /// All rows that are in no step.
    fn rest(&self) -> Unit {
        let names: Vec<&str> = self.outside().collect();
        let predicate: Expr = match self.steps.len().checked_sub(1) {
            Some(last) => self.before(last).expr().is_not_true(),
            None => lit(true),
        };
        Unit::new(&names, predicate)
    }

    /// The names of partitions that are in no step.
    fn outside(&self) -> impl Iterator<Item = &'a str> {
        let parts = self.unshared.iter().chain(&self.open).chain(&self.rest);
        parts.copied()
    }

    fn left_out(&self) -> Vec<String> {
        let unshared = self.unshared.iter().map(|name| {
            format!("Partition \"{name}\" is left out: not all partitions share its boundary")
        });
        let open = self.open.iter().map(|name| {
            format!("Partition \"{name}\" is left out: it has no end that all rows are below")
        });
        let rest = self.rest.iter().map(|name| {
            format!(
                "Partition \"{name}\" takes what no other does and is never closed: \
                 of its rows only those below the boundary are taken"
            )
        });
        unshared.chain(open).chain(rest).collect()
    }

    fn notes(&self, cut: &Cut, steps: usize) -> Vec<String> {
        let reached = steps
            .checked_sub(1)
            .map(|last| tuple(&self.steps[last].end));
        let sign = if self.inclusive { "up to" } else { "below" };
        let mut notes = match (cut, reached) {
            (_, None) => vec!["No partition is closed there: nothing is taken".to_owned()],
            (Cut::At(asked), Some(end)) if tuple(asked) != end => vec![format!(
                "No partition ends at {}: the whole ones {sign} {end} are taken",
                tuple(asked)
            )],
            (Cut::Last, Some(end)) => vec![format!("The whole partitions {sign} {end} are taken")],
            _ => Vec::new(),
        };
        notes.extend(self.left_out());
        notes
    }
}

/// The order of two ends of one key; texts of one type always have one.
fn order(one: &[Bound], two: &[Bound]) -> Ordering {
    Bound::order_all(one, two).unwrap_or(Ordering::Equal)
}

fn tuple(end: &[Bound]) -> String {
    let texts: Vec<String> = end.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// There is no such partition.
pub(super) fn unknown<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Error {
    let text = format!("No partition found matching name \"{name}\"");
    Error::not_found(text, name, known)
}

/// A partition that an incremental run can't take whole.
pub(super) fn never_closed(name: &str, open: bool) -> Error {
    let why = match open {
        true => "has no upper boundary (OUT-OF-RANGE)",
        false => "takes what no other does (OUT-OF-LIST)",
    };
    Error::usage(format!(
        "Cannot offload partition \"{name}\": it {why} and is never closed"
    ))
    .hint("name another one, take rows of it by --offload-predicate, or --offload-type FULL")
}
