//! `goe help`: the help of a command, and pages on a topic.

use std::fmt::Write;

use clap::{Args, CommandFactory};

use super::stop::Done;
use super::{Cli, Context};
use crate::error::{Error, ErrorKind, Result};
use crate::offload::statement::option_names;
use crate::schema::nearest;

/// How connections are written; every system's options are in its README.
const CONNECTIONS: &str = include_str!("connections.txt");

/// The statements of goe; the options of an offload are named as they are.
const STATEMENTS: &str = include_str!("statements.txt");

/// The pages that are no command's.
const PAGES: [&str; 3] = ["connections", "statements", "exit-codes"];

/// Show the help of a command, or a page: connections, statements, exit-codes
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe help offload\n  goe help exit-codes")]
pub(super) struct Help {
    /// A command, or: connections, statements, exit-codes
    #[arg(value_name = "TOPIC")]
    topic: Option<String>,
}

impl Help {
    pub(super) fn run(self, context: &Context) -> Done {
        context.screen.line(self.page()?.trim_end())
    }

    fn page(&self) -> Result<String> {
        let mut command = Cli::command();
        // So that the help of a command shows the options of all.
        command.build();
        match self.topic.as_deref() {
            None => Ok(command.render_long_help().to_string()),
            Some("exit-codes") => Ok(exit_codes()),
            Some("connections") => Ok(CONNECTIONS.to_owned()),
            Some("statements") => Ok(STATEMENTS.replace("{options}", &option_names().join(", "))),
            Some(topic) => match command.find_subcommand_mut(topic) {
                Some(found) => Ok(found.render_long_help().to_string()),
                None => Err(unknown(topic, &command)),
            },
        }
    }
}

fn unknown(topic: &str, command: &clap::Command) -> Error {
    let mut known: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    known.extend(PAGES);
    let error = Error::usage(format!("There is no help on \"{topic}\""));
    error.hint(match nearest(topic, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there is help on: {}", known.join(", ")),
    })
}

/// Every exit code with the kind of error that it means.
fn exit_codes() -> String {
    let mut page = String::from(
        "Exit codes of goe:\n\n    0  Success       it is done, or there was nothing to do\n",
    );
    let mut kinds = ErrorKind::ALL;
    kinds.sort_by_key(|kind| kind.exit_code());
    for kind in kinds {
        let (code, name) = (kind.exit_code(), kind.to_string());
        // Writing to a string does not fail.
        let _ = writeln!(page, "  {code:>3}  {name:<13} {}", kind.describe());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_listed() {
        insta::assert_snapshot!(exit_codes());
    }

    #[test]
    fn every_command_and_page_has_help() {
        let command = Cli::command();
        let names = command.get_subcommands().map(clap::Command::get_name);
        for topic in names.chain(PAGES) {
            let page = Help {
                topic: Some(topic.to_owned()),
            }
            .page()
            .unwrap();
            assert!(page.len() > 100, "{topic}");
        }
        let slip = Help {
            topic: Some("ofload".to_owned()),
        }
        .page()
        .unwrap_err();
        assert_eq!(slip.hint_text(), Some("did you mean \"offload\"?"));
    }
}
