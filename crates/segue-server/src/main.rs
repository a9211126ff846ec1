//! `segue`: see `segue --help`.

use std::process::ExitCode;

use clap::Parser as _;
use tikv_jemallocator::Jemalloc;

/// That of the system keeps what ten thousand connections left behind (docs/adr/0032).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    segue_server::cli::Cli::parse().run(variables.collect())
}
