//! Every integration test in one binary, so that the engine is linked once.
//!
//! They run the real program in folders of their own, and read what it wrote with other programs.

mod badinput;
mod chunks;
mod cli;
#[cfg(debug_assertions)]
mod crash;
mod engine;
mod fsck;
mod independent;
mod lake;
mod offload;
mod partitions;
mod patience;
mod predicates;
mod project;
mod random;
mod repository;
mod roundtrip;
mod scan;
mod settings;
mod shape;
mod slt;
mod source;
mod statements;
#[cfg(feature = "s3")]
mod store;
mod tidy;
mod windows;
