//! `goe types`: what becomes of each type on its way.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::stop::Done;
use crate::error::Error;
use crate::frontend::TypeMap;
use crate::schema::{CanonicalType, Fidelity};
use crate::systems::Systems;

/// Show how the types of systems are mapped
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe types                  the systems of this build\n  \
                        goe types postgres         its types and the canonical ones, both ways\n  \
                        goe types postgres delta   each type on its way from one to the other"
)]
pub(super) struct Types {
    /// The system that rows leave
    #[arg(value_name = "SYSTEM")]
    from: Option<String>,
    /// The system that they reach
    #[arg(value_name = "SYSTEM")]
    to: Option<String>,
}

/// One way of one type.
#[derive(Debug, Default, Serialize)]
struct Way {
    source: String,
    canonical: String,
    arrow: String,
    target: String,
    mapping: String,
    reason: String,
}

impl Types {
    pub(super) fn run(self, context: &Context) -> Done {
        match (self.from, self.to) {
            (None, _) => list_systems(context),
            (Some(name), None) => {
                let types = (Systems::default().find(&name)?.types)();
                let read = types
                    .natives()
                    .into_iter()
                    .map(|native| way(types, None, &native));
                let written = CanonicalType::ALL
                    .into_iter()
                    .map(|canonical| back(types, canonical));
                show(context, read.chain(written).collect())
            }
            (Some(from), Some(to)) => {
                let systems = Systems::default();
                let (from, to) = ((systems.find(&from)?.types)(), (systems.find(&to)?.types)());
                let natives = from.natives().into_iter();
                show(
                    context,
                    natives.map(|native| way(from, Some(to), &native)).collect(),
                )
            }
        }
    }
}

fn list_systems(context: &Context) -> Done {
    let role = |does: bool| if does { "yes" } else { "" }.to_owned();
    let systems = Systems::default();
    let lines = systems.iter().map(|system| {
        let schemes = system.schemes.iter().map(|scheme| format!("{scheme}:"));
        [
            system.name.to_owned(),
            role(system.frontend.is_some()),
            role(system.backend.is_some()),
            schemes.collect::<Vec<_>>().join(" "),
        ]
    });
    if context.screen.is_json() {
        return systems.iter().try_for_each(|system| {
            context.screen.json(&serde_json::json!({
                "system": system.name,
                "schemes": system.schemes,
                "source": system.frontend.is_some(),
                "target": system.backend.is_some(),
            }))
        });
    }
    context
        .screen
        .listing(["SYSTEM", "SOURCE", "TARGET", "URLS"], lines)
}

/// The way of a native type to the canonical one, and on to a target's if there is one.
fn way(from: &dyn TypeMap, to: Option<&dyn TypeMap>, native: &str) -> Way {
    let mut way = Way {
        source: native.to_owned(),
        ..Way::default()
    };
    let canonical = match from.to_canonical(native) {
        Ok(mapping) => {
            way.take(mapping.fidelity, mapping.reason);
            mapping.to
        }
        Err(error) => return way.refused(&error),
    };
    way.canonical = canonical.to_string();
    way.arrow = canonical.to_arrow().to_string();
    match to.map(|to| to.from_canonical(canonical)) {
        None => {}
        Some(Ok(mapping)) => {
            way.target = mapping.to.native;
            way.take(mapping.fidelity, mapping.reason);
        }
        Some(Err(error)) => return way.refused(&error),
    }
    way
}

/// The way of a canonical type into a system.
fn back(to: &dyn TypeMap, canonical: CanonicalType) -> Way {
    let mut way = Way {
        canonical: canonical.to_string(),
        arrow: canonical.to_arrow().to_string(),
        ..Way::default()
    };
    match to.from_canonical(canonical) {
        Ok(mapping) => {
            way.target = mapping.to.native;
            way.take(mapping.fidelity, mapping.reason);
            way
        }
        Err(error) => way.refused(&error),
    }
}

impl Way {
    /// Adds a leg; the way is as true as its worst leg.
    fn take(&mut self, fidelity: Fidelity, reason: Option<String>) {
        let rank = |word: &str| {
            ["", "exact", "widening", "lossy"]
                .iter()
                .position(|w| *w == word)
        };
        let word = fidelity.to_string();
        if rank(&word) > rank(&self.mapping) {
            self.mapping = word;
        }
        if let Some(reason) = reason {
            let separator = if self.reason.is_empty() { "" } else { "; " };
            self.reason = format!("{}{separator}{reason}", self.reason);
        }
    }

    fn refused(mut self, error: &Error) -> Self {
        "refused".clone_into(&mut self.mapping);
        self.reason = error.to_string();
        self
    }
}

fn show(context: &Context, ways: Vec<Way>) -> Done {
    if context.screen.is_json() {
        return ways.iter().try_for_each(|way| context.screen.json(way));
    }
    context.screen.listing(
        ["SOURCE", "CANONICAL", "ARROW", "TARGET", "MAPPING", "WHY"],
        ways.into_iter().map(|way| {
            [
                way.source,
                way.canonical,
                way.arrow,
                way.target,
                way.mapping,
                way.reason,
            ]
        }),
    )
}
