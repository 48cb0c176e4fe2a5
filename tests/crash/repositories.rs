//! The repository is lost, old, or another folder's: the target knows what it holds.

use std::fs;

use super::{rounds, seed, tell};
use crate::crash::job::visible;
use crate::project::Project;
use crate::random::Random;

const COMMAND: &[&str] = &[
    "offload",
    "shop.main.orders",
    "--to",
    "lake.dw.orders",
    "--incremental-by",
    "id",
    "-x",
];

fn project() -> Project {
    Project::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO orders VALUES (1, 1)",
    )
}

fn held(project: &Project) -> Vec<i64> {
    visible(&project.path("lake/dw/orders"))
}

/// Puts another file, or none, where the repository was.
fn replace(project: &Project, by: Option<&[u8]>) {
    let repository = project.path("goe.db");
    let _ = fs::remove_file(project.path("goe.db-journal"));
    match by {
        Some(bytes) => fs::write(repository, bytes).expect("goe.db"),
        None => {
            let _ = fs::remove_file(repository);
        }
    }
}

/// What becomes of the repository between two runs.
fn disturb(
    project: &Project,
    random: &mut Random,
    old: &[Vec<u8>],
    foreign: &Project,
) -> &'static str {
    match random.below(4) {
        0 => "kept",
        1 => {
            replace(project, None);
            "deleted"
        }
        2 if !old.is_empty() => {
            replace(project, Some(&old[random.below(old.len())]));
            "old"
        }
        _ => {
            let bytes = fs::read(foreign.path("goe.db")).expect("another goe.db");
            replace(project, Some(&bytes));
            "foreign"
        }
    }
}

#[test]
fn whatever_becomes_of_the_repository_nothing_is_forgotten() {
    let (seed, sequences) = (seed(), rounds(10, 200));
    let mut random = Random::new(seed);
    let (mut runs, mut disturbed) = (0, 0);
    for _ in 0..sequences {
        let (ours, foreign) = (project(), project());
        foreign.goe(COMMAND).ok();
        let (mut last, mut old, mut story) = (1, Vec::new(), Vec::new());
        for _ in 0..random.between(3, 6) {
            if random.once_in(2) {
                foreign.sqlite("INSERT INTO orders SELECT max(id) + 1, 0 FROM orders");
                foreign.goe(COMMAND).ok();
            }
            story.push(disturb(&ours, &mut random, &old, &foreign));
            disturbed += usize::from(story.last() != Some(&"kept"));
            let grows = random.below(3) as i64;
            for id in last + 1..=last + grows {
                ours.sqlite(&format!("INSERT INTO orders VALUES ({id}, {id})"));
            }
            last += grows;
            let ran = ours.goe(COMMAND);
            assert_eq!(ran.code, Some(0), "{story:?} (seed {seed}): {ran}");
            assert!(
                held(&ours).into_iter().eq(1..=last),
                "{story:?} (seed {seed}): {:?}",
                held(&ours)
            );
            old.push(fs::read(ours.path("goe.db")).expect("goe.db"));
            runs += 1;
        }
        ours.goe(&["verify", "lake.dw.orders", "--stored"]).ok();
    }
    tell(
        "repository lost, old or foreign",
        &format!(
            "{sequences} sequences of {runs} runs, {disturbed} times disturbed (seed {seed}); 0 doubled, 0 forgotten"
        ),
    );
}
