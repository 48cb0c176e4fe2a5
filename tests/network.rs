//! A network that fails in the middle: the run ends in time, with the right rows or with an error
//! that says what happened, and a second run makes it right.

use std::time::{Duration, Instant};

use goe::ErrorKind;
use url::Url;

use crate::independent::Schema;
use crate::lake::Table;
use crate::project::{Project, Ran, figure, long_or, postgres};
use crate::proxy::{Fault, Plan, Proxy, Way};
use crate::random::Random;
use crate::store::Bucket;

/// Longer than any run may take, whatever the network does.
const BOUND: Duration = Duration::from_secs(60);

/// What a run over a bad network may end with.
const TOLD: [ErrorKind; 3] = [ErrorKind::Connect, ErrorKind::Conflict, ErrorKind::Load];

const FAULTS: [(Fault, Way); 9] = [
    (Fault::Reset, Way::ToClient),
    (Fault::HalfOpen, Way::ToClient),
    (Fault::End, Way::ToClient),
    (Fault::Reset, Way::ToServer),
    (Fault::HalfOpen, Way::ToServer),
    (Fault::End, Way::ToServer),
    (Fault::Slow, Way::ToClient),
    (Fault::Delay, Way::ToServer),
    (Fault::Refuse, Way::ToServer),
];

/// A fault of a seed, in traffic of so many bytes each way; every third is near the end.
fn plan(seed: usize, traffic: [u64; 2]) -> Plan {
    let random = &mut Random::new(seed as u64);
    let (fault, way) = FAULTS[seed % FAULTS.len()];
    let bytes = traffic[usize::from(way == Way::ToServer)].max(200);
    let at = match fault {
        Fault::Refuse => random.below(4) as u64,
        _ if seed.is_multiple_of(3) => bytes - random.below(200) as u64,
        _ => random.below(bytes as usize) as u64,
    };
    Plan { fault, way, at }
}

/// What came of runs over bad networks.
#[derive(Default)]
struct Tally {
    happened: usize,
    right: usize,
    told: usize,
    longest: Duration,
}

impl Tally {
    /// Runs over a network that fails, and judges how the run ended.
    fn run(&mut self, project: &Project, offload: &[&str], plan: Plan, proxy: &Proxy) {
        let begun = Instant::now();
        let ran = project.goe(offload);
        let took = begun.elapsed();
        assert!(took < BOUND, "{plan:?} took {took:?}: {ran}");
        self.longest = self.longest.max(took);
        self.happened += usize::from(proxy.has_failed());
        proxy.mend();
        assert!(!ran.stderr.contains("panicked"), "{plan:?}: {ran}");
        if ran.code == Some(0) {
            self.right += 1;
        } else {
            assert!(is_told(&ran), "{plan:?}: {ran}");
            self.told += 1;
        }
    }

    fn show(&self, network: &str) {
        let seeds = self.right + self.told;
        figure(&format!(
            "bad networks to {network}: {seeds} seeds, {} faults happened, {} runs right at once, {} clean errors, \
             all right after one more run; longest {:.1} s, hangs 0, panics 0",
            self.happened,
            self.right,
            self.told,
            self.longest.as_secs_f64()
        ));
        assert!(self.happened * 2 > seeds, "too few faults happened");
        assert!(self.told > 0, "no fault did any harm");
    }
}

fn is_told(ran: &Ran) -> bool {
    let code = |kind: ErrorKind| Some(i32::from(kind.exit_code()));
    TOLD.iter().any(|kind| ran.code == code(*kind)) && ran.stderr.contains("hint: ")
}

const ROWS: i64 = 20_000;

/// Notes long enough that they come in many pieces.
const NOTES: &str = "CREATE TABLE notes (id integer PRIMARY KEY, note text NOT NULL)
     WITH (autovacuum_enabled = off);
     INSERT INTO notes SELECT n, 'note ' || n || repeat('.', 50) FROM generate_series(1, 20000) n;";

#[track_caller]
fn has_all_notes(table: &Table, what: &str) {
    assert!(table.numbers("id").into_iter().eq(1..=ROWS), "{what}");
    let notes = table.texts("note", "id").into_iter();
    let expected = (1..=ROWS).map(|n| format!("note {n}{}", ".".repeat(50)));
    assert!(notes.eq(expected), "{what}");
}

/// The server's URL with a proxy in its place.
fn through(server: &str, proxy: &Proxy) -> String {
    let mut url = Url::parse(server).expect("GOE_TEST_POSTGRES is a URL");
    url.set_ip_host([127, 0, 0, 1].into()).expect("a host");
    url.set_port(Some(proxy.port())).expect("a port");
    url.query_pairs_mut().append_pair("idle_timeout", "3");
    url.into()
}

#[test]
fn a_bad_network_to_postgres_loses_nothing_and_hangs_nobody() {
    let Some(server) = postgres() else { return };
    let project = Project::new();
    let schema = Schema::new(&project, &server, "network");
    schema.run(NOTES);
    let url = Url::parse(&server).expect("GOE_TEST_POSTGRES is a URL");
    let address = format!(
        "{}:{}",
        url.host_str().expect("a host"),
        url.port().unwrap_or(5432)
    );
    let source = schema.table("notes");

    let good = Proxy::new(&address, None);
    project.connect_postgres(&through(&server, &good));
    let to = ["offload", &source, "--parallel", "2", "-x", "--to"];
    project.goe(&[&to[..], &["lake.pg.good"]].concat()).ok();
    let traffic = [good.bytes(Way::ToClient), good.bytes(Way::ToServer)];

    let mut tally = Tally::default();
    for seed in 0..long_or(20, 500) {
        let plan = plan(seed, traffic);
        let proxy = Proxy::new(&address, Some(plan));
        project.connect_postgres(&through(&server, &proxy));
        let target = format!("lake.pg.notes_{seed}");
        // Half of the runs put up with it, the others tell.
        let patience = if seed % 2 == 0 { "0" } else { "20" };
        let offload = [&to[..], &[&target, "--retry-seconds", patience]].concat();
        tally.run(&project, &offload, plan, &proxy);
        project.goe(&offload).ok();
        let what = format!("seed {seed}, {plan:?}");
        has_all_notes(&project.lake("pg", &format!("notes_{seed}")), &what);
    }
    project.connect_postgres(&server);
    project.goe(&["verify", "lake.pg.notes_0"]).ok();
    tally.show("PostgreSQL");
}

const ORDERS: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, kind VARCHAR(2), note TEXT);
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
    INSERT INTO orders SELECT n, 'k' || n % 3, hex(randomblob(40)) FROM n;
";

#[tokio::test]
async fn a_bad_network_to_a_store_loses_nothing_and_hangs_nobody() {
    let Some(bucket) = Bucket::new() else { return };
    let project = bucket.project(ORDERS);
    let address = bucket.endpoint.split("://").nth(1).expect("an address");
    let connect = |proxy: &Proxy| {
        let mut bad = bucket.clone();
        bad.endpoint = format!("http://127.0.0.1:{}", proxy.port());
        bad.configure(&project);
        let text = std::fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
        project.write("goe.toml", &format!("{text}timeout = \"3 seconds\"\n"));
    };
    let from = ["offload", "shop.main.orders", "--partition-by", "kind"];
    let offload = |target: &str| -> Vec<String> {
        let words = [&from[..], &["--retry-seconds", "5", "-x", "--to", target]].concat();
        words.into_iter().map(str::to_owned).collect()
    };

    let good = Proxy::new(address, None);
    connect(&good);
    project.goe(&offload("lake.shop.good")).ok();
    let traffic = [good.bytes(Way::ToClient), good.bytes(Way::ToServer)];

    let mut tally = Tally::default();
    for seed in 0..long_or(10, 250) {
        let plan = plan(seed, traffic);
        // moto serves one request at a time: half of one would keep every other test waiting.
        if (plan.fault, plan.way) == (Fault::HalfOpen, Way::ToServer) {
            continue;
        }
        let proxy = Proxy::new(address, Some(plan));
        connect(&proxy);
        let command = offload(&format!("lake.shop.orders_{seed}"));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        tally.run(&project, &command, plan, &proxy);
        project.goe(&command).ok();
        let place = format!("shop/orders_{seed}");
        let table = bucket.table(&project, &place).await;
        assert!(table.numbers("id").into_iter().eq(1..=3000), "{plan:?}");
        if seed % 4 == 0 {
            bucket.compare(&project, &place, "orders");
        }
    }
    figure(&format!(
        "bad networks to S3: {} seeds, {} faults happened, {} runs right at once (requests are tried again), {} clean \
         errors, all right after one more run; longest {:.1} s",
        tally.right + tally.told,
        tally.happened,
        tally.right,
        tally.told,
        tally.longest.as_secs_f64()
    ));
}
