//! The harness of the integration tests: the real control plane, the real `driftless` process, real Git over HTTP.
//!
//! ```no_run
//! # use integration_tests::Environment;
//! # use test_kit::{application, config_map};
//! # async fn test() {
//! let env = Environment::new("prune").await;
//! let work = env.workload_namespace().await;
//! let repo = env.repo("shop");
//! let commit = repo.write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
//! let daemon = env.daemon().start().await;
//! let app = application("shop").in_namespace(env.namespace()).source(&env.git_url("shop"), "app").destination(&work);
//! env.cluster().apply(&app.automated().build()).await;
//! env.wait_synced("shop", &commit).await;
//! # drop(daemon);
//! # }
//! ```
//!
//! - All tests of a process share one control plane ([`Cluster::shared`]), started when first needed, or the cluster that `KUBECONFIG` names.
//! - A test keeps apart from the others by an [`Environment`]: its own control-plane namespace, workload namespaces, repositories and Git server.
//! - Waiting is done on watches, up to [`DEADLINE`], after which the test panics with the object last seen ([`Cluster::wait_for`]).
//! - [`ApiProxy`] stands between a daemon and the API server: it records, holds back, and makes requests fail.
//! - [`Registry`] and [`ChartRepository`] hold Helm charts as a real registry and a real repository do.
//! - [`Daemon`] is a running `driftless controller`; the end of its log is shown when its test fails.
//!
//! Everything panics when it cannot do what it is asked. Tests are `#[tokio::test(flavor = "multi_thread")]`; clients belong to the
//! runtime of their test, so only addresses are shared between tests.

#![expect(clippy::panic, reason = "a harness that cannot go on fails the test")]

mod api_proxy;
mod charts;
mod cluster;
mod daemon;
pub mod devcluster;
mod environment;
mod objects;
mod programs;
mod registry;
mod requests;

use std::time::Duration;

pub use api_proxy::{ApiProxy, ApiRequest, Kill, Moment, Refusal, Treatment, WatchEnd, listed};
pub use charts::{ChartArchive, ChartRepository, helm};
pub use cluster::Cluster;
pub use daemon::{Daemon, DaemonBuilder};
pub use devcluster::DevCluster;
pub use environment::Environment;
pub use objects::{ObjectRef, object};
pub use programs::{devcluster_binary, driftless_binary, oracle_binary, registry_binary, render_worker_binary};
pub use registry::Registry;
pub use requests::RequestCounts;

/// The longest that anything in a test is waited for.
pub const DEADLINE: Duration = Duration::from_mins(1);
