use super::*;

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, Path::new("/conf"))
}

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse(text)?.with_environment(owned.collect(), Path::new("/here"))
}

const WHOLE: &str = r#"
[connections.shop]
url = "sys:shop.db"
timeout = 5
ratio = 0.5
strict = true

[connections."my-lake"]
url = "lake:data"

[defaults]
from = "shop.main"
to = "my-lake.dw"
parallel = 4
verify = "count"
memory = "512MB"

[repository]
path = "state/goe.db"
"#;

#[test]
fn a_whole_file_is_read() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.connection_names(), ["my-lake", "shop"]);
    let shop = config.connection("shop").unwrap();
    assert_eq!(shop.with_local_path().url(), "sys:/conf/shop.db");
    let shop = config.connection("shop").unwrap();
    let options = ["timeout", "ratio", "strict"].map(|name| shop.option(name));
    assert_eq!(options, [Some("5"), Some("0.5"), Some("true")]);
    assert_eq!(
        config.repository().file().unwrap(),
        Path::new("/conf/state/goe.db")
    );
    let defaults = config.defaults();
    assert_eq!(defaults.from.as_deref(), Some("shop.main"));
    assert_eq!(
        (defaults.parallel, defaults.memory),
        (Some(4), Some(512 << 20))
    );
}

#[test]
fn nothing_at_all_is_a_configuration_too() {
    let config = parse("").unwrap();
    assert!(config.connection_names().is_empty());
    assert_eq!(
        config.repository().file().unwrap(),
        Path::new("/conf/goe.db")
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let table = [
        ("[connections.a\nurl = 1", "line 1", ""),
        (
            "\n[defaults]\nparalel = 2",
            "line 3, column 1: \"paralel\"",
            "did you mean \"parallel\"?",
        ),
        (
            "[connection.a]\nurl = \"x:y\"",
            "\"connection\"",
            "did you mean \"connections\"?",
        ),
        ("[defaults]\nparallel = 0", "line 2, column 12", ""),
        ("[defaults]\nmemory = \"lots\"", "\"lots\" is no size", ""),
        (
            "[connections.a]\nurl = [1]",
            "\"url\" is no single value",
            "",
        ),
        ("[connections]\na = 1", "\"a\" is no table", ""),
        (
            "[connections.goe]\nurl = \"x:y\"",
            "can't name a connection",
            "",
        ),
        (
            "[connections.\"a:b\"]\nurl = \"x:y\"",
            "can't name a connection",
            "",
        ),
        (
            "[repository]\nfile = \"x\"",
            "\"file\" is unknown",
            "known are: path",
        ),
        (
            "[repository]\npath = \"goe.db\"\nurl = \"sys://h/d\"",
            "has a \"path\" and a \"url\"",
            "leave path",
        ),
        ("[repository]\npassword = \"hush\"", "wants a \"url\"", ""),
    ];
    for (text, message, hint) in table {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        let shown = format!("{error:#}");
        assert!(
            shown.contains(message) && shown.contains(hint),
            "{text}: {shown}"
        );
    }
}

#[test]
fn a_syntax_error_does_not_print_the_line() {
    let text = "[connections.a]\npassword = \"s3cr3t\" oops";
    assert!(!format!("{:#}", parse(text).unwrap_err()).contains("s3cr3t"));
}

#[test]
fn variables_stand_above_the_file() {
    let config = with(
        WHOLE,
        &[
            ("SHOP_URL", "sys:other.db"),
            ("SHOP_PASSWORD", "${not:resolved}"),
            ("MY_LAKE_REGION", "eu"),
            ("MY_LAKE_TEST_URL", "lake:test"),
            ("MY_LAKE_TEST_REGION", "us"),
            ("PARALLEL", "8"),
            ("MEMORY", "1GB"),
            ("VERIFY", "aggregates"),
            ("REPOSITORY", "runs.db"),
            ("LEASE_SECONDS", "5"),
            ("UNRELATED", "x"),
        ],
    )
    .unwrap();
    let shop = config.connection("shop").unwrap();
    assert_eq!(shop.option("password"), Some("${not:resolved}"));
    assert_eq!(shop.with_local_path().url(), "sys:/here/other.db");
    let region = |name: &str| {
        config
            .connection(name)
            .unwrap()
            .option("region")
            .map(str::to_owned)
    };
    assert_eq!(region("my-lake").as_deref(), Some("eu"));
    assert_eq!(region("my_lake_test").as_deref(), Some("us"));
    assert_eq!(config.defaults().parallel, Some(8));
    assert_eq!(config.defaults().memory, Some(1 << 30));
    assert_eq!(config.defaults().verify.as_deref(), Some("aggregates"));
    assert_eq!(
        config.repository().file().unwrap(),
        Path::new("/here/runs.db")
    );
    assert_eq!(config.repository().lease().as_secs(), 5);
    for (name, value) in [
        ("PARALLEL", "many"),
        ("LEASE_SECONDS", "1"),
        ("LEASE_SECONDS", "3601"),
        ("LEASE_SECONDS", "a while"),
    ] {
        let error = with("", &[(name, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name} {value}");
    }
}

#[test]
fn an_unknown_connection_is_told_what_there_is() {
    let config = parse(WHOLE).unwrap();
    let hint = |name: &str| {
        let error = config.connection(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        error.hint_text().unwrap().to_owned()
    };
    assert_eq!(hint("shpo"), "did you mean \"shop\"?");
    assert_eq!(hint("warehouse"), "there are: my-lake, shop");
    let nothing = parse("").unwrap().connection("pg").unwrap_err();
    assert!(nothing.hint_text().unwrap().contains("[connections.pg]"));
    let missing = parse("[connections.a]\nx = 1")
        .unwrap()
        .connection("a")
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Config);
}

#[test]
fn a_url_stands_for_itself() {
    let connection = parse("")
        .unwrap()
        .connection("sys://me:s3cr3t@host/db")
        .unwrap();
    assert_eq!(connection.url(), "sys://me:s3cr3t@host/db");
    assert_eq!(connection.name, "sys://me:***@host/db");
}

#[test]
fn secrets_are_looked_up_and_never_print() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("db.password");
    std::fs::write(&secret, "s3cr3t\n").unwrap();
    let text = "[connections.a]\nurl = \"sys://u:l1t3ral@h/d\"\npassword = \"${file:db.password}\"\n\
                folder = \"${env:CARGO_MANIFEST_DIR}/x\"\nplain = \"$${env:X}\"";
    let config = Config::parse(text, folder.path()).unwrap();
    permit(&secret, 0o644);
    let refused = config.connection("a").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.hint_text().unwrap().starts_with("chmod 600"));
    permit(&secret, 0o600);
    let connection = config.connection("a").unwrap();
    assert_eq!(connection.option("password"), Some("s3cr3t"));
    assert_eq!(connection.option("plain"), Some("${env:X}"));
    assert_eq!(
        connection.option("folder").unwrap(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/x")
    );
    for shown in [format!("{config:?}"), format!("{connection:?}")] {
        assert!(
            !shown.contains("s3cr3t") && !shown.contains("l1t3ral"),
            "{shown}"
        );
    }
}

#[test]
fn a_repository_is_a_file_or_a_server() {
    let server = |config: &Config| match config.repository().place().unwrap() {
        RepositoryPlace::Server(server) => server,
        RepositoryPlace::File(path) => panic!("{}", path.display()),
    };
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("goe.password");
    std::fs::write(&secret, "s3cr3t\n").unwrap();
    let text = "[repository]\nurl = \"sys://u:l1t3ral@h/d\"\npassword = \"${file:goe.password}\"";
    let config = Config::parse(text, folder.path()).unwrap();
    permit(&secret, 0o644);
    let refused = config.repository().place().unwrap_err();
    assert!(refused.hint_text().unwrap().starts_with("chmod 600"));
    permit(&secret, 0o600);
    let found = server(&config);
    assert_eq!(found.url(), "sys://u:l1t3ral@h/d");
    assert_eq!(found.option("password"), Some("s3cr3t"));
    assert_eq!(config.repository().file(), None);
    assert!(config.connection_names().is_empty());
    for shown in [format!("{config:?}"), format!("{found:?}")] {
        assert!(!shown.contains("s3cr3t") && !shown.contains("l1t3ral"));
    }
    // The environment stands above the file, whatever of the two it names.
    let named = with(WHOLE, &[("REPOSITORY", "sys://u:${plain}@h/d")]).unwrap();
    assert_eq!(server(&named).url(), "sys://u:${plain}@h/d");
    let filed = with(text, &[("REPOSITORY", "runs.db")]).unwrap();
    assert_eq!(
        filed.repository().file().unwrap(),
        Path::new("/here/runs.db")
    );
}

#[test]
fn a_reference_that_leads_nowhere_is_refused() {
    for value in [
        "${env:GOE_SURELY_NOT_SET_1}",
        "${file:none}",
        "${vault:x}",
        "${env:open",
    ] {
        let text = format!("[connections.a]\nurl = \"x:y\"\npassword = \"{value}\"");
        let error = parse(&text).unwrap().connection("a").expect_err(value);
        assert_eq!(error.kind(), ErrorKind::Config, "{value}");
        assert!(
            error.hint_text().is_some() || value.contains("none"),
            "{value}"
        );
    }
}

#[test]
fn the_nearest_file_holds() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(
        root.path().join(FILE_NAME),
        "[connections.outer]\nurl = \"x:y\"",
    )
    .unwrap();
    let names = |config: Config| config.connection_names().join(" ");
    assert!(names(Config::load(&inner).unwrap()).contains("outer"));
    std::fs::write(inner.join(FILE_NAME), "[connections.inner]\nurl = \"x:y\"").unwrap();
    let config = Config::load(&inner).unwrap();
    assert_eq!(config.file(), Some(inner.join(FILE_NAME).as_path()));
    assert!(names(config).contains("inner"));
    assert_eq!(
        Config::read(&inner.join("none")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[cfg(unix)]
fn permit(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn permit(_file: &Path, _mode: u32) {}
