//! What is read does not depend on how a session of the server stands: the same table, read by users
//! whose settings differ in all that changes how values are written.

use url::Url;

use crate::independent::Schema;
use crate::project::{Project, postgres};

/// Every type whose text depends on a setting, alone and inside of others.
const EVERY: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TYPE event AS (at timestamptz, day date, ratio float8, raw bytea, lasts interval);
    CREATE TABLE every (
        id bigint PRIMARY KEY, day date, clock time, clock_tz timetz, at timestamp, at_tz timestamptz,
        lasts interval, single real, ratio double precision, exact numeric, price numeric(15,2),
        paid money, raw bytea, doc xml, js json, jsb jsonb, key uuid, code char(5), feeling mood,
        days date[], ats timestamptz[], ratios float8[], raws bytea[], spans interval[], paids money[],
        what event, during tstzrange, period daterange, amounts numrange, place point, area box,
        address inet, bits varbit, words tsvector, relation regclass, kind regtype, letter \"char\"
    );
    INSERT INTO every SELECT n,
        date '2024-02-29' + n * 1000, time '23:59:59.999999' - n * interval '1 minute',
        (time '12:34:56.789' + n * interval '1 second')::timetz AT TIME ZONE interval '05:45',
        timestamp '2024-03-31 02:30:00.000001' + n * interval '61 days 1 hour',
        timestamptz '2024-03-31 01:30:00.000001+00' + n * interval '61 days 1 hour',
        n * interval '1 year 2 months -3 days 04:05:06.789', (n / 3.0)::real, n / 3.0::float8, n / 3.0,
        n * 1234.56, (n * 1234.56)::numeric::money, decode(lpad(to_hex(n + 300), 8, '0'), 'hex'),
        '<a b=\"1\">é</a>', '{\"a\": [1.50, null, \"é\"]}', '{\"a\": [1.50, null, \"é\"]}',
        lpad(to_hex(n + 300), 32, '0')::uuid, 'é', 'ok',
        ARRAY[date '2024-02-29', NULL], ARRAY[timestamptz '2024-02-29 23:00:00.5+00', NULL],
        ARRAY[0.1::float8, 1e-300, n / 3.0], ARRAY['\\x00ff5c27'::bytea, NULL],
        ARRAY[interval '1 mon -1 day 00:00:01.5'], ARRAY['1.5'::numeric::money],
        ROW(timestamptz '2024-02-29 23:00:00+00', date '2024-02-29', n / 3.0, '\\x5c00'::bytea,
            interval '-1 mon 1 day')::event,
        tstzrange('2024-02-29 23:00:00+00', '2024-03-01 00:00:00+00'),
        daterange('2024-01-02', '2024-03-04'), numrange(0.10, 1.50), point(n / 3.0, 0.1), box(point(0.1, 0.2), point(n, 1)),
        '10.0.0.1/24', B'10110', to_tsvector('simple', 'the quick é'), 'pg_class', 'timestamptz', 'x'
    FROM generate_series(-3, 6) n;
";

/// How a session may stand; each of these differs from goe's own settings in what it prints.
const SETTINGS: [&[(&str, &str)]; 3] = [
    &[],
    &[
        ("TimeZone", "Asia/Kathmandu"),
        ("DateStyle", "German,DMY"),
        ("IntervalStyle", "sql_standard"),
        ("extra_float_digits", "-15"),
        ("bytea_output", "escape"),
        ("xmlbinary", "hex"),
        ("xmloption", "document"),
        ("client_encoding", "LATIN1"),
        ("standard_conforming_strings", "off"),
        ("transform_null_equals", "on"),
        ("quote_all_identifiers", "on"),
        ("array_nulls", "off"),
        ("default_transaction_isolation", "serializable"),
        ("lc_monetary", "POSIX"),
        ("lc_numeric", "POSIX"),
        ("lc_time", "POSIX"),
        ("lc_messages", "POSIX"),
    ],
    &[
        ("TimeZone", "America/St_Johns"),
        ("DateStyle", "SQL,MDY"),
        ("IntervalStyle", "postgres_verbose"),
        ("extra_float_digits", "0"),
        ("bytea_output", "escape"),
        ("client_encoding", "WIN1252"),
        ("default_transaction_deferrable", "on"),
        ("default_transaction_read_only", "off"),
        ("enable_tidscan", "off"),
        ("enable_seqscan", "off"),
        ("lc_monetary", "C"),
        ("lc_time", "C"),
    ],
];

/// A user of the server with settings of its own, dropped at the end.
struct User<'s> {
    schema: &'s Schema<'s>,
    name: String,
}

impl<'s> User<'s> {
    fn new(schema: &'s Schema<'s>, number: usize, settings: &[(&str, &str)]) -> Self {
        let name = format!("goe_user_{}_{number}", std::process::id());
        let user = Self { schema, name };
        let (name, place) = (&user.name, schema.name());
        let mut script = format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'of {name}';
             GRANT USAGE ON SCHEMA {place} TO {name};
             GRANT SELECT ON ALL TABLES IN SCHEMA {place} TO {name};
             ALTER ROLE {name} SET search_path = {place};\n"
        );
        for (setting, value) in settings {
            script += &format!("ALTER ROLE {name} SET {setting} = '{value}';\n");
        }
        schema.run_script(&script);
        user
    }

    fn url(&self, server: &str) -> String {
        let mut url = Url::parse(server).expect("GOE_TEST_POSTGRES is a URL");
        url.set_username(&self.name).expect("a user");
        url.set_password(Some(&format!("of {}", self.name)))
            .expect("a password");
        url.into()
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        self.schema
            .run_script(&format!("DROP OWNED BY {name}; DROP ROLE {name};"));
    }
}

/// Every value of a target as text, row by row, and what a query with filters prints.
fn read(project: &Project, source: &str, target: &str) -> (Vec<Vec<String>>, String) {
    let to = format!("lake.dw.{target}");
    project.goe(&["offload", source, "--to", &to, "-x"]).ok();
    project.goe(&["verify", &to]).ok();
    let table = project.lake("dw", target);
    let columns = table.columns();
    assert_eq!(columns.len(), 37);
    let values = columns
        .iter()
        .map(|column| table.texts(column, "id"))
        .collect();
    let sql = format!(
        "SELECT id, at_tz, lasts, ratio FROM {source} WHERE at_tz >= TIMESTAMP '2024-03-31T01:30:00Z' \
         AND day < DATE '2036-01-01' AND price <> 1234.56 AND raw > X'0000012c' AND at IS NOT NULL \
         ORDER BY id"
    );
    (
        values,
        project
            .goe(&["--output", "json", "sql", "-c", &sql])
            .ok()
            .stdout,
    )
}

#[test]
fn what_is_read_does_not_depend_on_settings_of_the_session() {
    let Some(server) = postgres() else { return };
    let project = Project::new();
    project.connect_postgres(&server);
    let schema = Schema::new(&project, &server, "settings");
    schema.run_script(EVERY);
    let source = schema.table("every");
    let mut readings = Vec::new();
    for (number, settings) in SETTINGS.into_iter().enumerate() {
        let user = User::new(&schema, number, settings);
        project.connect_postgres(&user.url(&server));
        readings.push(read(&project, &source, &format!("by_user_{number}")));
    }
    // The same by options of the connection.
    let options = "-c TimeZone=Asia/Kathmandu -c DateStyle=German,DMY -c IntervalStyle=postgres \
                   -c extra_float_digits=-15 -c bytea_output=escape";
    let mut url = Url::parse(&server).expect("GOE_TEST_POSTGRES is a URL");
    url.query_pairs_mut().append_pair("options", options);
    project.connect_postgres(&url.as_str().replace('+', "%20"));
    readings.push(read(&project, &source, "by_options"));

    let (values, printed) = &readings[0];
    assert!(printed.lines().count() > 2, "{printed}");
    for (number, (other, printed_there)) in readings.iter().enumerate().skip(1) {
        for (column, (one, there)) in values.iter().zip(other).enumerate() {
            assert_eq!(one, there, "column {column} of reading {number}");
        }
        assert_eq!(printed, printed_there, "reading {number}");
    }
}
