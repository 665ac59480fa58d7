//! Settings of the daemon: a flag, else a `DRIFTLESS_…` variable, else a key of the file, else the default.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use application_api::{MaxPrune, PrunedKind};
use clap::Args;
use git_source::LocalAddresses;
use serde::Deserialize;
use telemetry::LogFormat;

/// The settings that a flag, a variable or the file can give. Names of flags are the keys of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    /// How to reach the API server; else the pod's service account, $KUBECONFIG, ~/.kube/config.
    #[arg(long, env = "DRIFTLESS_KUBECONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Namespace of Applications, projects, Secrets and argocd-cm [default: argocd].
    #[arg(long, env = "DRIFTLESS_NAMESPACE", hide_env_values = true, value_name = "NS")]
    pub(crate) namespace: Option<String>,
    /// Directory of Git mirrors and caches, safe to delete [default: in the system's cache directory].
    #[arg(long, env = "DRIFTLESS_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the API and the page, on this machine only [default: 127.0.0.1:8080].
    #[arg(long, env = "DRIFTLESS_HTTP_LISTEN", hide_env_values = true, value_name = "ADDR")]
    pub(crate) http_listen: Option<ListenAddress>,
    /// Address of /metrics, /healthz and /readyz [default: 0.0.0.0:8082].
    #[arg(long, env = "DRIFTLESS_METRICS_LISTEN", hide_env_values = true, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<ListenAddress>,
    /// How often Git is asked for new commits; 0 never asks [default: 120s].
    #[arg(long, env = "DRIFTLESS_RECONCILIATION_TIMEOUT", hide_env_values = true, value_name = "D")]
    pub(crate) reconciliation_timeout: Option<Interval>,
    /// The most objects that a sync deletes without asking: a number, or a percentage of the application's [default: any number].
    #[arg(long, env = "DRIFTLESS_MAX_PRUNE", hide_env_values = true, value_name = "LIMIT")]
    pub(crate) max_prune: Option<PruneLimit>,
    /// Kinds, separated by commas, of which a sync deletes no object without asking, such as Namespace,PersistentVolumeClaim.
    #[arg(long, env = "DRIFTLESS_PRUNE_APPROVAL_KINDS", hide_env_values = true, value_name = "KINDS")]
    pub(crate) prune_approval_kinds: Option<PruneKinds>,
    /// Form of log lines: text or json [default: text on a terminal, else json].
    #[arg(long, env = "DRIFTLESS_LOG_FORMAT", hide_env_values = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogForm>,
    /// Level of the log, or directives such as info,app_controller=debug [default: info].
    #[arg(long, env = "DRIFTLESS_LOG_LEVEL", hide_env_values = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Program that runs Helm and Kustomize [default: driftless-render-worker beside this program].
    #[arg(long, env = "DRIFTLESS_RENDER_WORKER", hide_env_values = true, value_name = "FILE")]
    pub(crate) render_worker: Option<PathBuf>,
    /// Whether repositories may be at loopback addresses: allow or refuse [default: allow if the API server is at one, else refuse].
    #[arg(long, env = "DRIFTLESS_REPOSITORY_LOCAL_ADDRESSES", hide_env_values = true, value_name = "RULE")]
    pub(crate) repository_local_addresses: Option<LocalRule>,
    /// Hosts, separated by commas, that repositories may be at whatever their addresses; link-local ones are refused otherwise.
    #[arg(long, env = "DRIFTLESS_REPOSITORY_ALLOWED_HOSTS", hide_env_values = true, value_name = "HOSTS")]
    pub(crate) repository_allowed_hosts: Option<String>,
    /// Name of the Lease that replicas share.
    #[arg(long, env = "DRIFTLESS_LEASE_NAME", hide = true, value_name = "NAME")]
    pub(crate) lease_name: Option<String>,
}

impl Settings {
    /// Reads the file; an empty one sets nothing.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a file of settings", path.display()))
    }

    fn parse(text: &str) -> Result<Self, serde_yaml::Error> {
        Ok(serde_yaml::from_str::<Option<Self>>(text)?.unwrap_or_default())
    }

    /// Takes from `lower` what is not set here.
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            kubeconfig: self.kubeconfig.or(lower.kubeconfig),
            namespace: self.namespace.or(lower.namespace),
            data_dir: self.data_dir.or(lower.data_dir),
            http_listen: self.http_listen.or(lower.http_listen),
            metrics_listen: self.metrics_listen.or(lower.metrics_listen),
            reconciliation_timeout: self.reconciliation_timeout.or(lower.reconciliation_timeout),
            max_prune: self.max_prune.or(lower.max_prune),
            prune_approval_kinds: self.prune_approval_kinds.or(lower.prune_approval_kinds),
            log_format: self.log_format.or(lower.log_format),
            log_level: self.log_level.or(lower.log_level),
            render_worker: self.render_worker.or(lower.render_worker),
            repository_local_addresses: self.repository_local_addresses.or(lower.repository_local_addresses),
            repository_allowed_hosts: self.repository_allowed_hosts.or(lower.repository_allowed_hosts),
            lease_name: self.lease_name.or(lower.lease_name),
        }
    }
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControllerConfig {
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) namespace: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) http_listen: SocketAddr,
    pub(crate) metrics_listen: SocketAddr,
    /// None leaves it to argocd-cm, and then to the default.
    pub(crate) reconciliation_timeout: Option<Duration>,
    /// None is no limit.
    pub(crate) max_prune: Option<MaxPrune>,
    pub(crate) prune_approval_kinds: String,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    pub(crate) render_worker: PathBuf,
    /// None follows the address of the API server.
    pub(crate) repository_local_addresses: Option<LocalAddresses>,
    pub(crate) repository_allowed_hosts: Vec<String>,
    pub(crate) lease_name: String,
}

impl ControllerConfig {
    /// Fills in the defaults; `variable` looks up the environment, for the cache directory.
    pub(crate) fn new(settings: Settings, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let address = |given: Option<ListenAddress>, ip: Ipv4Addr, port| {
            given.map_or_else(|| SocketAddr::from((ip, port)), |ListenAddress(address)| address)
        };
        Self {
            kubeconfig: settings.kubeconfig,
            namespace: settings.namespace.unwrap_or_else(|| "argocd".to_owned()),
            data_dir: settings.data_dir.unwrap_or_else(|| default_data_dir(variable)),
            http_listen: address(settings.http_listen, Ipv4Addr::LOCALHOST, 8080),
            metrics_listen: address(settings.metrics_listen, Ipv4Addr::UNSPECIFIED, 8082),
            reconciliation_timeout: settings.reconciliation_timeout.map(|Interval(interval)| interval),
            max_prune: settings.max_prune.map(|PruneLimit(limit)| limit),
            prune_approval_kinds: settings.prune_approval_kinds.map(|PruneKinds(kinds)| kinds).unwrap_or_default(),
            log_format: settings.log_format.map_or_else(LogFormat::for_stderr, |LogForm(format)| format),
            log_level: settings.log_level.unwrap_or_else(|| "info".to_owned()),
            render_worker: settings.render_worker.unwrap_or_else(default_render_worker),
            repository_local_addresses: settings.repository_local_addresses.map(|LocalRule(rule)| rule),
            repository_allowed_hosts: hosts(&settings.repository_allowed_hosts.unwrap_or_default()),
            lease_name: settings.lease_name.unwrap_or_else(|| "driftless".to_owned()),
        }
    }

    /// Returns the names of settings that differ from `other` and take effect only with a restart.
    pub(crate) fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        [
            ("kubeconfig", self.kubeconfig != other.kubeconfig),
            ("namespace", self.namespace != other.namespace),
            ("data-dir", self.data_dir != other.data_dir),
            ("http-listen", self.http_listen != other.http_listen),
            ("metrics-listen", self.metrics_listen != other.metrics_listen),
            ("render-worker", self.render_worker != other.render_worker),
            ("repository-local-addresses", self.repository_local_addresses != other.repository_local_addresses),
            ("repository-allowed-hosts", self.repository_allowed_hosts != other.repository_allowed_hosts),
            ("log-format", self.log_format != other.log_format),
            ("lease-name", self.lease_name != other.lease_name),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

fn hosts(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect()
}

/// Returns the program that is installed beside this one.
pub(crate) fn default_render_worker() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    beside.unwrap_or_default().join("driftless-render-worker")
}

/// Returns `$XDG_CACHE_HOME/driftless`, else `~/.cache/driftless`, else a directory for temporary files.
fn default_data_dir(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let directory = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    directory("XDG_CACHE_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".cache")))
        .or_else(|| directory("TMPDIR"))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join("driftless")
}

/// An address to listen on: `IP:PORT`, `localhost:PORT`, or `:PORT` for all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ListenAddress(pub(crate) SocketAddr);

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |port: &str| port.parse::<u16>().ok();
        let address = match text.rsplit_once(':') {
            Some(("localhost", given)) => port(given).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            Some(("", given)) => port(given).map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            _ => text.parse().ok(),
        };
        address.map(Self).ok_or_else(|| format!("`{text}` is not an address: expected IP:PORT such as 127.0.0.1:8080"))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A duration as Go writes it, or a number of seconds; not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(crate) struct Interval(pub(crate) Duration);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = application_api::parse_duration(text).map_err(|error| error.to_string())?;
        Duration::try_from(duration)
            .map(Self)
            .map_err(|_| format!("`{text}` is negative; expected a duration such as 90s"))
    }
}

/// The most objects that a sync deletes without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(crate) struct PruneLimit(pub(crate) MaxPrune);

impl FromStr for PruneLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        MaxPrune::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

impl TryFrom<NumberOrText> for PruneLimit {
    type Error = String;

    fn try_from(value: NumberOrText) -> Result<Self, Self::Error> {
        match value {
            NumberOrText::Number(number) => number.to_string().parse(),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

/// Kinds of which a sync deletes no object without asking, as they are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PruneKinds(pub(crate) String);

impl FromStr for PruneKinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        PrunedKind::parse_list(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PruneKinds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A scalar of the file that is read as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for Interval {
    type Error = String;

    fn try_from(value: NumberOrText) -> Result<Self, Self::Error> {
        match value {
            NumberOrText::Number(seconds) => Ok(Self(Duration::from_secs(seconds))),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

/// Whether repositories may be on this machine: `allow` or `refuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LocalRule(pub(crate) LocalAddresses);

impl FromStr for LocalRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "allow" => Ok(Self(LocalAddresses::Allowed)),
            "refuse" => Ok(Self(LocalAddresses::Refused)),
            other => Err(format!("`{other}` is no rule: expected allow or refuse")),
        }
    }
}

impl TryFrom<String> for LocalRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LogForm(pub(crate) LogFormat);

impl FromStr for LogForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for LogForm {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
