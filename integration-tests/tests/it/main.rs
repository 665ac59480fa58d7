//! The integration tests, one module a topic. See the harness (`integration_tests`) for what they can rely on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod api_types;
mod app_of_apps;
mod bad_input;
mod charts;
mod command_line;
mod comparison;
mod crashes;
mod deletion;
mod devcluster;
mod faults;
mod git;
mod healing;
mod http;
mod install;
mod kept;
mod life;
mod live_kinds;
mod model;
mod one_owner;
mod outages;
mod projects;
mod reading;
mod scenarios;
mod sources;
mod status;
mod swap;
mod sweep;
mod sync;
mod telemetry;
mod tools;
mod versions;
mod waves;
mod web;
mod why;
mod workload;
mod yaml;
