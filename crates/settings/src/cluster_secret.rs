use std::collections::BTreeMap;
use std::fmt;

use kube_object::ClusterId;
use serde::Deserialize;
use thiserror::Error;

/// Text that must not be printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Sensitive(String);

impl Sensitive {
    /// Returns the text: for a request, never for a log or a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "***" })
    }
}

/// A cluster as in a Secret of type `cluster` (semantics, section 7.2).
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSecret {
    /// Name for destinations.
    pub name: String,
    /// The cluster.
    pub server: ClusterId,
    /// Project that the cluster belongs to; empty means none.
    pub project: String,
    /// Namespaces that may be looked at; all when empty.
    pub namespaces: Vec<String>,
    /// Whether cluster-scoped objects are managed although namespaces are listed.
    pub cluster_resources: bool,
    /// How to connect.
    pub config: ClusterConfig,
}

/// How to connect to a cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterConfig {
    /// User name for basic authentication.
    pub username: String,
    /// Password for basic authentication.
    pub password: Sensitive,
    /// Token.
    pub bearer_token: Sensitive,
    /// TLS options.
    pub tls_client_config: TlsClientConfig,
    /// Command that gives credentials, as in a kubeconfig.
    pub exec_provider_config: Option<serde_json::Value>,
    /// Credentials from AWS.
    pub aws_auth_config: Option<serde_json::Value>,
    /// Whether responses are not compressed.
    pub disable_compression: bool,
    /// URL of a proxy.
    pub proxy_url: Sensitive,
}

/// TLS options of a cluster; data are base64 text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsClientConfig {
    /// Whether the server's certificate is not verified.
    pub insecure: bool,
    /// Name expected in the server's certificate.
    pub server_name: String,
    /// Certificates of authorities.
    pub ca_data: String,
    /// Client certificate.
    pub cert_data: String,
    /// Client key.
    pub key_data: Sensitive,
}

/// A Secret is not a cluster. Give up until the Secret changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClusterSecretError {
    /// The address is missing.
    #[error("`server` is missing: expected the URL of an API server")]
    NoServer,
    /// The connection cannot be read. The text is not shown, since it holds credentials.
    #[error("`config` is not the JSON of a connection (line {line}, column {column})")]
    Config {
        /// Line in the text.
        line: usize,
        /// Column in the text.
        column: usize,
    },
}

impl ClusterSecret {
    /// Reads the decoded data of a Secret. A cluster without a name is called by its address.
    pub fn parse(data: &BTreeMap<String, String>) -> Result<Self, ClusterSecretError> {
        let text = |key: &str| data.get(key).map_or("", |text| text.trim());
        if text("server").is_empty() {
            return Err(ClusterSecretError::NoServer);
        }
        let config = match text("config") {
            "" => ClusterConfig::default(),
            json => serde_json::from_str(json)
                .map_err(|error| ClusterSecretError::Config { line: error.line(), column: error.column() })?,
        };
        Ok(Self {
            name: if text("name").is_empty() { text("server").to_owned() } else { text("name").to_owned() },
            server: ClusterId::new(text("server")),
            project: text("project").to_owned(),
            namespaces: crate::values::list(text("namespaces")),
            cluster_resources: text("clusterResources") == "true",
            config,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(data: &[(&str, &str)]) -> Result<ClusterSecret, ClusterSecretError> {
        ClusterSecret::parse(&data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_secret_reads_as_a_cluster() {
        let config =
            r#"{"bearerToken": "secret", "tlsClientConfig": {"insecure": false, "caData": "Y2E="}, "tomorrow": 1}"#;
        let cluster = parse(&[
            ("name", "prod"),
            ("server", "https://prod.example.com/"),
            ("namespaces", "a, b"),
            ("clusterResources", "true"),
            ("config", config),
        ])
        .unwrap();
        assert_eq!(cluster.server.as_str(), "https://prod.example.com");
        assert_eq!(cluster.namespaces, ["a", "b"]);
        assert!(cluster.cluster_resources);
        assert_eq!(cluster.config.tls_client_config.ca_data, "Y2E=");
        assert_eq!(cluster.config.bearer_token.reveal(), "secret");
        assert!(!format!("{cluster:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_cluster_says_why() {
        assert_eq!(parse(&[("name", "a")]), Err(ClusterSecretError::NoServer));
        let error = parse(&[("server", "https://a"), ("config", "{\"bearerToken\": secret}")]).unwrap_err();
        assert_eq!(error, ClusterSecretError::Config { line: 1, column: 17 });
        assert_eq!(parse(&[("server", "https://a")]).unwrap().name, "https://a");
    }
}
