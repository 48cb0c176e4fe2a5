//! Stand-ins for servers that cannot be had where the tests run.

pub mod tds;
