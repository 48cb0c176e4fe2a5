//! Every integration test in one binary, so that the engine is linked once.
//!
//! They run the real program in folders of their own, and read what it wrote with other programs.

mod badinput;
mod cli;
mod engine;
mod independent;
mod lake;
mod offload;
mod partitions;
mod project;
mod slt;
mod source;
mod tidy;
