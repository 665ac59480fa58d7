//! The `driftless` command: arguments, wiring and signals.

mod cli;
mod client;
mod commands;
mod config;
mod controller;
mod engine;
mod output;
mod version;

use std::process::ExitCode;

use clap::Parser;

/// After a burst of work the memory it took goes back to the machine.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Every TLS connection uses ring; two providers in one process would be an error at the first handshake.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::Cli::try_parse() {
        Ok(cli) => commands::run(cli),
        Err(error) => output::usage(&error),
    }
}
