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

fn main() -> ExitCode {
    // Every TLS connection uses ring; two providers in one process would be an error at the first handshake.
    let _ = rustls::crypto::ring::default_provider().install_default();
    commands::run(cli::Cli::parse())
}
