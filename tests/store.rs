//! The lake in object stores. `GOE_TEST_S3` is the address of one that speaks S3, with a bucket to
//! write in: `http://KEY:SECRET@HOST:PORT/BUCKET`; `GOE_TEST_AZURE` that of one that speaks as
//! Azure's blobs do: `http://ACCOUNT:KEY@HOST:PORT/CONTAINER?SAS`; `GOE_TEST_GCS` that of one that
//! speaks as Google's does: `http://HOST:PORT/BUCKET?writer=FILE&reader=FILE`, with the key files of
//! two service accounts. `tests/run` starts moto, Azurite and a double (tests/doubles/gcs).

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use goe::ErrorKind;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use serde_json::{Value, json};
use url::Url;

use crate::independent::compare_at;
use crate::lake::Table;
use crate::project::{Project, Ran, private_file, signal, skip, wait};

/// Longer than the client tries a store that does not answer.
const BOUNDED: Duration = Duration::from_secs(100);

const ORDERS: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, placed DATE, customer VARCHAR(20), amount DECIMAL(12,2));
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
    INSERT INTO orders
    SELECT n, date('2024-01-01', (n % 120) || ' days'),
           CASE WHEN n % 10 = 0 THEN NULL ELSE 'customer ' || n END, n || '.05'
    FROM n;
";

const FULL: [&str; 5] = [
    "offload",
    "shop.main.orders",
    "--to",
    "lake.shop.orders",
    "-x",
];

fn full<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&FULL, more].concat()
}

/// What a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    S3,
    Azure,
    Google,
}

/// An address of `GOE_TEST_S3`, `GOE_TEST_AZURE` or `GOE_TEST_GCS`, taken apart.
#[derive(Clone)]
pub struct Bucket {
    pub speech: Speech,
    pub endpoint: String,
    /// The key's id, the account, or the file of the key.
    pub key: String,
    pub secret: String,
    /// What stands behind the address: Azure's shared access signature, or Google's key files.
    pub query: String,
    pub name: String,
    /// A folder of one test.
    pub folder: String,
}

impl Bucket {
    /// The bucket that speaks S3.
    pub fn new() -> Option<Self> {
        Self::of(Speech::S3, "GOE_TEST_S3")
    }

    /// The container in Azure's blobs.
    pub fn azure() -> Option<Self> {
        Self::of(Speech::Azure, "GOE_TEST_AZURE")
    }

    /// The bucket that speaks as Google's do.
    pub fn google() -> Option<Self> {
        let bucket = Self::of(Speech::Google, "GOE_TEST_GCS")?;
        let key = bucket.key_file("writer");
        Some(Self { key, ..bucket })
    }

    /// Those that there are.
    pub fn each() -> impl Iterator<Item = Self> {
        [Self::new(), Self::azure(), Self::google()]
            .into_iter()
            .flatten()
    }

    /// The same bucket as somebody sees it who may read and not write.
    pub fn reader(&self) -> Self {
        let (key, secret) = match self.speech {
            Speech::Google => (self.key_file("reader"), String::new()),
            _ => ("reader".to_owned(), "reader-secret".to_owned()),
        };
        Self {
            key,
            secret,
            ..self.clone()
        }
    }

    fn key_file(&self, account: &str) -> String {
        let mut files = url::form_urlencoded::parse(self.query.as_bytes());
        let file = files.find(|(name, _)| name == account);
        file.expect("a key file in GOE_TEST_GCS").1.into_owned()
    }

    fn of(speech: Speech, variable: &str) -> Option<Self> {
        let Ok(address) = std::env::var(variable) else {
            skip(&format!("object stores: {variable} names none"));
            return None;
        };
        let url = Url::parse(&address).unwrap_or_else(|_| panic!("{variable} is a URL"));
        let port = url.port_or_known_default().expect("a port");
        let host = url.host_str().expect("a host");
        let key = url.username();
        let endpoint = format!("{}://{host}:{port}", url.scheme());
        let secret = url.password().unwrap_or_default();
        Some(Self {
            speech,
            endpoint: match speech {
                Speech::S3 | Speech::Google => endpoint,
                Speech::Azure => format!("{endpoint}/{key}"),
            },
            key: key.to_owned(),
            secret: secret
                .replace("%2B", "+")
                .replace("%2F", "/")
                .replace("%3D", "="),
            query: url.query().unwrap_or_default().to_owned(),
            name: url.path().trim_matches('/').to_owned(),
            folder: uuid::Uuid::new_v4().simple().to_string(),
        })
    }

    /// The folder as goe names it.
    pub fn url(&self) -> String {
        let scheme = match self.speech {
            Speech::S3 => "s3",
            Speech::Azure => "az",
            Speech::Google => "gs",
        };
        format!("{scheme}://{}/{}", self.name, self.folder)
    }

    /// What a connection says to open it.
    pub fn options(&self) -> Vec<(&'static str, &str)> {
        let mut options = vec![("allow_http", "true")];
        options.extend(match self.speech {
            Speech::S3 => vec![
                ("endpoint", self.endpoint.as_str()),
                ("region", "us-east-1"),
                ("access_key_id", &self.key),
                ("secret_access_key", &self.secret),
            ],
            Speech::Azure => vec![
                ("endpoint", self.endpoint.as_str()),
                ("account_name", &self.key),
                ("account_key", &self.secret),
            ],
            Speech::Google => vec![
                ("base_url", self.endpoint.as_str()),
                ("service_account", &self.key),
            ],
        });
        options
    }

    /// The project's configuration with a lake here.
    pub fn configure(&self, project: &Project) {
        let pg = match project.path("pg.url").exists() {
            true => "[connections.pg]\nurl = \"${file:pg.url}\"\n",
            false => "",
        };
        let lines = self.options().into_iter();
        let lines: String = lines
            .map(|(name, value)| format!("{name} = \"{value}\"\n"))
            .collect();
        project.write(
            "goe.toml",
            &format!(
                "{pg}[connections.shop]\nurl = \"sqlite:shop.db\"\n\
                 [connections.lake]\nurl = \"delta:{}\"\n{lines}",
                self.url()
            ),
        );
    }

    /// A project with a filled `shop.db` and its lake here.
    pub fn project(&self, sql: &str) -> Project {
        let project = Project::with(sql);
        self.configure(&project);
        project
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        match self.speech {
            Speech::S3 => {
                let store = AmazonS3Builder::new()
                    .with_endpoint(&self.endpoint)
                    .with_allow_http(true)
                    .with_region("us-east-1")
                    .with_access_key_id(&self.key)
                    .with_secret_access_key(&self.secret)
                    .with_bucket_name(&self.name);
                Arc::new(store.build().expect("a store"))
            }
            Speech::Azure => {
                let store = MicrosoftAzureBuilder::new()
                    .with_endpoint(self.endpoint.clone())
                    .with_allow_http(true)
                    .with_account(&self.key)
                    .with_access_key(&self.secret)
                    .with_container_name(&self.name);
                Arc::new(store.build().expect("a store"))
            }
            Speech::Google => {
                let store = GoogleCloudStorageBuilder::new()
                    .with_base_url(&self.endpoint)
                    .with_client_options(ClientOptions::new().with_allow_http(true))
                    .with_service_account_path(&self.key)
                    .with_bucket_name(&self.name);
                Arc::new(store.build().expect("a store"))
            }
        }
    }

    fn path(&self, inside: &str) -> Path {
        Path::parse(format!("{}/{inside}", self.folder)).expect("a path")
    }

    /// Every object below a folder of the lake, from that folder.
    pub async fn objects(&self, below: &str) -> Vec<String> {
        let start = self.path(below);
        let listed: Vec<_> = self.store().list(Some(&start)).try_collect().await.unwrap();
        let inside = |path: &Path| path.as_ref()[start.as_ref().len() + 1..].to_owned();
        listed
            .iter()
            .map(|object| inside(&object.location))
            .collect()
    }

    async fn put(&self, inside: &str, text: &'static str) {
        let path = self.path(inside);
        self.store().put(&path, text.into()).await.unwrap();
    }

    /// A table, copied to a local folder and read there without our own code.
    pub async fn table(&self, project: &Project, place: &str) -> Table {
        let copy = project.path("copy").join(place);
        let _ = fs::remove_dir_all(&copy);
        for object in self.objects(place).await {
            let file = copy.join(&object);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let path = self.path(&format!("{place}/{object}"));
            let bytes = self
                .store()
                .get(&path)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            fs::write(file, bytes).unwrap();
        }
        Table::read(&copy)
    }

    /// The table as other programs read it from the store equals its source.
    pub fn compare(&self, project: &Project, place: &str, source: &str) {
        let table = format!("{}/{place}", self.url());
        let key_file;
        let variables = match self.speech {
            Speech::S3 => vec![
                ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
                ("AWS_ALLOW_HTTP", "true"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", &self.key),
                ("AWS_SECRET_ACCESS_KEY", &self.secret),
            ],
            Speech::Azure => vec![
                ("AZURE_ENDPOINT", self.endpoint.as_str()),
                ("AZURE_ALLOW_HTTP", "true"),
                ("AZURE_STORAGE_ACCOUNT_NAME", &self.key),
                ("AZURE_STORAGE_ACCOUNT_KEY", &self.secret),
            ],
            // Clients of every age find the address in the key's file.
            Speech::Google => {
                let text = fs::read(&self.key).expect("a key's file");
                let mut key: Value = serde_json::from_slice(&text).expect("JSON");
                key["gcs_base_url"] = json!(self.endpoint);
                key_file = key.to_string();
                vec![
                    ("GOOGLE_SERVICE_ACCOUNT_KEY", key_file.as_str()),
                    ("GOOGLE_ALLOW_HTTP", "true"),
                ]
            }
        };
        compare_at(project, &table, ["sqlite", "shop.db", source], &variables);
    }
}

#[tokio::test]
async fn a_table_in_a_store_is_exact_and_taken_once() {
    for bucket in Bucket::each() {
        let project = bucket.project(ORDERS);
        project
            .goe(&["connect", "lake"])
            .ok()
            .says(&["object store", "can be listed"]);
        project.goe(&FULL).ok();
        bucket.compare(&project, "shop/orders", "orders");
        let first = bucket.table(&project, "shop/orders").await;
        assert!(first.numbers("id").into_iter().eq(1..=3000));
        assert_eq!(first.texts("amount", "id")[9], "10.05");

        project.goe(&FULL).ok().says(&["nothing to do"]);
        let again = bucket.table(&project, "shop/orders").await;
        assert_eq!((again.version, again.rows()), (first.version, 3000));
        project.goe(&["verify", "lake.shop.orders"]).ok();
        project
            .goe(&["verify", "lake.shop.orders", "--stored"])
            .ok();
        project.goe(&["tables", "lake"]).ok().says(&["orders"]);
        let sql = "SELECT count(*), sum(amount) FROM lake.shop.orders WHERE id <= 2";
        project.goe(&["sql", "-c", sql]).ok().says(&["2", "3.10"]);

        project.sqlite("DELETE FROM orders WHERE id > 10; UPDATE orders SET amount = '7.00'");
        project
            .goe(&["verify", "lake.shop.orders"])
            .tells(ErrorKind::Verify);
        project.goe(&full(&["--reset"])).ok();
        let replaced = bucket.table(&project, "shop/orders").await;
        assert!(replaced.numbers("id").into_iter().eq(1..=10));
        assert!(
            replaced
                .texts("amount", "id")
                .iter()
                .all(|amount| amount == "7.00")
        );
        bucket.compare(&project, "shop/orders", "orders");
    }
}

#[tokio::test]
async fn slices_and_partitions_in_a_store_add_up() {
    for bucket in Bucket::each() {
        let project = bucket.project(ORDERS);
        let slice = |boundary| {
            let slices = ["--incremental-by", "placed", "--until", boundary];
            full(
                &[
                    &slices[..],
                    &["--partition-by", "month(placed)", "--parallel", "2"],
                ]
                .concat(),
            )
        };
        project.goe(&slice("DATE '2024-02-15'")).ok();
        let first = bucket.table(&project, "shop/orders").await;
        assert_eq!(
            first.rows(),
            25 * 45,
            "days of 25 rows each before the boundary"
        );
        project.goe(&slice("DATE '2025-01-01'")).ok();
        project
            .goe(&slice("DATE '2025-01-01'"))
            .ok()
            .says(&["nothing to do"]);
        let both = bucket.table(&project, "shop/orders").await;
        assert!(both.numbers("id").into_iter().eq(1..=3000));
        let months = both
            .columns()
            .into_iter()
            .find(|name| name.contains("month"))
            .unwrap();
        assert_eq!(both.partitions(&months).len(), 4);
        bucket.compare(&project, "shop/orders", "orders");
        project.goe(&["verify", "lake.shop.orders"]).ok();
        project
            .goe(&["verify", "lake.shop.orders", "--stored"])
            .ok();
    }
}

#[tokio::test]
async fn an_orphan_in_a_store_is_found_and_removed_and_nothing_else() {
    for bucket in Bucket::each() {
        let project = bucket.project(ORDERS);
        project
            .goe(&full(&["--partition-by", "month(placed)"]))
            .ok();
        let orphan = format!("part-{}-0001-0-0.parquet", uuid::Uuid::new_v4().simple());
        bucket
            .put(&format!("shop/orders/m=1/{orphan}"), "left behind")
            .await;
        bucket
            .put("shop/orders/part-of-somebody-else.parquet", "x")
            .await;
        let before = bucket.objects("shop/orders").await;
        project
            .goe(&["clean", "lake.shop.orders"])
            .ok()
            .says(&[&orphan, "1 file"]);
        assert_eq!(
            bucket.objects("shop/orders").await,
            before,
            "listing removes nothing"
        );
        project
            .goe(&["clean", "lake.shop.orders", "-x"])
            .ok()
            .says(&[&orphan]);
        let after = bucket.objects("shop/orders").await;
        assert_eq!(after.len() + 1, before.len());
        assert!(!after.iter().any(|object| object.contains(&orphan)));
        project
            .goe(&["verify", "lake.shop.orders", "--stored"])
            .ok();
        project
            .goe(&["clean", "lake.shop.orders"])
            .ok()
            .says(&["nothing to clean"]);
    }
}

/// A file that is larger than what one request carries goes up in parts.
#[tokio::test]
async fn a_large_file_goes_up_in_parts() {
    for bucket in Bucket::each() {
        let project = bucket.project(
            "CREATE TABLE blobs (id INTEGER PRIMARY KEY, raw BLOB);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200)
         INSERT INTO blobs SELECT n, randomblob(100000) FROM n;",
        );
        let to = "lake.shop.blobs";
        project
            .goe(&["offload", "shop.main.blobs", "--to", to, "-x"])
            .ok();
        let start = bucket.path("shop/blobs");
        let store = bucket.store();
        let objects: Vec<_> = store.list(Some(&start)).try_collect().await.unwrap();
        // The tag of an object in parts says in how many; that of a blob does not.
        let in_parts = |object: &ObjectMeta| {
            let tag = object.e_tag.as_deref().unwrap_or_default();
            tag.contains('-') || bucket.speech == Speech::Azure
        };
        let largest = objects.iter().max_by_key(|object| object.size).unwrap();
        assert!(
            largest.size > 16_000_000 && in_parts(largest),
            "{largest:?}"
        );
        bucket.compare(&project, "shop/blobs", "blobs");
        project.goe(&["verify", to]).ok();
    }
}

/// One run stands still between its plan and its publish while another, in another folder with a
/// repository of its own, makes the table.
#[tokio::test]
async fn of_two_runs_that_make_a_table_one_publishes() {
    for bucket in Bucket::each() {
        let (slow, fast) = (bucket.project(ORDERS), bucket.project(ORDERS));
        let stages = |event: &Value| event["event"] == "step_started" && event["step"] == "stage";
        let mut held = slow.goe_until(&FULL, stages).expect("a run that stages");
        signal(&held, "STOP");
        let won = fast.goe(&FULL);
        signal(&held, "CONT");
        let lost = wait(&mut held).expect("an exit code");
        won.ok();
        let told = [ErrorKind::Conflict, ErrorKind::Locked].map(ErrorKind::exit_code);
        assert!(
            told.map(i32::from).contains(&lost),
            "the other ended with {lost}"
        );
        let table = bucket.table(&fast, "shop/orders").await;
        assert!(table.numbers("id").into_iter().eq(1..=3000));
        assert_eq!(table.version, 0);

        slow.goe(&["clean", "lake.shop.orders", "-x"]).ok();
        assert_eq!(
            bucket.table(&fast, "shop/orders").await.orphans(),
            Vec::<String>::new()
        );
        fast.goe(&["verify", "lake.shop.orders", "--stored"]).ok();
    }
}

#[tokio::test]
async fn hostile_names_and_values_come_back_from_a_store() {
    for bucket in Bucket::each() {
        let project = bucket.project(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, kind TEXT);
         INSERT INTO odd (kind) VALUES ('a/b'), ('../..'), ('c=d e'), ('%2F'), ('é😀'), (' '),
            ('a+b'), ('q?x#y&z'), ('back\\slash'), ('\"''*:<>|'), (NULL), ('__HIVE_DEFAULT_PARTITION__');",
    );
        let target = "lake.shop.\"x y/%+é\"";
        let offload = [
            "offload",
            "shop.main.odd",
            "--to",
            target,
            "--partition-by",
            "kind",
            "-x",
        ];
        project.goe(&offload).ok();
        bucket.compare(&project, "shop/x@20y@2F@25@2B@C3@A9", "odd");
        project.goe(&["verify", target]).ok();
        project.goe(&["verify", target, "--stored"]).ok();
        project
            .goe(&["clean", target])
            .ok()
            .says(&["nothing to clean"]);
        let sql = "SELECT id FROM lake.shop.\"x y/%+é\" WHERE kind = 'q?x#y&z'";
        project.goe(&["sql", "-c", sql]).ok().says(&["8"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_store_is_said_soon_and_with_a_hint() {
    let Some(bucket) = Bucket::new() else { return };
    let with = |change: &dyn Fn(&mut Bucket)| {
        let mut changed = bucket.clone();
        change(&mut changed);
        changed
    };
    let cases = [
        (
            with(&|b| b.endpoint = "http://127.0.0.1:1".to_owned()),
            ErrorKind::Connect,
        ),
        (
            with(&|b| b.name = "no-such-bucket".to_owned()),
            ErrorKind::NotFound,
        ),
        (
            with(&|b| b.key = "nobody".to_owned()),
            ErrorKind::Authenticate,
        ),
        (
            with(&|b| b.secret = "guessed".to_owned()),
            ErrorKind::Authenticate,
        ),
    ];
    for (wrong, kind) in cases {
        let project = wrong.project(ORDERS);
        for command in [&["connect", "lake"][..], &FULL, &["tables", "lake"]] {
            let begun = Instant::now();
            project.goe(command).fails(kind);
            assert!(
                begun.elapsed() < BOUNDED,
                "{kind} after {:?}",
                begun.elapsed()
            );
        }
    }
    assert_eq!(
        bucket.objects("").await,
        Vec::<String>::new(),
        "nothing was written"
    );
}

/// The same of Azure's blobs, which answer in words of their own.
#[tokio::test]
async fn what_is_wrong_with_azure_is_said_with_a_hint() {
    let Some(bucket) = Bucket::azure() else {
        return;
    };
    let named = Bucket {
        name: "no-such-container".to_owned(),
        ..bucket.clone()
    };
    let guessed = Bucket {
        secret: "Z3Vlc3NlZA==".to_owned(),
        ..bucket.clone()
    };
    // Azure itself calls a wrong signature AuthenticationFailed, Azurite a lack of rights.
    for (wrong, kind) in [
        (named, ErrorKind::NotFound),
        (guessed, ErrorKind::Permission),
    ] {
        let project = wrong.project(ORDERS);
        for command in [&["connect", "lake"][..], &FULL, &["tables", "lake"]] {
            project.goe(command).fails(kind);
        }
    }
    let project = bucket.project(ORDERS);
    let text = fs::read_to_string(project.path("goe.toml")).unwrap();
    let misspelt = text.replace("account_key", "acount_key");
    project.write("goe.toml", &misspelt);
    project
        .goe(&["connect", "lake"])
        .fails(ErrorKind::Config)
        .says(&["acount_key"]);
    assert_eq!(bucket.objects("").await, Vec::<String>::new());
}

/// The same of Google's, where keys are files.
#[tokio::test]
async fn what_is_wrong_with_google_is_said_with_a_hint() {
    let Some(bucket) = Bucket::google() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let altered = |name: &str, change: &dyn Fn(&mut Value)| {
        let text = fs::read(&bucket.key).expect("a key's file");
        let mut key: Value = serde_json::from_slice(&text).expect("JSON");
        change(&mut key);
        private_file(&folder.path().join(name), &key.to_string())
    };
    let foreign: Value = serde_json::from_slice(&fs::read(bucket.reader().key).unwrap()).unwrap();
    let unknown = altered("unknown", &|key| key["private_key_id"] = json!("0123"));
    let guessed = altered("guessed", &|key| {
        key["private_key"] = foreign["private_key"].clone();
    });
    let public = altered("public", &|_| {});
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&public, everybody).expect("a file of the test");
    let broken = altered("broken", &|key| key["private_key"] = json!("-----BEGIN"));
    let no_json = private_file(&folder.path().join("no_json"), "token");
    let with_key = |key: String| Bucket {
        key,
        ..bucket.clone()
    };
    let named = Bucket {
        name: "no-such-bucket".to_owned(),
        ..bucket.clone()
    };
    let gone = Bucket {
        endpoint: "http://127.0.0.1:1".to_owned(),
        ..bucket.clone()
    };
    for (wrong, kind) in [
        (named, ErrorKind::NotFound),
        (gone, ErrorKind::Connect),
        (with_key(unknown), ErrorKind::Authenticate),
        (with_key(guessed), ErrorKind::Authenticate),
        (with_key(public), ErrorKind::Config),
        (with_key(broken), ErrorKind::Config),
        (with_key(no_json), ErrorKind::Config),
        (with_key("/nowhere/key.json".to_owned()), ErrorKind::Config),
    ] {
        let project = wrong.project(ORDERS);
        for command in [&["connect", "lake"][..], &FULL, &["tables", "lake"]] {
            let begun = Instant::now();
            project.goe(command).fails(kind);
            assert!(begun.elapsed() < BOUNDED, "{kind}: {:?}", begun.elapsed());
        }
    }
    let project = bucket.project(ORDERS);
    let text = fs::read_to_string(project.path("goe.toml")).unwrap();
    project.write("goe.toml", &text.replace("allow_http = \"true\"\n", ""));
    project
        .goe(&["connect", "lake"])
        .fails(ErrorKind::Config)
        .says(&["not encrypted", "allow_http"]);
    assert_eq!(bucket.objects("").await, Vec::<String>::new());
}

/// Who may read and not write is told so, and nothing is published.
#[tokio::test]
async fn a_reader_of_a_store_writes_nothing() {
    for bucket in [Bucket::new(), Bucket::google()].into_iter().flatten() {
        let project = bucket.reader().project(ORDERS);
        project.goe(&["connect", "lake"]).ok();
        project.goe(&FULL).fails(ErrorKind::Permission);
        assert_eq!(bucket.objects("shop").await, Vec::<String>::new());
    }
}

/// Keys of the environment serve where the connection has none, and only there.
#[tokio::test]
async fn keys_come_from_the_environment_or_the_connection() {
    let Some(bucket) = Bucket::new() else { return };
    let project = bucket.project(ORDERS);
    let connect = |variables: &[(&str, &str)]| {
        let mut command = project.command(&["connect", "lake"]);
        command.envs(variables.iter().copied());
        Ran::of(command)
    };
    let foreign = [
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "guessed"),
        ("AWS_SESSION_TOKEN", "stale"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
    ];
    connect(&foreign).ok();
    let configuration = fs::read_to_string(project.path("goe.toml")).unwrap();
    let without = configuration
        .lines()
        .filter(|line| !line.contains("access_key"));
    project.write("goe.toml", &without.collect::<Vec<_>>().join("\n"));
    connect(&foreign[..2]).fails(ErrorKind::Authenticate);
    let own = [
        ("AWS_ACCESS_KEY_ID", bucket.key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", bucket.secret.as_str()),
    ];
    connect(&own).ok();
}
