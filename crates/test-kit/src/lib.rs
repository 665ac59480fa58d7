//! What tests of several crates share: Git repositories from scripts, a Git server that can be made to fail, manifests.
//!
//! Everything here panics when it cannot do what it is asked, with what was tried: a test has nothing better to do with such an error.
//!
//! ```no_run
//! use test_kit::{Fault, FixtureRepo, GitHttpServer};
//!
//! let root = std::path::Path::new("/tmp/repositories");
//! let repo = FixtureRepo::init(root.join("shop"));
//! let first = repo.write("app/cm.yaml", "kind: ConfigMap").commit("first");
//! let server = GitHttpServer::start(root);
//! assert_eq!(repo.head(), first);
//! server.set_fault("shop", Fault::Down);
//! println!("{} answers nobody", server.url("shop"));
//! ```

mod fixture_repo;
mod git_command;
mod git_http;
mod manifests;
pub mod sim;

pub use fixture_repo::FixtureRepo;
pub use git_http::{Fault, GitHttpServer, Traffic};
pub use manifests::{AppBuilder, application, config_map, deployment, job, namespace};
