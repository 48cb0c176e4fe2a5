//! The command `goe`: everything is in [`goe::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    goe::cli::main()
}
