//! `goe completions`: a script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::stop::Done;
use super::{Cli, Context};

/// Write a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goe completions bash > ~/.local/share/bash-completion/completions/goe\n  \
    goe completions fish > ~/.config/fish/completions/goe.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, context: &Context) -> Done {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "goe", &mut script);
        context
            .screen
            .line(String::from_utf8_lossy(&script).trim_end())
    }
}
