use std::path::PathBuf;

use kube::Config;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use thiserror::Error;

use crate::transport::with_causes;
use crate::{ClientOptions, Cluster, transport};

/// Where the cluster is and with what limits to use it.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// A kubeconfig file. Without one: the pod's service account, else `$KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; the current one without.
    pub context: Option<String>,
    /// Limits.
    pub client: ClientOptions,
}

/// Why no connection could be prepared. None of these passes by itself: give up and tell the person.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The file that was asked for, or found, could not be used.
    #[error("kubeconfig {origin} cannot be used: {}; correct the file, or name another with --kubeconfig", with_causes(.source))]
    Kubeconfig {
        /// The file, or the places that were searched.
        origin: String,
        /// Why.
        source: KubeconfigError,
    },
    /// Neither a service account nor a kubeconfig is there.
    #[error(
        "no cluster to connect to: not in a pod ({}), and no kubeconfig in $KUBECONFIG or ~/.kube/config ({}); \
         give one with --kubeconfig",
        with_causes(.in_cluster), with_causes(.kubeconfig)
    )]
    Nowhere {
        /// Why the service account could not be used.
        in_cluster: InClusterError,
        /// Why the kubeconfig could not be used.
        #[source]
        kubeconfig: KubeconfigError,
    },
    /// The credentials or certificates of the configuration could not be used.
    #[error(
        "the credentials for {server} cannot be used: {}; check token, client certificate and certificate authority",
        with_causes(.source)
    )]
    Credentials {
        /// URL of the API server.
        server: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The certificate authority is there but holds nothing.
    #[error(
        "the certificate authority for {server} holds no certificate in PEM form; correct certificate-authority(-data)"
    )]
    NoCertificate {
        /// URL of the API server.
        server: String,
    },
    /// The kubeconfig asks for a proxy.
    #[error("the kubeconfig sets proxy-url for {server}, and proxies are not supported; remove it")]
    Proxy {
        /// URL of the API server.
        server: String,
    },
}

impl Cluster {
    /// Prepares a connection; nothing is sent until the first request. Tokens and CA of a pod are read again as they rotate.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        Self::of_config(&load(options).await?, options.client.clone())
    }

    fn of_config(config: &Config, client: ClientOptions) -> Result<Self, ConnectError> {
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        if config.proxy_url.is_some() {
            return Err(ConnectError::Proxy { server });
        }
        if config.root_cert.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConnectError::NoCertificate { server });
        }
        let transport = transport::connect(config)
            .map_err(|source| ConnectError::Credentials { server: server.clone(), source: Box::new(source) })?;
        Ok(Self::of_transport(transport, server, config.default_namespace.clone(), client))
    }
}

async fn load(options: &ConnectOptions) -> Result<Config, ConnectError> {
    let choice = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &options.kubeconfig {
        let failed = |source| ConnectError::Kubeconfig { origin: path.display().to_string(), source };
        let file = Kubeconfig::read_from(path).map_err(failed)?;
        return Config::from_custom_kubeconfig(file, &choice).await.map_err(failed);
    }
    let in_cluster = match Config::incluster_env() {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    let file = match Kubeconfig::from_env().and_then(|found| found.map_or_else(Kubeconfig::read, Ok)) {
        Ok(file) => file,
        Err(kubeconfig @ (KubeconfigError::FindPath | KubeconfigError::ReadConfig(..))) => {
            return Err(ConnectError::Nowhere { in_cluster, kubeconfig });
        }
        Err(source) => return Err(unusable_default(source)),
    };
    Config::from_custom_kubeconfig(file, &choice).await.map_err(unusable_default)
}

fn unusable_default(source: KubeconfigError) -> ConnectError {
    ConnectError::Kubeconfig { origin: "of $KUBECONFIG or ~/.kube/config".to_owned(), source }
}

#[cfg(test)]
mod tests;
