//! The `goe` program.

use std::process::ExitCode;

/// Buffers of batches, pages and row groups come and go on many threads. glibc keeps them in an arena
/// for each of these, or, told to map large ones, has them cleared anew each time; this one does
/// neither. How much, `benches/README.md` says.
#[cfg(all(feature = "jemalloc", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    goe::cli::main()
}
