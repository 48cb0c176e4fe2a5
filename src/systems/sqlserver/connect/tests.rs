use super::*;

fn connection(url: &str, options: &[(&str, &str)]) -> Connection {
    let options = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Connection::new("shop", url, options)
}

fn settings(url: &str, options: &[(&str, &str)]) -> Result<Settings> {
    Settings::new(&connection(url, options), &|_| None)
}

#[test]
fn every_form_says_the_same() {
    let forms = [
        (
            "sqlserver://jo:p%40ss;'%22@db:1444/shop?Encrypt=strict&ApplicationIntent=ReadOnly",
            vec![],
            vec![],
        ),
        (
            "mssql:Server=tcp:db,1444;Initial Catalog=shop;User Id=jo;\
             Password=\"p@ss;'\"\"\"; encrypt = strict;Application Intent=ReadOnly;",
            vec![],
            vec![],
        ),
        (
            "sqlserver:",
            vec![
                ("host", "db"),
                ("port", "1444"),
                ("user", "jo"),
                ("password", "p@ss;'\""),
                ("database", "shop"),
                ("encrypt", "Strict"),
                ("application_intent", "readonly"),
            ],
            vec![],
        ),
        (
            "sqlserver://db:1444?encrypt=strict&application_intent=readonly",
            vec![("user", "jo")],
            vec![
                ("SQLCMDUSER", "other"),
                ("SQLCMDPASSWORD", "p@ss;'\""),
                ("SQLCMDDBNAME", "shop"),
            ],
        ),
    ];
    for (url, options, env) in forms {
        let connection = connection(url, &options);
        let variable = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value): &(&str, &str)| (*value).to_owned())
        };
        let values = gather(&connection, &variable).unwrap();
        assert_eq!(values["user"], "jo", "{url}");
        assert_eq!(values["password"], "p@ss;'\"", "{url}");
        let found = Settings::new(&connection, &variable).unwrap();
        assert_eq!(found.place, "db:1444", "{url}");
        assert!(found.encrypted);
        let shown = format!("{:?}", found.config);
        for part in [
            "host: Some(\"db\")",
            "port: Some(1444)",
            "database: Some(\"shop\")",
            "readonly: true",
            "encryption: Strict",
            "packet_size: Some(32767)",
            "command_timeout: None",
        ] {
            assert!(shown.contains(part), "{part} of {url} in {shown}");
        }
        assert!(!shown.contains("p@ss"), "{shown}");
    }
}

#[test]
fn encryption_is_on_and_looks_at_the_certificate_unless_told_otherwise() {
    let shown = |url: &str| {
        let found = settings(url, &[]).unwrap();
        (found.encrypted, format!("{:?}", found.config))
    };
    let (encrypted, config) = shown("sqlserver://jo@db/x");
    assert!(encrypted && config.contains("encryption: Required"));
    assert!(config.contains("bypass: false"), "{config}");
    let (encrypted, config) = shown("sqlserver://jo@db/x?encrypt=login&trust_certificate=yes");
    assert!(!encrypted && config.contains("encryption: Off"));
    assert!(config.contains("bypass: true"), "{config}");
    let (encrypted, config) = shown("sqlserver://jo@db/x?encrypt=disable");
    assert!(!encrypted && config.contains("encryption: NotSupported"));
    let (_, config) = shown("sqlserver://jo@db/x?ca_file=/a/root.pem");
    assert!(config.contains("/a/root.pem"), "{config}");
}

#[test]
fn hosts_instances_and_addresses() {
    let place = |url: &str| settings(url, &[]).unwrap().place;
    assert_eq!(place("sqlserver://jo@db/x"), "db:1433");
    assert_eq!(place("sqlserver://jo@db/x?instance=sales"), "db\\sales");
    assert_eq!(place("sqlserver:server=db\\sales;user id=jo"), "db\\sales");
    assert_eq!(
        place("sqlserver:server=db\\sales,1555;user id=jo"),
        "db:1555"
    );
    assert_eq!(place("sqlserver:server=.;user id=jo"), "localhost:1433");
    let ipv6 = settings("sqlserver://jo@[::1]:1444/x", &[]).unwrap();
    assert_eq!(ipv6.config.get_addr(), "[::1]:1444");
    let snapshot = settings("sqlserver://jo@db/shop?snapshot=shop_noon", &[]).unwrap();
    assert!(format!("{:?}", snapshot.config).contains("database: Some(\"shop_noon\")"));
}

#[test]
fn who_we_are_may_be_known_by_a_ticket() {
    for url in [
        "sqlserver://db/x?trusted_connection=true",
        "sqlserver:Server=db;Database=x;Integrated Security=SSPI",
    ] {
        // Those are for who says nothing.
        let user = |name: &str| (name == "SQLCMDUSER").then(|| "jo".to_owned());
        let found = Settings::new(&connection(url, &[]), &user);
        if cfg!(all(unix, feature = "sqlserver-kerberos")) {
            let shown = format!("{:?}", found.unwrap().config);
            assert!(shown.contains("auth: Integrated"), "{shown}");
        } else {
            let error = found.unwrap_err();
            assert!(error.message().contains("sqlserver-kerberos"), "{error}");
        }
    }
}

#[test]
fn nonsense_is_refused_without_showing_the_password() {
    for url in [
        "sqlserver://jo:hush@db/x?encryption=on",
        "sqlserver://jo:hush@db/x?encrypt=maybe",
        "sqlserver://jo:hush%@db/x",
        "sqlserver://jo:hush@db:99999999/x",
        "sqlserver:server=db;user id=jo;password='hush",
        "sqlserver:server=db;user id=jo;password='hush'hush",
        "sqlserver://db/x?password=hush",
        "sqlserver://jo:hush@db/x?access_token=hush",
        "sqlserver://jo:hush@db/x?trusted_connection=yes",
        "sqlserver://db/x?integrated_security=sspi&access_token=hush",
        "sqlserver://db/x?integrated_security=hush",
        "sqlserver://db/x?integrated_security=true&instance=sales",
        "sqlserver://db/x?integrated_security=false",
        "sqlserver://jo:hush@db/x?connect_timeout=soon",
        "sqlserver://jo:hush@db/x?lock_timeout=-1",
        "sqlserver://jo:hush@db/x?max_value_bytes=12",
        "sqlserver://jo:hush@db/x?idle_timeout=never",
        "sqlserver://jo:hush@db/x?table_lock=long",
        "sqlserver://jo:hush@db/x?trust_certificate=yes&ca_file=/a",
    ] {
        let error = settings(url, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
    let error = settings("sqlserver://jo@db", &[("pasword", "hush")]).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean \"password\"?"));
}
