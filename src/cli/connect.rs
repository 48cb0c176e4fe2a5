//! `goe connect`: tries connections and says what is missing.

use clap::Args;
use futures::future::join_all;
use serde_json::{Value, json};

use super::Context;
use super::screen::Screen;
use super::stop::{Done, Stop, as_json, tell};
use crate::config::redact;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::Probe;
use crate::systems::{Connections, System};

/// Try connections: reach, login, version, rights, snapshots
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe connect\n  goe connect shop lake\n  \
                        goe connect sqlite:shop.db")]
pub(super) struct Connect {
    /// Connections, or URLs; all of goe.toml by default
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What became of one try.
struct Report {
    connection: String,
    system: String,
    role: &'static str,
    outcome: Result<Probe>,
}

impl Connect {
    pub(super) async fn run(self, context: &Context) -> Done {
        let connections = Connections::new(context.config()?);
        let names = self.names_of(&connections)?;
        let probes = names.iter().map(|name| probe(&connections, name));
        let reports: Vec<Report> = join_all(probes).await.into_iter().flatten().collect();
        show(context.screen, &reports)?;
        let codes = reports
            .iter()
            .filter_map(|report| report.outcome.as_ref().err());
        match codes.map(|error| error.kind().exit_code()).max() {
            Some(code) => Err(Stop::Said(code)),
            None => Ok(()),
        }
    }

    fn names_of(&self, connections: &Connections) -> Result<Vec<String>> {
        if !self.names.is_empty() {
            return Ok(self.names.clone());
        }
        let all = connections.names();
        if all.is_empty() {
            return Err(
                Error::new(ErrorKind::NotFound, "No connection is configured")
                    .hint("`goe help connections` shows how; `goe demo` makes two to try"),
            );
        }
        Ok(all)
    }
}

/// Tries everything that a connection's system can be.
async fn probe(connections: &Connections, name: &str) -> Vec<Report> {
    let report = |system: &str, role, outcome| Report {
        connection: redact(name),
        system: system.to_owned(),
        role,
        outcome,
    };
    let system = match connections.system(name) {
        Ok(system) => system,
        Err(error) => return vec![report("?", "", Err(error))],
    };
    let (read, write) = futures::join!(
        probe_frontend(connections, system, name),
        probe_backend(connections, system, name)
    );
    let read = read.map(|outcome| report(system.name, "source", outcome));
    let write = write.map(|outcome| report(system.name, "target", outcome));
    read.into_iter().chain(write).collect()
}

async fn probe_frontend(
    connections: &Connections,
    system: System,
    name: &str,
) -> Option<Result<Probe>> {
    system.frontend?;
    Some(match connections.frontend(name) {
        Ok(frontend) => frontend.probe().await,
        Err(error) => Err(error),
    })
}

async fn probe_backend(
    connections: &Connections,
    system: System,
    name: &str,
) -> Option<Result<Probe>> {
    system.backend?;
    Some(match connections.backend(name) {
        Ok(backend) => backend.probe().await,
        Err(error) => Err(error),
    })
}

fn show(screen: Screen, reports: &[Report]) -> Done {
    if screen.is_json() {
        return reports
            .iter()
            .try_for_each(|report| screen.json(&report.as_json()));
    }
    screen.listing(
        [
            "CONNECTION",
            "SYSTEM",
            "ROLE",
            "RESULT",
            "VERSION",
            "USER",
            "ENCRYPTED",
            "SNAPSHOT",
        ],
        reports.iter().map(Report::cells),
    )?;
    reports
        .iter()
        .try_for_each(|report| show_details(screen, report))
}

fn show_details(screen: Screen, report: &Report) -> Done {
    let name = &report.connection;
    match &report.outcome {
        Ok(probe) => probe
            .notes
            .iter()
            .try_for_each(|note| screen.line(format_args!("{name}: {note}"))),
        Err(error) => {
            tell(error, screen.format);
            Ok(())
        }
    }
}

impl Report {
    fn cells(&self) -> [String; 8] {
        let mut cells = [const { String::new() }; 8];
        cells[0].clone_from(&self.connection);
        cells[1].clone_from(&self.system);
        cells[2] = self.role.to_owned();
        match &self.outcome {
            Ok(probe) => {
                cells[3] = "ok".to_owned();
                cells[4].clone_from(&probe.version);
                cells[5] = probe.user.clone().unwrap_or_default();
                cells[6] = match probe.encrypted {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => String::new(),
                };
                cells[7].clone_from(&probe.snapshot);
            }
            Err(error) => cells[3] = format!("failed: {}", error.kind()),
        }
        cells
    }

    fn as_json(&self) -> Value {
        let mut value = json!({
            "connection": self.connection,
            "system": self.system,
            "role": self.role,
            "ok": self.outcome.is_ok(),
        });
        let details = match &self.outcome {
            Ok(probe) => json!({
                "version": probe.version,
                "user": probe.user,
                "encrypted": probe.encrypted,
                "snapshot": probe.snapshot,
                "notes": probe.notes,
            }),
            Err(error) => json!({ "error": as_json(error) }),
        };
        if let (Some(value), Value::Object(details)) = (value.as_object_mut(), details) {
            value.extend(details);
        }
        value
    }
}
