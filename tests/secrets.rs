//! Secrets are never shown: wherever a secret is kept, nothing that goe writes, leaves behind or
//! starts has it in any form.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use goe::ErrorKind;
use url::Url;

use crate::canary::Watch;
use crate::independent::Schema;
use crate::project::{Project, figure, postgres};

/// The places that a password of a server can be in, each a connection of that name.
const PLACES: [&str; 8] = [
    "in_url",
    "in_query",
    "in_keywords",
    "in_option",
    "in_env",
    "in_file",
    "in_variable",
    "in_variable_url",
];

/// Connections that don't work, with secrets of their own.
const BROKEN: [&str; 3] = ["wrong", "unreachable", "unknown_host"];

/// Roles of the server whose passwords are the canaries; gone at the end.
struct Roles<'s> {
    schema: &'s Schema<'s>,
    names: Vec<String>,
}

impl<'s> Roles<'s> {
    fn new(schema: &'s Schema<'s>, watch: &Watch<'_>) -> Self {
        let name = |place: &&str| format!("goe_{place}_{}", std::process::id());
        let names: Vec<String> = PLACES.iter().map(name).collect();
        let roles = Self { schema, names };
        for (place, role) in PLACES.iter().zip(&roles.names) {
            let (secret, schema_name) = (&watch.canary(place).secret, schema.name());
            roles.schema.run_script(&format!(
                "CREATE ROLE {role} LOGIN PASSWORD '{secret}'; GRANT USAGE ON SCHEMA {schema_name} TO {role};
                 GRANT SELECT ON ALL TABLES IN SCHEMA {schema_name} TO {role};"
            ));
        }
        roles
    }

    fn of(&self, place: &str) -> &str {
        let at = PLACES.iter().position(|known| *known == place);
        &self.names[at.expect("a place")]
    }
}

impl Drop for Roles<'_> {
    fn drop(&mut self) {
        let names = self.names.iter();
        let sql = names.map(|name| format!("DROP OWNED BY {name}; DROP ROLE {name};"));
        self.schema.run_script(&sql.collect::<String>());
    }
}

/// Writes a `goe.toml` and a secret's file with all of the connections.
fn configure(watch: &mut Watch<'_>, roles: &Roles<'_>, server: &Url) {
    let host = server.host_str().expect("a host");
    let (port, database) = (
        server.port().unwrap_or(5432),
        server.path().trim_start_matches('/'),
    );
    let at = format!("{host}:{port}/{database}?sslmode=require");
    let raw = |place: &str| watch.canary(place).secret.clone();
    let encoded = |place: &str| watch.canary(place).encoded();
    let role = |place: &str| roles.of(place).to_owned();
    let mut text = String::from("[connections.lake]\nurl = \"delta:lake\"\n");
    let mut add = |name: &str, url: String, more: String| {
        text += &format!("[connections.{name}]\nurl = \"{url}\"\n{more}\n");
    };
    let with = |place: &str| format!("postgres://{}:{}@{at}", role(place), encoded(place));
    let without = |place: &str| format!("postgres://{}@{at}", role(place));
    add("in_url", with("in_url"), String::new());
    add(
        "in_query",
        format!("{}&password={}", without("in_query"), encoded("in_query")),
        String::new(),
    );
    let keywords = format!(
        "postgres:host={host} port={port} dbname={database} sslmode=require user={} password='{}'",
        role("in_keywords"),
        raw("in_keywords")
    );
    add("in_keywords", keywords, String::new());
    add(
        "in_option",
        without("in_option"),
        format!("password = \"{}\"", raw("in_option")),
    );
    add(
        "in_env",
        without("in_env"),
        "password = \"${env:CANARY_OF_ENV}\"".to_owned(),
    );
    add(
        "in_file",
        without("in_file"),
        "password = \"${file:canary.secret}\"".to_owned(),
    );
    add("in_variable", without("in_variable"), String::new());
    add(
        "wrong",
        without("in_url"),
        format!("password = \"{}\"", raw("wrong")),
    );
    add(
        "unreachable",
        format!("postgres://me:{}@127.0.0.1:1/d", encoded("unreachable")),
        String::new(),
    );
    add(
        "unknown_host",
        "postgres://me@goe.invalid/d".to_owned(),
        format!("password = \"{}\"", raw("unknown_host")),
    );
    let variables = [
        ("CANARY_OF_ENV", raw("in_env")),
        ("GOE_IN_VARIABLE_PASSWORD", raw("in_variable")),
        ("GOE_IN_VARIABLE_URL_URL", with("in_variable_url")),
    ];
    let secret = raw("in_file");
    watch.variables = variables
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
    watch.write("goe.toml", &text);
    watch.write("canary.secret", &secret);
    let own = fs::Permissions::from_mode(0o600);
    fs::set_permissions(watch.project.path("canary.secret"), own).expect("a secret's file");
}

/// Everything that a person does with a connection, mistakes among it.
fn use_connection(watch: &mut Watch<'_>, connection: &str, schema: &str) {
    let table = format!("{connection}.{schema}.t");
    let target = format!("lake.dw.{connection}");
    let works: Vec<Vec<&str>> = vec![
        vec!["connect", connection],
        vec!["tables", connection],
        vec!["tables", connection, "--output", "json"],
        vec!["describe", &table],
        vec!["preview", &table],
        vec!["plan", &table, "--to", &target],
        vec!["offload", &table, "--to", &target, "-x", "--output", "json"],
        vec!["offload", &table, "--to", &target, "-x"],
        vec!["verify", &target],
        vec!["history"],
    ];
    for command in works {
        let ran = watch.goe(&command);
        assert!(
            ran.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    let sql = |text: &str| text.replace("TABLE", &table);
    for query in [
        "SELECT count(*) FROM TABLE",
        "EXPLAIN VERBOSE SELECT id FROM TABLE WHERE id > 1",
    ] {
        assert!(watch.goe(&["sql", "-c", &sql(query)]).status.success());
    }
    let (nothing, nowhere) = (sql("TABLE_of_nobody"), format!("{connection}.nowhere.t"));
    let fails: Vec<Vec<&str>> = vec![
        vec!["describe", &nothing],
        vec!["offload", &nowhere, "--to", &target, "-x"],
        vec![
            "offload", &table, "--to", &target, "--where", "id = = 1", "-x",
        ],
        vec![
            "offload",
            &table,
            "--to",
            "lake.dw.other",
            "--where",
            "no_such_column = 1",
            "-x",
        ],
        vec!["clean", &table],
        vec!["verify", "lake.dw.none"],
    ];
    for command in fails {
        assert!(!watch.goe(&command).status.success(), "{command:?}");
    }
    for query in [
        "SELECT * FRM TABLE",
        "SELECT nothing FROM TABLE",
        "CREATE CONNECTION c TO TABLE",
        "SELECT 1/0 FROM TABLE",
    ] {
        assert!(
            !watch.goe(&["sql", "-c", &sql(query)]).status.success(),
            "{query}"
        );
    }
}

/// Secrets that somebody writes into a command.
fn tell_secrets(watch: &mut Watch<'_>, schema: &str, server: &Url) {
    let (secret, encoded) = (
        watch.canary("told").secret.clone(),
        watch.canary("told").encoded(),
    );
    let at = format!(
        "{}:{}/x",
        server.host_str().expect("a host"),
        server.port().unwrap_or(5432)
    );
    let url = format!("postgres://me:{encoded}@{at}");
    let raw = format!("postgres//me:{secret}@{at}");
    let table = format!("{url}#{schema}.t");
    let statement = |text: &str| {
        text.replace("URL", &url)
            .replace("SECRET", &secret)
            .replace("CUT", &url[..url.len() - at.len() - 4])
    };
    for command in [
        vec!["connect", &url],
        vec!["connect", &raw],
        vec!["tables", &url],
        vec!["tables", &raw],
        vec!["describe", &table],
        vec!["preview", &table],
        vec!["plan", &table, "--to", "lake.dw.x"],
        vec!["offload", &table, "--to", "lake.dw.x", "-x"],
        vec!["offload", &url, "--to", "lake.dw.x", "-x"],
        vec!["offload", "in_url.x.y", "--to", &table],
        vec!["verify", &table],
        vec!["clean", &url],
        vec!["run", &url],
        vec!["history", &url],
        vec!["adopt", &table, "--to", "lake.dw.x"],
        vec!["types", &url],
        vec!["help", &url],
        vec!["--output", "json", "tables", &raw],
        vec![&url],
        vec!["connect", "--pasword", &url],
        vec!["tables", "--output", &url],
    ] {
        watch.goe_told(&command);
    }
    for text in [
        "CREATE CONNECTION c TO 'URL'",
        "CREATE CONNECTION c TO 'URL",
        "CREATE CONNECTION c TO URL",
        "CREATE CONNECTION c TO 'CUT",
        "CREATE CONNECTION c TO 'sys:x' WITH (password = 'SECRET')",
        "CREATE CONNECTION c TO 'sys:x' WITH (password = 'SECRET' oops)",
        "CREATE CONNECTION c TO 'sys:x' WITH (password = 'SECRET",
        "CREATE CONNECTIN c TO 'URL'",
        "CREATE CONNECTIN c TO 'x' WITH (secret_access_key = 'SECRET')",
        "CREATE CONNECTION c WITH (password = 'SECRET') TO 'URL'",
        "SELECT * FROM \"URL\".a.b",
        "SELECT * FRM \"URL\".a.b",
        "EXPLAIN SELECT * FROM \"URL\".a.b",
        "CREATE OFFLOAD o TO lake.a.b AS SELECT * FROM \"URL\".a.b",
        "INSERT INTO lake.a.b SELECT * FROM \"URL\".a.b",
        "EXPLAIN OFFLOAD TO lake.a.b AS SELECT * FRM \"URL\".a.b",
    ] {
        watch.goe_told(&["sql", "-c", &statement(text)]);
        watch.write("script.sql", &statement(text));
        watch.goe(&["sql", "-f", "script.sql", "--output", "json"]);
    }
}

/// Files that don't parse, or say what can't be, with a secret on the line.
fn misconfigure(watch: &mut Watch<'_>) {
    let (secret, encoded) = (
        watch.canary("misplaced").secret.clone(),
        watch.canary("misplaced").encoded(),
    );
    for text in [
        "[connections.pg]\nurl = \"postgres://me:ENCODED@127.0.0.1:1/d\n",
        "[connections.pg]\nurl = \"postgres://me:ENCODED@127.0.0.1:1/d\" oops\n",
        "[connections.pg]\nurl = postgres://me:ENCODED@127.0.0.1:1/d\n",
        "[connections.pg]\nurl = \"postgres//me:ENCODED@127.0.0.1:1/d\"\n",
        "[connections.pg]\nurl = \"postgress://me:ENCODED@127.0.0.1:1/d\"\n",
        "[connections.pg]\nurl = \"postgres://me@127.0.0.1:1/d\"\npassword = [\"SECRET\"]\n",
        "[connections.pg]\nurl = \"postgres://me@127.0.0.1:1/d\"\npasword = \"SECRET\"\n",
        "[connections.pg]\nurl = \"postgres://me@127.0.0.1:1/d\"\npassword = \"SECRET\"\npassword = \"SECRET\"\n",
        "[connections.pg]\nurl = \"postgres://me@127.0.0.1:1/d\"\npassword = \"SECRET\\q\"\n",
        "[connections.pg]\nurl = \"postgres://me:ENCODED@127.0.0.1:1/d?sslmode=perhaps\"\n",
        "[connections.pg]\nurl = \"postgres:host=127.0.0.1 user=me password='SECRET\"\n",
        "[connections.pg]\nurl = \"postgres:host=127.0.0.1 password SECRET\"\n",
        "[connections.pg]\nurl = \"postgres://me:SECRET%zz@127.0.0.1:1/d\"\n",
        "[connections.pg]\nurl = \"postgres://me:SECRET${env:NOT_SET}@127.0.0.1:1/d\"\n",
        "password = \"SECRET\"\n",
        "[defaults]\nfrom = \"postgres://me:ENCODED@127.0.0.1:1/d#x\"\n",
    ] {
        watch.write(
            "goe.toml",
            &text.replace("SECRET", &secret).replace("ENCODED", &encoded),
        );
        for command in [
            &["tables", "pg"][..],
            &["connect"],
            &["offload", "pg.a.b", "--to", "lake.a.b", "-x"],
        ] {
            assert!(!watch.goe(command).status.success(), "{text}");
        }
    }
}

#[test]
fn no_secret_of_a_server_is_ever_shown() {
    let Some(address) = postgres() else { return };
    let project = Project::new();
    let schema = Schema::new(&project, &address, "canary");
    schema.run("CREATE TABLE t (id integer PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    let mut watch = Watch::new(
        &project,
        &[&PLACES[..], &BROKEN, &["told", "misplaced"]].concat(),
    );
    let server = Url::parse(&address).expect("GOE_TEST_POSTGRES is a URL");
    let roles = Roles::new(&schema, &watch);
    configure(&mut watch, &roles, &server);
    fs::remove_file(project.path("script.sql")).expect("the script of the roles");
    for connection in PLACES {
        use_connection(&mut watch, connection, schema.name());
    }
    for connection in BROKEN {
        let table = format!("{connection}.a.b");
        let query = format!("SELECT * FROM {table}");
        for command in [
            &["connect", connection][..],
            &["tables", connection],
            &["describe", &table],
            &["offload", &table, "--to", "lake.dw.x", "-x"],
            &["sql", "-c", &query, "--output", "json"],
        ] {
            assert!(!watch.goe(command).status.success(), "{command:?}");
        }
    }
    tell_secrets(&mut watch, schema.name(), &server);
    let files = watch.look_at_files();
    watch.variables.clear();
    misconfigure(&mut watch);
    watch.look_at_files();
    fs::remove_file(project.path("script.sql")).expect("the last script");
    report("PostgreSQL", &watch, files);
}

/// Shows what was looked at.
#[track_caller]
pub fn report(system: &str, watch: &Watch<'_>, files: usize) {
    figure(&format!(
        "secrets of {system}: {} hits of {} canaries (raw, URL-encoded, base64) in the output of {} commands, {files} \
         files and {} command lines",
        watch.hits.len(),
        watch.canaries.len(),
        watch.runs,
        watch.lines
    ));
    assert!(watch.lines >= watch.runs / 2, "command lines were not seen");
    assert!(watch.hits.is_empty(), "{}", watch.hits.join("\n"));
}

#[test]
fn a_secret_that_others_can_read_is_refused_and_connections_keep_references() {
    let project = Project::new();
    let mut watch = Watch::new(&project, &["file", "statement"]);
    let secret = watch.canary("file").secret.clone();
    let text = "[connections.pg]\nurl = \"postgres://me@127.0.0.1:1/d\"\npassword = \"${file:pg.secret}\"\n";
    watch.write("goe.toml", text);
    watch.write("pg.secret", &secret);
    for (mode, kind) in [
        (0o644, ErrorKind::Config),
        (0o604, ErrorKind::Config),
        (0o666, ErrorKind::Config),
        (0o600, ErrorKind::Connect),
        (0o400, ErrorKind::Connect),
    ] {
        fs::set_permissions(project.path("pg.secret"), fs::Permissions::from_mode(mode))
            .expect("a secret's file");
        let ran = watch.goe(&["tables", "pg"]);
        assert_eq!(ran.status.code(), Some(kind.exit_code().into()), "{mode:o}");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(
            told.contains("chmod 600"),
            kind == ErrorKind::Config,
            "{mode:o}: {told}"
        );
    }
    let statement =
        "CREATE CONNECTION kept TO 'postgres://me@127.0.0.1:1/d' WITH (password = '${env:KEPT}')";
    assert!(watch.goe(&["sql", "-c", statement]).status.success());
    let kept = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    assert!(kept.contains("password = \"${env:KEPT}\""), "{kept}");
    let secret = watch.canary("statement").secret.clone();
    let clear = statement
        .replace("${env:KEPT}", &secret)
        .replace("kept", "clear");
    assert_eq!(
        watch.goe_told(&["sql", "-c", &clear]).status.code(),
        Some(ErrorKind::Usage.exit_code().into())
    );
    let after = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    assert_eq!(after, kept);
    assert!(watch.hits.is_empty(), "{}", watch.hits.join("\n"));
}
