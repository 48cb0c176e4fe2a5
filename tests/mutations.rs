//! A proof is worth what it notices: every way in which published rows may come to differ from their
//! source is noticed and named by its column or partition, and what is equal is never suspected.

use std::fs;
use std::ops::Range;
use std::thread;

use goe::ErrorKind;
use goe::run::{Against, Verification};

use crate::change::{CHANGES, Change};
use crate::project::{figure, files_below, long_or};
use crate::published::{COLUMNS, LOG, LOSSES, Published};
use crate::random::Random;

const SIDES: [Against; 2] = [Against::Source, Against::Stored];

/// Clean proofs of each side for each seed.
const CLEAN: u64 = 5;

/// What some seeds gave.
#[derive(Default)]
struct Tally {
    made: u64,
    missed: Vec<String>,
    clean: u64,
    alarms: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.made += other.made;
        self.missed.extend(other.missed);
        self.clean += other.clean;
        self.alarms.extend(other.alarms);
    }

    /// Both proofs of a table that was changed, and whether they name what they must.
    fn notice(&mut self, table: &Published, what: &str, named: impl Fn(&Verification) -> bool) {
        for side in &SIDES {
            self.made += 1;
            match table.verify(side) {
                Ok(found) if !found.equal() && named(&found) => {}
                Ok(found) => {
                    let found = found.differences;
                    self.missed.push(format!("{what}, {side:?}: {found:?}"));
                }
                Err(error) => self.missed.push(format!("{what}, {side:?}: {error:?}")),
            }
        }
        table.restore();
    }

    fn clean(&mut self, table: &Published) {
        for side in SIDES.iter().cycle().take(SIDES.len() * CLEAN as usize) {
            self.clean += 1;
            match table.verify(side) {
                Ok(found) if found.equal() => {}
                other => self.alarms.push(format!("{other:?}")),
            }
        }
    }
}

fn names(found: &Verification, partition: &str, column: Option<&str>) -> bool {
    let mut differences = found.differences.iter();
    differences.any(|difference| {
        difference.partition == partition
            && (column.is_none() || difference.column.as_deref() == column)
    })
}

fn try_seed(seed: u64) -> Tally {
    let mut tally = Tally::default();
    let table = Published::new(seed);
    let random = &mut Random::new(seed);
    tally.clean(&table);
    for loss in LOSSES {
        let partitions = table.lose(loss, random);
        tally.notice(&table, &format!("{loss:?}, seed {seed}"), |found| {
            partitions
                .iter()
                .all(|partition| names(found, partition, None))
        });
    }
    for change in CHANGES {
        for (column, _) in COLUMNS {
            let Some(partition) = table.change(change, column, random) else {
                continue;
            };
            // Values that changed places leave their column's sum as it was.
            let swapped = change == Change::Swapped;
            let column_named = (!swapped).then_some(column);
            tally.notice(
                &table,
                &format!("{change:?} of {column}, seed {seed}"),
                |found| names(found, &partition, column_named),
            );
        }
    }
    tally
}

fn try_seeds(seeds: Range<u64>) -> Tally {
    let mut tally = Tally::default();
    seeds.for_each(|seed| tally.add(try_seed(seed)));
    tally
}

#[test]
fn every_mutation_is_noticed_and_named_and_nothing_else_is() {
    let seeds = long_or(5, 100);
    let tally = thread::scope(|scope| {
        let other = scope.spawn(|| try_seeds(0..seeds / 2));
        let mut tally = try_seeds(seeds / 2..seeds);
        tally.add(other.join().expect("half of the seeds"));
        tally
    });
    let (made, missed) = (tally.made, tally.missed.len());
    assert!(made > seeds * 60, "only {made} mutations");
    figure(&format!(
        "mutations of published rows: {} of {made} caught ({seeds} seeds, {} column types, against the source and \
         against the stored sums), missed: {:?}; {} false alarms in {} clean runs",
        made - missed as u64,
        COLUMNS.len(),
        tally.missed,
        tally.alarms.len(),
        tally.clean,
    ));
    assert!(
        tally.missed.is_empty(),
        "missed:\n{}",
        tally.missed.join("\n")
    );
    assert!(
        tally.alarms.is_empty(),
        "false alarms:\n{}",
        tally.alarms.join("\n")
    );
}

#[test]
fn a_difference_is_told_with_its_column_and_partition() {
    let table = Published::new(1);
    let partition = table.change(Change::LastDigit, "price", &mut Random::new(1));
    let partition = partition.expect("a price");
    for more in [&[][..], &["--stored"]] {
        let command = [&["verify", "lake.dw.t"], more].concat();
        table
            .project
            .goe(&command)
            .fails(ErrorKind::Verify)
            .says(&[&partition, "column \"price\""]);
    }
}

/// A way to damage the bytes of a file.
type Damage = (&'static str, fn(&mut Vec<u8>));

const DAMAGES: [Damage; 7] = [
    ("nothing left", |bytes| bytes.clear()),
    ("the last byte gone", |bytes| {
        bytes.truncate(bytes.len() - 1)
    }),
    ("half of it gone", |bytes| bytes.truncate(bytes.len() / 2)),
    ("another magic number", |bytes| replace_end(bytes, 1, b"X")),
    ("a footer longer than the file", |bytes| {
        replace_end(bytes, 8, &[0xff; 4])
    }),
    ("a footer of no bytes", |bytes| {
        replace_end(bytes, 8, &[0; 4])
    }),
    ("a footer of noise", |bytes| {
        replace_end(bytes, 200, &[0xa5; 150])
    }),
];

fn replace_end(bytes: &mut [u8], from_end: usize, with: &[u8]) {
    let start = bytes.len() - from_end;
    bytes[start..start + with.len()].copy_from_slice(with);
}

/// The proof fails with a clear error.
#[track_caller]
fn refuses(table: &Published, side: &Against, what: &str) {
    let error = table.verify(side).expect_err(what);
    let told = [ErrorKind::Load, ErrorKind::Data, ErrorKind::Verify];
    assert!(told.contains(&error.kind()), "{what}: {error:?}");
    assert!(error.hint_text().is_some(), "{what}: {error:?}");
}

#[test]
fn damaged_files_are_errors_and_no_panics() {
    let table = Published::new(2);
    let files = table.files();
    let mut tried = 0;
    for (what, damage) in DAMAGES {
        let path = table.folder.join(&files[tried % files.len()]);
        let mut bytes = fs::read(&path).expect("a live file");
        damage(&mut bytes);
        fs::write(&path, bytes).expect("a live file");
        SIDES.iter().for_each(|side| refuses(&table, side, what));
        table.restore();
        tried += 1;
    }
    fs::remove_file(table.folder.join(&files[0])).expect("a live file");
    SIDES
        .iter()
        .for_each(|side| refuses(&table, side, "a file that is gone"));
    table.restore();
    tried += 1;

    let proof = |name: &String| name.contains("_goe/proofs");
    let files = files_below(&table.folder);
    let proof = table
        .folder
        .join(files.iter().find(|name| proof(name)).expect("a proof"));
    for damaged in ["", "{", "{}", "[1]", "{\"total\": \"x\"}"] {
        fs::write(&proof, damaged).expect("a proof");
        refuses(
            &table,
            &Against::Stored,
            &format!("a proof that says {damaged:?}"),
        );
        assert!(
            table
                .verify(&Against::Source)
                .expect("needs no proof")
                .equal()
        );
        tried += 1;
    }
    table.restore();
    for damaged in ["", "{", "{\"add\": 1}\n", "\0\0\0"] {
        fs::write(table.folder.join(LOG), damaged).expect("the log");
        let error = table.verify(&Against::Stored).expect_err(damaged);
        assert!(
            error.kind() != ErrorKind::Internal && error.hint_text().is_some(),
            "{damaged:?}: {error:?}"
        );
        tried += 1;
    }
    figure(&format!(
        "damaged files of a table: {tried} of {tried} ended with a clear error"
    ));
}

/// Any bit of a file: an error, a difference, or a bit that no value hangs on, for the sums of all
/// values are those that were stored.
#[test]
fn a_flipped_bit_of_a_file_is_noticed_or_harmless_and_no_panic() {
    let table = Published::new(3);
    let random = &mut Random::new(3);
    let (flips, mut unseen) = (long_or(60, 2000), 0);
    for _ in 0..flips {
        let files = table.files();
        let path = table.folder.join(&files[random.below(files.len())]);
        let mut bytes = fs::read(&path).expect("a live file");
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        fs::write(&path, bytes).expect("a live file");
        match table.verify(&Against::Stored) {
            Ok(found) => unseen += usize::from(found.equal()),
            Err(error) => {
                let what = format!("byte {at} of {}: {error:?}", path.display());
                assert_ne!(error.kind(), ErrorKind::Internal, "{what}");
            }
        }
        table.restore();
    }
    assert!(unseen < flips, "no flip was noticed");
    figure(&format!(
        "random bits flipped in files: {flips}, noticed {}, in bytes that no value hangs on {unseen}",
        flips - unseen
    ));
}
