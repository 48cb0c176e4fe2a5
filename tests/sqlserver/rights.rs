//! What is hidden from us: rows by a policy, values by a mask, columns by their clients' keys.

use goe::ErrorKind;

use super::{World, rows, texts};
use crate::doubles::tds::{Options, Table, Value};

fn guarded(name: &str, is_on: bool) -> Table {
    Table::new(name)
        .column("id", "int not null")
        .column("owner", "nvarchar(20) not null")
        .primary_key(&["id"])
        .policy("owner", is_on)
}

/// Two rows of the login's, one of another's.
fn with_policies(world: &World) {
    for (name, is_on) in [("dbo.guarded", true), ("dbo.open", false)] {
        world.tds.create(guarded(name, is_on));
        let row = |(id, owner): (i64, &str)| vec![id.into(), owner.into()];
        let all = [(1, "goe"), (2, "other"), (3, "goe")];
        world.tds.insert(name, all.into_iter().map(row).collect());
    }
}

async fn ids(world: &World, table: &str) -> Vec<String> {
    let source = world.open(table).await;
    let snapshot = source.snapshot(1).await.expect("a snapshot");
    texts(&rows(&source, &snapshot, None).await.expect("rows"), 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_may_hide_rows_is_refused_unless_it_is_meant() {
    let world = World::new();
    with_policies(&world);
    world
        .goe(&["describe", "mssql.dbo.guarded"])
        .fails(ErrorKind::Permission)
        .says(&["security policy", "row_security=on"]);
    world
        .offload("guarded", &[])
        .fails(ErrorKind::Permission)
        .says(&["mssql.dbo.guarded"]);
    assert_eq!(ids(&world, "open").await, ["1", "2", "3"]);
    world.connect("encrypt = \"disable\"\nrow_security = \"on\"");
    assert_eq!(ids(&world, "guarded").await, ["1", "3"]);
    world.offload("guarded", &[]).ok();
    assert_eq!(world.project.lake("tpch", "guarded").rows(), 2);
    world.understood();
}

fn with_a_mask(world: &World) {
    let table = Table::new("dbo.people")
        .column("id", "int not null")
        .column("secret", "varchar(20) masked")
        .primary_key(&["id"]);
    world.tds.create(table);
    world
        .tds
        .insert("dbo.people", vec![vec![1.into(), "true".into()]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_values_are_never_taken_for_true_ones() {
    let may = World::new();
    with_a_mask(&may);
    let source = may.open("people").await;
    let snapshot = source.snapshot(1).await.expect("a snapshot");
    let read = rows(&source, &snapshot, None).await.expect("rows");
    assert_eq!(texts(&read, 1), ["true"]);
    may.understood();
    let options = Options {
        may_unmask: false,
        ..Options::default()
    };
    let world = World::with(options, "encrypt = \"disable\"");
    with_a_mask(&world);
    for more in [&[][..], &["--read-as", "secret=text"]] {
        world
            .offload("people", more)
            .fails(ErrorKind::Unsupported)
            .says(&["\"secret\"", "masked", "GRANT UNMASK"]);
    }
    world.understood();
}

#[test]
fn what_clients_encrypt_is_refused_also_as_text() {
    let world = World::new();
    let table = Table::new("dbo.cards")
        .column("id", "int not null")
        .column("number", "varbinary(200) encrypted")
        .primary_key(&["id"]);
    world.tds.create(table);
    let bytes: Value = vec![1_u8; 65].into();
    world.tds.insert("dbo.cards", vec![vec![1.into(), bytes]]);
    for more in [&[][..], &["--read-as", "number=text"]] {
        world
            .offload("cards", more)
            .fails(ErrorKind::Unsupported)
            .says(&["\"number\"", "encrypted by its clients"]);
    }
    world.understood();
}
