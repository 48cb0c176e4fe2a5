//! The lines of a type map, on either side.

use super::report::{Verdict, failed, holds, told};
use crate::error::{Error, ErrorKind};
use crate::frontend::TypeMap;
use crate::schema::CanonicalType;

/// Every type that the map lists is mapped or refused.
pub(super) fn natives(types: &dyn TypeMap) -> Verdict {
    let natives = types.natives();
    holds(!natives.is_empty(), || "no native type is named".to_owned())?;
    for native in natives {
        if let Err(error) = types.to_canonical(&native) {
            refusal(&native, &error)?;
        }
    }
    Ok(())
}

/// Every canonical type is held or refused, and what holds it is read.
pub(super) fn canonicals(types: &dyn TypeMap) -> Verdict {
    for canonical in CanonicalType::ALL {
        match types.from_canonical(canonical) {
            Ok(mapping) => {
                let native = mapping.to.native;
                if let Err(error) = types.to_canonical(&native) {
                    return failed(format!("{canonical} is {native}: {}", told(&error)));
                }
            }
            Err(error) => refusal(&canonical.to_string(), &error)?,
        }
    }
    Ok(())
}

fn refusal(name: &str, error: &Error) -> Verdict {
    let due = error.kind() == ErrorKind::Unsupported && error.hint_text().is_some();
    holds(due, || format!("{name}: {}", told(error)))
}
