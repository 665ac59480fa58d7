//! The arguments of all commands.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Interval, Settings};

/// Keeps Kubernetes clusters exactly as Git says.
#[derive(Debug, Parser)]
#[command(name = "driftless", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the daemon.
    Controller(ControllerArgs),
    /// Prints the CustomResourceDefinitions as YAML.
    Crds,
    /// Renders, without a cluster, what would be applied.
    Render(RenderArgs),
    /// Tells the health of objects in files, one line each.
    Health(HealthArgs),
    /// Shows applications and waits for them.
    #[command(subcommand)]
    App(AppCommand),
    /// Tells why an application, or one of its objects, is as it is.
    Why(WhyArgs),
    /// Prints versions.
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// File of settings in YAML, with the names of these options as keys; read again when it changes.
    #[arg(long, env = "DRIFTLESS_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// File to write the addresses to that the daemon listens on, as JSON.
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) address_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Directory to render, in place of the repository and path of a source.
    #[arg(conflicts_with_all = ["repo", "revision", "path"], required_unless_present_any = ["repo", "application"])]
    pub(crate) dir: Option<PathBuf>,
    /// Git repository to render from.
    #[arg(long, value_name = "URL")]
    pub(crate) repo: Option<String>,
    /// Branch, tag or commit of the repository.
    #[arg(long, value_name = "R")]
    pub(crate) revision: Option<String>,
    /// Directory inside the repository.
    #[arg(long, value_name = "P")]
    pub(crate) path: Option<String>,
    /// Name of the application; by default that of --application, else of the directory.
    #[arg(long, value_name = "APP")]
    pub(crate) name: Option<String>,
    /// Namespace of the destination, for sources with templates; by default that of --application, else default.
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Version of Kubernetes that charts are rendered for; by default Helm's own.
    #[arg(long, value_name = "VERSION", default_value = "")]
    pub(crate) kube_version: String,
    /// API version that charts are told the cluster has, such as example.com/v1; repeatable.
    #[arg(long = "api-version", value_name = "VERSION")]
    pub(crate) api_versions: Vec<String>,
    /// Options of `kustomize build`, as kustomize.buildOptions in argocd-cm gives them.
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    pub(crate) kustomize_build_options: String,
    /// Program that runs Helm and Kustomize [default: driftless-render-worker beside this program].
    #[arg(long, env = "DRIFTLESS_RENDER_WORKER", hide_env_values = true, value_name = "FILE")]
    pub(crate) render_worker: Option<PathBuf>,
    /// File with an Application, which gives what is not given here.
    #[arg(long, value_name = "FILE")]
    pub(crate) application: Option<PathBuf>,
    /// Form of the output; json is one object a line.
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub(crate) output: Structured,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Files with objects, in YAML or JSON.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// File with the ConfigMap argocd-cm, whose health scripts count.
    #[arg(long, value_name = "CONFIGMAP.yaml")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the output.
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    pub(crate) output: JsonOnly,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Lists applications.
    List(ListArgs),
    /// Shows one application.
    Get(GetArgs),
    /// Waits until applications are as asked: exits 0 when they are, 1 on time-out, 2 on error.
    Wait(WaitArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only applications of this project; repeatable.
    #[arg(short, long, value_name = "PROJECT")]
    pub(crate) project: Vec<String>,
    /// Only applications with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Only applications of this repository.
    #[arg(short, long, value_name = "URL")]
    pub(crate) repo: Option<String>,
    /// Only applications in this namespace.
    #[arg(short = 'N', long, value_name = "NAMESPACE")]
    pub(crate) app_namespace: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: ListFormat,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The application: NAME or NAMESPACE/NAME.
    pub(crate) app: AppName,
    /// Form of the output.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: GetFormat,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// The applications: NAME or NAMESPACE/NAME each. One that does not exist yet is waited for.
    #[arg(required = true)]
    pub(crate) apps: Vec<AppName>,
    #[command(flatten)]
    pub(crate) goal: Goal,
    /// How long to wait, such as 90s or 5m; 0 waits without end.
    #[arg(long, value_name = "DURATION", default_value = "0")]
    pub(crate) timeout: Interval,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What to wait for; nothing stands for sync, health and operation together.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Goal {
    /// Until the cluster is as Git says.
    #[arg(long)]
    pub(crate) sync: bool,
    /// Until all objects are healthy.
    #[arg(long)]
    pub(crate) health: bool,
    /// Until no operation runs.
    #[arg(long)]
    pub(crate) operation: bool,
    /// Until the application is gone.
    #[arg(long, visible_alias = "delete", conflicts_with_all = ["sync", "health", "operation"])]
    pub(crate) deleted: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The application: NAME or NAMESPACE/NAME.
    pub(crate) app: AppName,
    /// One of its objects: KIND/NAME or KIND/NAMESPACE/NAME.
    pub(crate) object: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: TextOrJson,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Form of the output.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: TextOrJson,
}

/// How to reach the daemon.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// URL of the daemon.
    #[arg(
        long,
        env = "DRIFTLESS_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) server: String,
    /// Token to authenticate with.
    #[arg(long, env = "DRIFTLESS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<Token>,
}

/// A bearer token, which is never printed.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

/// An application as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppName {
    /// Namespace; none for the daemon's own.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let valid =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        if !valid(name) || !namespace.is_none_or(valid) {
            return Err("expected NAME or NAMESPACE/NAME of an Application".to_owned());
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

impl std::fmt::Display for AppName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Structured {
    Yaml,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JsonOnly {
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Table,
    Json,
    Yaml,
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GetFormat {
    Text,
    Json,
    Yaml,
}

#[cfg(test)]
mod tests;
