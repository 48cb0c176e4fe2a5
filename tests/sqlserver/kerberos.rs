//! Logins by a ticket of Kerberos: the real library, a real KDC and a real acceptor of tickets; only the
//! server behind that is the double.
//!
//! `GOE_TEST_KERBEROS` is a folder with the `krb5.conf` and the `kdc.conf` of a KDC that runs, whose
//! principals `kadmin.local` may make here.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use goe::ErrorKind;
use tempfile::TempDir;

use super::World;
use crate::doubles::tds::{Encryption, Options, Tickets};
use crate::project::{Ran, skip};

const REALM: &str = "GOE.TEST";
const PASSWORD: &str = "a password of the realm";

const CONNECT: [&str; 2] = ["connect", "mssql"];

/// Its database takes one at a time.
static ADMINISTRATION: Mutex<()> = Mutex::new(());

/// A double that takes tickets, and the files of its users.
struct Domain {
    /// Of the KDC.
    folder: PathBuf,
    files: TempDir,
    world: World,
}

impl Domain {
    /// With a user `anna…` that has a login there, and a user `otto…` that has none.
    fn new(encryption: Encryption) -> Option<Self> {
        let Some(folder) = std::env::var_os("GOE_TEST_KERBEROS").map(PathBuf::from) else {
            skip("Kerberos: GOE_TEST_KERBEROS names no folder of a KDC");
            return None;
        };
        let files = TempDir::new().expect("a temporary folder");
        let options = Options {
            encryption,
            tickets: Some(Tickets {
                configuration: folder.join("krb5.conf"),
                keytab: files.path().join("service.keytab"),
                admitted: vec![principal(&files, "anna")],
            }),
            ..Options::default()
        };
        let domain = Self {
            folder,
            files,
            world: World::with(options, ""),
        };
        for name in ["anna", "otto"] {
            let user = domain.user(name);
            domain.administer(&format!("addprinc -pw \"{PASSWORD}\" {user}"));
        }
        domain.administer(&format!("addprinc -randkey {}", domain.service()));
        domain.export(&domain.service(), "service.keytab");
        domain.connect("");
        Some(domain)
    }

    fn user(&self, name: &str) -> String {
        principal(&self.files, name)
    }

    fn service(&self) -> String {
        format!("MSSQLSvc/127.0.0.1:{}@{REALM}", self.world.tds.port())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Gives the connection these lines more.
    fn connect(&self, lines: &str) {
        let url = format!("sqlserver://127.0.0.1:{}/shop", self.world.tds.port());
        let security = match self.world.tds.authority() {
            Some(authority) => format!("ca_file = \"{}\"", authority.display()),
            None => "encrypt = \"disable\"".to_owned(),
        };
        let lines = format!("integrated_security = \"sspi\"\n{security}\n{lines}");
        self.world.connect_to(&url, &lines);
    }

    /// A program of Kerberos in this realm, with standard input.
    fn run(&self, program: &str, arguments: &[&str], input: &str) {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new(program)
            .args(arguments)
            // Where the distribution keeps the administrator's.
            .env("PATH", format!("{path}:/usr/sbin"))
            .env("KRB5_CONFIG", self.folder.join("krb5.conf"))
            .env("KRB5_KDC_PROFILE", self.folder.join("kdc.conf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect(program);
        let mut stdin = child.stdin.take().expect("piped");
        if !input.is_empty() {
            writeln!(stdin, "{input}").expect("a program that reads");
        }
        drop(stdin);
        let output = child.wait_with_output().expect(program);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {told}");
    }

    fn administer(&self, query: &str) {
        let _one = ADMINISTRATION
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.run("kadmin.local", &["-r", REALM, "-q", query], "");
    }

    /// Writes a principal's keys, new ones, to a file.
    fn export(&self, principal: &str, file: &str) {
        let file = self.file(file);
        self.administer(&format!("ktadd -k {} {principal}", file.display()));
        assert!(file.exists(), "{}", file.display());
    }

    /// A user's ticket, the only one in a file of this user's.
    fn ticket(&self, name: &str, more: &[&str]) -> PathBuf {
        let cache = self.file(name);
        let (user, place) = (self.user(name), format!("FILE:{}", cache.display()));
        self.run(
            "kinit",
            &[&["-c", &place], more, &[&user]].concat(),
            PASSWORD,
        );
        cache
    }

    /// The program's command, with these tickets.
    fn command(&self, cache: &Path, arguments: &[&str]) -> Command {
        let mut command = self.world.project.command(arguments);
        command
            .env("KRB5_CONFIG", self.folder.join("krb5.conf"))
            .env("KRB5CCNAME", format!("FILE:{}", cache.display()))
            .env("KRB5_CLIENT_KTNAME", self.file("no.keytab"));
        command
    }

    fn goe(&self, cache: &Path, arguments: &[&str]) -> Ran {
        Ran::of(self.command(cache, arguments))
    }

    /// Every login was by this ticket, without a user or a password.
    #[track_caller]
    fn all_were(&self, principal: &str) {
        let said = self.world.tds.counters().greeted();
        assert!(!said.is_empty());
        for login in said {
            assert!(login.integrated);
            assert_eq!(login.principal.as_deref(), Some(principal));
            assert_eq!((login.user.as_str(), login.password.as_str()), ("", ""));
            assert_eq!(login.token, None);
        }
    }
}

/// A user of one test: the others have theirs in the same realm.
fn principal(files: &TempDir, name: &str) -> String {
    let mark = files.path().file_name().expect("a name");
    let mark = mark.to_string_lossy();
    format!("{name}{}@{REALM}", mark.trim_start_matches('.'))
}

#[test]
fn a_ticket_carries_a_whole_offload() {
    let Some(domain) = Domain::new(Encryption::None) else {
        return;
    };
    let world = &domain.world;
    let rows = world.tds.load_lineitem(0.002);
    let (cache, anna) = (domain.ticket("anna", &[]), domain.user("anna"));
    domain.goe(&cache, &CONNECT).ok().says(&[&anna]);
    let offload = [
        "offload",
        "mssql.dbo.lineitem",
        "--to",
        "lake.tpch.lineitem",
        "--parallel",
        "4",
        "-x",
    ];
    domain.goe(&cache, &offload).ok();
    assert_eq!(world.project.lake("tpch", "lineitem").rows(), rows);
    domain.goe(&cache, &["verify", "lake.tpch.lineitem"]).ok();
    let most = world.tds.counters().most_open();
    assert!(most >= 4, "{most} sessions");
    domain.all_were(&anna);
    world.understood();
}

#[test]
fn a_ticket_goes_through_tls() {
    for encryption in [Encryption::Required, Encryption::LoginOnly] {
        let Some(domain) = Domain::new(encryption) else {
            return;
        };
        domain.world.numbers("dbo.t", 5);
        let cache = domain.ticket("anna", &[]);
        let mut levels = vec!["on"];
        levels.extend((encryption == Encryption::LoginOnly).then_some("login"));
        for level in levels {
            domain.connect(&format!("encrypt = \"{level}\""));
            domain.goe(&cache, &["describe", "mssql.dbo.t"]).ok();
        }
        domain.all_were(&domain.user("anna"));
        domain.world.understood();
    }
}

/// What runs at night has nobody who types a password.
#[test]
fn a_keytab_gets_its_tickets_by_itself() {
    let Some(domain) = Domain::new(Encryption::None) else {
        return;
    };
    let anna = domain.user("anna");
    domain.export(&anna, "anna.keytab");
    let mut command = domain.command(&domain.file("new"), &CONNECT);
    command.env("KRB5_CLIENT_KTNAME", domain.file("anna.keytab"));
    Ran::of(command).ok().says(&[&anna]);
    domain.all_were(&anna);
}

#[test]
fn without_a_ticket_it_says_what_to_do() {
    let Some(domain) = Domain::new(Encryption::None) else {
        return;
    };
    let fails = |cache: &Path, said: &[&str]| {
        let begun = Instant::now();
        let ran = domain.goe(cache, &CONNECT);
        assert!(!ran.stderr.contains("Minor code"), "{ran}");
        ran.fails(ErrorKind::Authenticate)
            .says(&["\"mssql\""])
            .says(said);
        assert!(begun.elapsed() < Duration::from_secs(20), "{said:?}");
    };
    let none = domain.file("none");
    fails(&none, &["no ticket", "credentials", "kinit"]);
    let short = domain.ticket("anna", &["-l", "1s"]);
    std::thread::sleep(Duration::from_secs(2));
    fails(&short, &["expired", "kinit"]);
    let logins = domain.world.tds.counters().greeted().len();
    assert_eq!(logins, 0, "none of them got as far as that");
}

#[test]
fn a_ticket_that_does_not_fit_says_what_to_do() {
    let Some(domain) = Domain::new(Encryption::None) else {
        return;
    };
    let fails = |ran: Ran, said: &[&str]| {
        ran.fails(ErrorKind::Authenticate)
            .says(&["\"mssql\""])
            .says(said);
    };
    // The server is known there, and has no login for him.
    let otto = domain.ticket("otto", &[]);
    let user = domain.user("otto");
    fails(
        domain.goe(&otto, &CONNECT),
        &[&user, "klist", "create login"],
    );
    domain.all_were(&user);
    // The service has got other keys, and the server does not have them.
    domain.administer(&format!("cpw -randkey {}", domain.service()));
    let anna = domain.ticket("anna", &[]);
    fails(domain.goe(&anna, &CONNECT), &["untrusted domain", "setspn"]);
    // Nobody has made a principal of the server.
    domain.administer(&format!("delprinc -force {}", domain.service()));
    let anna = domain.ticket("anna", &[]);
    let service = domain.service();
    fails(
        domain.goe(&anna, &CONNECT),
        &["no ticket", &service, "not found"],
    );
    // Another realm, of which this one knows nothing.
    let configuration = std::fs::read_to_string(domain.folder.join("krb5.conf"));
    let configuration = configuration.expect("krb5.conf");
    let elsewhere = configuration.replace(
        &format!("default_realm = {REALM}"),
        "default_realm = ELSEWHERE.TEST",
    );
    std::fs::write(domain.file("elsewhere.conf"), elsewhere).expect("a file");
    let mut command = domain.command(&anna, &CONNECT);
    command.env("KRB5_CONFIG", domain.file("elsewhere.conf"));
    fails(Ran::of(command), &["no ticket", "ELSEWHERE.TEST"]);
}

#[test]
fn a_silent_kdc_is_not_waited_for() {
    let Some(domain) = Domain::new(Encryption::None) else {
        return;
    };
    domain.connect("connect_timeout = 2");
    let cache = domain.ticket("anna", &[]);
    // It takes what comes, and answers nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let _datagrams = UdpSocket::bind(address).expect("the same port");
    let configuration = format!(
        "[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\n\
         dns_canonicalize_hostname = false\n[realms]\n{REALM} = {{\nkdc = {address}\n}}\n"
    );
    std::fs::write(domain.file("silent.conf"), configuration).expect("a file");
    let begun = Instant::now();
    let mut command = domain.command(&cache, &CONNECT);
    command.env("KRB5_CONFIG", domain.file("silent.conf"));
    Ran::of(command)
        .fails(ErrorKind::Connect)
        .says(&["\"mssql\"", "within 2 s", "KDC"]);
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}
