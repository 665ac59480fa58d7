use std::net::SocketAddr;

use crate::keys;
use crate::reader::Reader;
use crate::{Layers, Problem};

/// Settings that are read once, when the process starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Kubeconfig file; none means in-cluster, else the usual places.
    pub kubeconfig: Option<String>,
    /// Control-plane namespace.
    pub namespace: String,
    /// Directory of Git mirrors and caches; none means one under the system's cache directory.
    pub data_dir: Option<String>,
    /// Address of API and UI.
    pub http_listen: SocketAddr,
    /// Address of metrics and probes.
    pub metrics_listen: SocketAddr,
    /// Form of log lines; none means text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// Log level, or a filter expression.
    pub log_level: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl ProcessSettings {
    /// Reads the settings from all sources; the ConfigMaps may be absent, since they are not known when a process starts.
    pub fn resolve(layers: &Layers) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(layers);
        let optional = |text: &str| Ok(Some(text.to_owned()).filter(|text| !text.is_empty()));
        let address = |text: &str| {
            text.parse().map_err(|_| {
                format!("`{text}` is not an address: expected an IP address and port, such as `0.0.0.0:8080`")
            })
        };
        let settings = Self {
            kubeconfig: reader.read(&keys::KUBECONFIG, optional),
            namespace: reader.read(&keys::NAMESPACE, |text| Ok(text.to_owned())),
            data_dir: reader.read(&keys::DATA_DIR, optional),
            http_listen: reader.read(&keys::HTTP_LISTEN, address),
            metrics_listen: reader.read(&keys::METRICS_LISTEN, address),
            log_format: reader.read(&keys::LOG_FORMAT, |text| match text {
                "" => Ok(None),
                "text" => Ok(Some(LogFormat::Text)),
                "json" => Ok(Some(LogFormat::Json)),
                _ => Err(format!("`{text}` is neither `text` nor `json`")),
            }),
            log_level: reader.read(&keys::LOG_LEVEL, |text| Ok(text.to_owned())),
        };
        (settings, reader.problems)
    }
}
