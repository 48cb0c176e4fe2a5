//! `goe demo`: the main job on parts that need no server, shown as the commands that do it.

mod folder;
mod script;
mod shop;

use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use super::stop::Done;
use super::{Cli, Context};
use crate::error::{Error, Result};
use folder::Folder;
use script::Line;

#[cfg(test)]
pub(super) use script::words;

/// Where the demo works unless told otherwise.
const FOLDER: &str = "goe-demo";

/// Make a small shop, and offload it into a lake, step by step
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe demo\n  goe demo --scale 0.01 --folder /tmp/tour\n  \
    goe demo --add-newer   in the demo's folder: add the orders of January 1999"
)]
pub(super) struct Demo {
    /// How much data, in gigabytes of text: 0.1 has 150,000 orders
    #[arg(long, default_value_t = 0.1, value_parser = scale)]
    scale: f64,
    /// Where to put it; a folder that an earlier demo made is made anew [default: goe-demo]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Only add newer orders to the shop that is there
    #[arg(long, conflicts_with = "scale")]
    add_newer: bool,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.001..=100.0).contains(&scale) {
        Ok(scale)
    } else {
        Err("write 0.001 to 100".to_owned())
    }
}

impl Demo {
    pub(super) async fn run(self, context: &Context) -> Done {
        if context.screen.is_json() {
            return Err(Error::usage("The demo talks to people, not in JSON").into());
        }
        if self.add_newer {
            return super::stoppable(context, self.add_newer(context)).await;
        }
        self.tour(context).await
    }

    async fn add_newer(&self, context: &Context) -> Done {
        let folder = Folder::existing(self.folder.as_deref())?;
        let added = blocking(move || shop::add_newer(&folder.path().join(shop::FILE))).await?;
        let [orders, items] = added.map(super::figures::count);
        context.screen.report(format_args!(
            "Added {orders} orders of January 1999 to the shop, with {items} lines."
        ))
    }

    async fn tour(&self, context: &Context) -> Done {
        let path = self.folder.as_deref().unwrap_or(Path::new(FOLDER));
        let folder = Folder::prepare(path, context.screen)?;
        super::stoppable(context, self.build(&folder, context)).await?;
        // The lines below are what a person would paste there, so they run there.
        std::env::set_current_dir(folder.path()).map_err(|error| folder.failed(&error))?;
        for line in script::LINES {
            show_and_run(line, context).await?;
        }
        context.screen.report(script::ending(path))
    }

    async fn build(&self, folder: &Folder, context: &Context) -> Done {
        let shown = folder.path().display();
        context.screen.report(format_args!(
            "Making a shop with TPC-H data, scale {}, in {shown}/{}",
            self.scale,
            shop::FILE
        ))?;
        let (file, scale, quiet) = (
            folder.path().join(shop::FILE),
            self.scale,
            context.screen.quiet,
        );
        blocking(move || shop::build(&file, scale, quiet)).await?;
        folder.configure()?;
        context.screen.report(script::beginning(folder.path()))
    }
}

/// Does what would keep a thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal(format!("The demo broke off: {error}")))?
}

/// Prints a line as a person would type it, and then does what it says.
async fn show_and_run(line: &Line, context: &Context) -> Done {
    match line {
        Line::Say(text) => context.screen.report(format_args!("\n{text}")),
        Line::Do(command) => {
            context.screen.report(format_args!("\n$ {command}"))?;
            let words = script::words(command);
            let mut cli = Cli::try_parse_from(&words)
                .map_err(|error| Error::internal(format!("{command}: {error}")))?;
            cli.global.quiet |= context.screen.quiet;
            // A command of the demo is a command like any other: the one may hold the other.
            Box::pin(super::run(cli, words, context.signals.clone())).await
        }
    }
}
