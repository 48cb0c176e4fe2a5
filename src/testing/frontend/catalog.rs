//! What a frontend says of itself and of its tables.

use std::time::Instant;

use super::world::{MANY, NONE, World, all_rows};
use crate::error::ErrorKind;
use crate::frontend::OpenOptions;
use crate::testing::report::{Verdict, failed, holds, prepared, refused, skipped, told};
use crate::testing::rows::{difference, numbered};

/// A name with the quotes of every system in it.
const ODD_NAME: &str = "goe \"it's\" [a] `name`. é";

pub(super) async fn probe_ends(world: &World) -> Verdict {
    world.frontend.probe().await?;
    let (frontend, patience) = prepared(world.fixture.unreachable())?;
    let begun = Instant::now();
    let probed = frontend.probe().await;
    let took = begun.elapsed();
    holds(probed.is_err(), || {
        "a server where nothing answers".to_owned()
    })?;
    holds(took <= patience, || {
        format!("it took {took:?} of {patience:?}")
    })
}

pub(super) async fn probe_fails(world: &World) -> Verdict {
    let (frontend, _) = prepared(world.fixture.unreachable())?;
    match frontend.probe().await {
        Ok(probe) => failed(format!("a server: {}", probe.version)),
        Err(error) => {
            let due = matches!(
                error.kind(),
                ErrorKind::Connect
                    | ErrorKind::Authenticate
                    | ErrorKind::Permission
                    | ErrorKind::NotFound
                    | ErrorKind::Config
            );
            holds(due && error.hint_text().is_some(), || told(&error))
        }
    }
}

pub(super) async fn tables(world: &World) -> Verdict {
    let listed = world.frontend.tables().await?;
    let names: Vec<(&str, &str)> = listed
        .iter()
        .map(|entry| (entry.schema.as_str(), entry.table.as_str()))
        .collect();
    for table in [MANY, NONE] {
        let wanted = (world.fixture.schema(), table);
        let times = names.iter().filter(|name| **name == wanted).count();
        holds(times == 1, || format!("{table} is listed {times} times"))?;
    }
    match names.windows(2).find(|pair| pair[0] > pair[1]) {
        Some(pair) => failed(format!("{:?} stands before {:?}", pair[0], pair[1])),
        None => Ok(()),
    }
}

pub(super) async fn names(world: &World) -> Verdict {
    for written in [MANY.to_owned(), MANY.to_uppercase()] {
        let source = world.open(&written).await?;
        let name = &source.table().name;
        let exact = (name.schema.as_str(), name.table.as_str());
        holds(exact == (world.fixture.schema(), MANY), || {
            format!("\"{written}\" opened {name}")
        })?;
    }
    Ok(())
}

pub(super) async fn unknown(world: &World) -> Verdict {
    let error = refused(ErrorKind::NotFound, world.open("goe_mani").await)?;
    let near = error.hint_text().is_some_and(|hint| hint.contains(MANY));
    holds(near, || told(&error))?;
    let options = OpenOptions::default();
    let nowhere = world.frontend.open("goe_no_schema", MANY, &options);
    refused(ErrorKind::NotFound, nowhere.await).map(drop)
}

pub(super) async fn untyped(world: &World) -> Verdict {
    let columns = prepared(world.fixture.untyped("goe_untyped").await)?;
    let error = refused(ErrorKind::Unsupported, world.open("goe_untyped").await)?;
    let text = format!("{error:?} {}", told(&error));
    let named = columns
        .iter()
        .filter(|column| text.contains(column.as_str()));
    let named = named.count();
    holds(named == columns.len(), || {
        format!("{named} of {} columns are named: {text}", columns.len())
    })
}

pub(super) async fn options(world: &World) -> Verdict {
    for (column, form) in [("goe_no_column", "text"), ("amount", "goe_no_form")] {
        let options = OpenOptions {
            read_as: [(column.to_owned(), form.to_owned())].into(),
        };
        let opened = world.frontend.open(world.fixture.schema(), MANY, &options);
        refused(ErrorKind::Usage, opened.await)?;
    }
    Ok(())
}

pub(super) async fn round_trips(world: &World) -> Verdict {
    const TABLES: usize = 10;
    prepared(world.fixture.requests().await)?;
    let mut names = Vec::new();
    for number in 0..TABLES {
        let table = format!("goe_one_of_ten_{number}");
        prepared(world.fixture.make(&table, &[]).await)?;
        names.push((world.fixture.schema().to_owned(), table));
    }
    // The first time may also log in.
    world.frontend.open_all(&names[..1]).await?;
    let mut sent = Vec::new();
    for count in [1, TABLES] {
        let before = prepared(world.fixture.requests().await)?;
        world.frontend.open_all(&names[..count]).await?;
        sent.push(prepared(world.fixture.requests().await)? - before);
    }
    holds(sent[1] <= sent[0] + 2, || {
        format!(
            "{} requests for one table, {} for {TABLES}",
            sent[0], sent[1]
        )
    })
}

pub(super) async fn fails_alone(world: &World) -> Verdict {
    let names = [MANY, "goe_nowhere", NONE];
    let named = names.map(|table| (world.fixture.schema().to_owned(), table.to_owned()));
    let opened = world.frontend.open_all(&named).await?;
    holds(opened.len() == names.len(), || {
        format!("{} answers for {} tables", opened.len(), names.len())
    })?;
    for (name, opened) in names.into_iter().zip(opened) {
        match opened {
            Ok(source) if source.table().name.table == name => {}
            Ok(source) => return failed(format!("{} in place of {name}", source.table().name)),
            Err(error) if name == "goe_nowhere" => {
                holds(error.kind() == ErrorKind::NotFound, || told(&error))?;
            }
            Err(error) => return failed(format!("{name}: {}", told(&error))),
        }
    }
    Ok(())
}

pub(super) async fn any_name(world: &World) -> Verdict {
    if ODD_NAME.len() > world.frontend.facts().identifier_bytes {
        return skipped("names there are shorter than the one that is tried");
    }
    let rows = numbered(1..=3);
    prepared(world.fixture.make(ODD_NAME, &rows).await)?;
    let (source, snapshot) = world.opened(ODD_NAME).await?;
    let read = all_rows(&source, &snapshot).await?;
    difference(&rows, &read).map_or(Ok(()), failed)
}
