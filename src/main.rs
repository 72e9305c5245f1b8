//! The thin binary: everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// A roster is millions of small pieces, which the system's own allocator takes a third longer over.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rosterd::command::entry()
}
