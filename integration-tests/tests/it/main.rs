//! The integration tests, one module a topic. See the harness (`integration_tests`) for what they can rely on.

mod devcluster;
