//! The daemon over HTTP: Argo CD's REST paths and answers, explanations, health, metrics and a page for people.
//!
//! Everything is read from the [`AppView`](app_view::AppView); nothing here calls the controller or the cluster. There are
//! two listeners: the API, on a loopback address because requests are not authenticated, and metrics with health on any
//! address. Paths, shapes and error codes follow Argo CD's API (semantics, sections 9.1 and 9.4).

mod applications;
mod error;
mod fields;
mod filter;
mod guard;
mod health;
mod log_level;
mod metrics_source;
mod routes;
mod selector;
mod serve;
mod state;
mod stream;
mod ui;
mod version;
mod why;

pub use error::{ApiFailure, Code};
pub use filter::{AppFilter, ListQuery};
pub use metrics_source::ViewedApps;
pub use routes::{http_router, metrics_router};
pub use selector::{InvalidSelector, LabelSelector};
pub use serve::{ListenOptions, ServeError, Serving, serve};
pub use state::ApiState;
pub use version::VersionInfo;
