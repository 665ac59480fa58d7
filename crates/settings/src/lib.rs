//! Settings: flags, environment, our config file, argocd-cm and argocd-cmd-params-cm as typed values and a list of problems.
//!
//! A bad value never stops the daemon: the next source's value or the default is used and a [`Problem`] says so. Keys that
//! would change the result and are not supported are problems too, so that they can be counted. Nothing here reads a file, a
//! cluster or the environment.

mod cluster_secret;
mod customizations;
mod keys;
mod layers;
mod problem;
mod process;
mod reader;
mod resource_filter;
mod self_heal;
mod settings;
mod values;

pub use cluster_secret::{ClusterConfig, ClusterSecret, ClusterSecretError, Sensitive, TlsClientConfig};
pub use customizations::{CompareOptions, StatusFields};
pub use keys::{Setting, all_settings};
pub use layers::{ConfigFileError, Layer, Layers, parse_config_file};
pub use problem::{Problem, ProblemKind};
pub use process::{LogFormat, ProcessSettings};
pub use resource_filter::{FilteredResource, ResourceFilter};
pub use self_heal::SelfHealBackoff;
pub use settings::{ApplicationNamespaces, Impersonation, RespectRbac, Settings, ToolSettings};
