//! The integration tests, one module a topic. See the harness (`integration_tests`) for what they can rely on.

mod api_recorder;
mod comparison;
mod devcluster;
mod healing;
mod live_kinds;
mod projects;
mod reading;
mod sync;
