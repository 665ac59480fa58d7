//! The integration tests, one module a topic. See the harness (`integration_tests`) for what they can rely on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod api_types;
mod app_of_apps;
mod bad_input;
mod command_line;
mod comparison;
mod deletion;
mod devcluster;
mod git;
mod healing;
mod http;
mod install;
mod live_kinds;
mod model;
mod one_owner;
mod projects;
mod reading;
mod status;
mod swap;
mod sync;
mod telemetry;
mod versions;
mod waves;
mod web;
mod why;
mod yaml;
