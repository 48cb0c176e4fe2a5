//! Who stages. This process does; others may come.

mod native;

pub use native::stage;
