//! Questions to the double without our own code: a session over plain HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

/// A session of its own, logged in anew for each question.
pub struct Double {
    pub address: String,
    database: String,
}

impl Double {
    pub fn new(address: &str, database: &str) -> Self {
        Self {
            address: address.to_owned(),
            database: database.to_owned(),
        }
    }

    /// The rows of an answer, each with its cells joined by `|`; NULL is `-`.
    #[track_caller]
    pub fn ask(&self, sql: &str) -> Vec<String> {
        let login = json!({"data": {
            "LOGIN_NAME": "goe",
            "PASSWORD": "goe-password",
            "SESSION_PARAMETERS": {"TIMEZONE": "UTC", "QUERY_TAG": "test"},
        }});
        let place = format!(
            "/session/v1/login-request?databaseName={}&warehouse=load_wh",
            self.database
        );
        let session = self.post(&place, "", &login);
        let token = session["data"]["token"].as_str().expect("a token");
        let header = format!("Authorization: Snowflake Token=\"{token}\"\r\n");
        let answer = self.post(
            "/queries/v1/query-request",
            &header,
            &json!({ "sqlText": sql }),
        );
        assert_eq!(answer["success"], true, "{sql}: {answer}");
        let rows = answer["data"]["rowset"].as_array().expect("rows");
        let cell = |cell: &Value| cell.as_str().unwrap_or("-").to_owned();
        let row = |row: &Value| {
            let cells = row.as_array().expect("cells").iter().map(cell);
            cells.collect::<Vec<_>>().join("|")
        };
        rows.iter().map(row).collect()
    }

    fn post(&self, path: &str, header: &str, body: &Value) -> Value {
        let host = self.address.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(host).expect("the double");
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{header}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}
