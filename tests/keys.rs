//! Keys of an object store are never shown, wherever they are kept and whatever the store says.

use crate::canary::{Canary, Watch};
use crate::project::Project;
use crate::secrets::report;
use crate::store::Bucket;

#[test]
fn no_key_of_a_store_is_ever_shown() {
    let Some(bucket) = Bucket::new() else { return };
    let project =
        Project::with("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    let mut watch = Watch::new(&project, &["key", "secret", "token"]);
    watch
        .canaries
        .push(Canary::of("the bucket's secret", &bucket.secret));
    let [key, secret, token] =
        ["key", "secret", "token"].map(|place| watch.canary(place).secret.clone());
    let lake = |keys: &str| {
        format!(
            "[connections.shop]\nurl = \"sqlite:shop.db\"\n[connections.lake]\nurl = \"delta:s3://{}/{}\"\n\
             endpoint = \"{}\"\nallow_http = true\nregion = \"us-east-1\"\n{keys}",
            bucket.name, bucket.folder, bucket.endpoint
        )
    };
    let right = format!(
        "access_key_id = \"{}\"\nsecret_access_key = \"{}\"\n",
        bucket.key, bucket.secret
    );
    let wrong = format!(
        "access_key_id = \"{key}\"\nsecret_access_key = \"{secret}\"\nsession_token = \"{token}\"\n"
    );
    let half = format!(
        "access_key_id = \"{}\"\nsecret_access_key = \"{secret}\"\n",
        bucket.key
    );
    let twice = format!("{wrong}aws_secret_access_key = \"{secret}\"\n");
    let misspelt = format!("{wrong}secret_acess_key = \"{secret}\"\n");
    let variables = |key: &str, secret: &str, token: &str| {
        let named = [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
        ];
        let given = named.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>()
    };
    let cases = [
        (lake(&right), Vec::new(), true),
        (lake(""), variables(&bucket.key, &bucket.secret, ""), true),
        (lake(""), variables(&key, &secret, &token), false),
        (lake(&wrong), Vec::new(), false),
        (lake(&half), Vec::new(), false),
        (lake(&twice), Vec::new(), false),
        (lake(&misspelt), Vec::new(), false),
        (
            lake(&wrong).replace(&bucket.endpoint, "http://127.0.0.1:1"),
            Vec::new(),
            false,
        ),
        (
            lake(&wrong).replace("allow_http = true", "allow_http = oops"),
            Vec::new(),
            false,
        ),
    ];
    let mut files = 0;
    for (number, (text, variables, works)) in cases.into_iter().enumerate() {
        watch.write("goe.toml", &text);
        watch.variables = variables;
        let target = format!("lake.dw.t{number}");
        for command in [
            &["connect", "lake"][..],
            &["tables", "lake"],
            &["plan", "shop.main.t", "--to", &target],
            &["offload", "shop.main.t", "--to", &target, "-x"],
            &["verify", &target, "--output", "json"],
            &["sql", "-c", &format!("SELECT * FROM {target}")],
            &["clean", &target],
        ] {
            assert_eq!(
                watch.goe(command).status.success(),
                works,
                "{number} {command:?}"
            );
        }
        files = watch.look_at_files();
    }
    report("an object store", &watch, files);
}
