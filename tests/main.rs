//! Every integration test in one binary, so that the engine is linked once.
//!
//! They run the real program in folders of their own, and read what it wrote with other programs.

mod badinput;
mod canary;
mod change;
mod chunks;
mod cli;
mod conformance;
#[cfg(debug_assertions)]
mod crash;
#[cfg(all(feature = "sqlserver", feature = "postgres"))]
mod doubles;
mod engine;
mod fsck;
mod fuzz;
mod guest;
mod hostile;
mod independent;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod keys;
mod lake;
mod many;
mod mutations;
mod naughty;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod network;
mod offload;
mod partitions;
mod patience;
mod predicates;
mod project;
mod proxy;
mod published;
mod random;
mod repository;
mod roundtrip;
mod scan;
mod secrets;
mod settings;
mod shape;
mod slt;
#[cfg(feature = "snowflake")]
mod snowflake;
mod source;
#[cfg(all(feature = "sqlserver", feature = "postgres"))]
mod sqlserver;
mod statements;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod store;
mod tidy;
mod toy;
mod windows;
