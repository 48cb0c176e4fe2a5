//! Stages in clouds: goe fills them by its keys, and the server reads them by the way it is given.

use goe::ErrorKind;

use super::{ORDERS, World, published};
use crate::canary::Watch;
use crate::secrets::report;
use crate::store::{Bucket, Speech};

/// The lines of a connection that stages in a bucket.
fn staged(bucket: &Bucket) -> String {
    let mut lines = format!("staging = \"{}\"\n", bucket.url());
    for (name, value) in bucket.options() {
        lines += &format!("staging_{name} = \"{value}\"\n");
    }
    lines
}

/// The bucket's place as the server writes it.
fn theirs(bucket: &Bucket) -> String {
    let Bucket {
        key, name, folder, ..
    } = bucket;
    match bucket.speech {
        Speech::S3 => format!("s3://{name}/{folder}"),
        Speech::Azure => format!("azure://{key}.blob.core.windows.net/{name}/{folder}"),
        Speech::Google => format!("gcs://{name}/{folder}"),
    }
}

fn integration(bucket: &Bucket) -> &'static str {
    match bucket.speech {
        Speech::S3 => "s3_lake",
        Speech::Azure => "azure_lake",
        Speech::Google => "gcs_lake",
    }
}

/// The lines for each way that the server may read a bucket. It takes no keys of Google's.
fn ways(bucket: &Bucket) -> Vec<(&'static str, String)> {
    let integration = format!("storage_integration = \"{}\"\n", integration(bucket));
    let mut ways = vec![
        ("an integration", staged(bucket) + &integration),
        ("a stage", staged(bucket) + "stage = \"stages.lake\"\n"),
    ];
    match bucket.speech {
        Speech::S3 => ways.push(("keys", staged(bucket))),
        Speech::Azure => {
            let token = format!("staging_sas_token = \"{}\"\n", bucket.query);
            ways.push(("keys", staged(bucket) + &token));
        }
        Speech::Google => {}
    }
    ways
}

#[tokio::test]
async fn a_table_goes_through_a_stage_in_a_cloud() {
    for bucket in Bucket::each() {
        for (way, lines) in ways(&bucket) {
            let Some(world) = World::new(ORDERS) else {
                return;
            };
            world.connect("goe", &lines);
            world.ask("CREATE SCHEMA IF NOT EXISTS \"STAGES\"");
            world.ask(&format!(
                "CREATE STAGE \"STAGES\".\"LAKE\" URL = '{}' STORAGE_INTEGRATION = \"{}\"",
                theirs(&bucket),
                integration(&bucket).to_uppercase()
            ));
            let ran = world.offload("orders", &[]).ok();
            assert_eq!(published(&ran), 100, "{way}: {ran}");
            let count = "SELECT COUNT(*), SUM(\"AMOUNT\") FROM \"TPCH\".\"ORDERS\"";
            assert_eq!(world.ask(count), ["100|34675.00"], "{way}");
            assert_eq!(
                bucket.objects("").await,
                Vec::<String>::new(),
                "{way}: nothing is left in the stage"
            );
        }
    }
}

#[tokio::test]
async fn a_stage_that_can_not_be_read_or_written_says_so() {
    let Some(bucket) = Bucket::new() else { return };
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let google = Bucket::google().map(|bucket| (staged(&bucket), ErrorKind::Config, "integration"));
    let with = |line: &str| format!("{}{line}\n", staged(&bucket));
    let cases = [
        (
            with("storage_integration = \"nobody_made_it\""),
            ErrorKind::NotFound,
            "NOBODY_MADE_IT",
        ),
        (
            with("storage_integration = \"azure_lake\""),
            ErrorKind::Load,
            "not allowed by integration",
        ),
        (
            with("storage_integration = \"no_rights\""),
            ErrorKind::Load,
            "the server may read there",
        ),
        (with("stage = \"stages.gone\""), ErrorKind::NotFound, "GONE"),
        (
            staged(&bucket.reader()),
            ErrorKind::Permission,
            "privileges",
        ),
    ];
    for (lines, kind, said) in cases.into_iter().chain(google) {
        world.connect("goe", &lines);
        world
            .offload("orders", &["--retry-seconds", "0"])
            .fails(kind)
            .says(&[said]);
        world.goe(&["clean", "sf.tpch.orders", "-x"]);
    }
    let tables = "SELECT table_name FROM information_schema.tables \
                  WHERE table_schema = 'TPCH' AND table_name = 'ORDERS'";
    assert!(world.ask(tables).is_empty(), "nothing was published");
}

/// The keys are handed to the server in a statement, and shown nowhere.
#[test]
fn no_key_of_a_stage_is_ever_shown() {
    let Some(bucket) = Bucket::new() else { return };
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let mut watch = Watch::new(&world.project, &["password", "secret", "token"]);
    watch.canaries.push(crate::canary::Canary::of(
        "the bucket's secret",
        &bucket.secret,
    ));
    let [password, secret, token] =
        ["password", "secret", "token"].map(|place| watch.canary(place).secret.clone());
    let right = staged(&bucket);
    let wrong = right.replace(&bucket.secret, &secret) + &format!("staging_token = \"{token}\"\n");
    let cases = [
        (right.clone(), true),
        (wrong, false),
        (format!("{right}password = \"{password}\"\n"), false),
    ];
    let mut files = 0;
    for (lines, works) in cases {
        world.connect("goe", &lines);
        let text = std::fs::read_to_string(world.project.path("goe.toml")).expect("goe.toml");
        watch.write("goe.toml", &text);
        for command in [
            &["plan", "shop.main.orders", "--to", "sf.tpch.orders"][..],
            &[
                "offload",
                "shop.main.orders",
                "--to",
                "sf.tpch.orders",
                "-x",
                "--reset",
            ],
        ] {
            let succeeded = watch.goe(command).status.success();
            let plans = command[0] == "plan";
            assert!(plans || succeeded == works, "{lines}: {command:?}");
        }
        files = watch.look_at_files();
    }
    report("a stage", &watch, files);
}
