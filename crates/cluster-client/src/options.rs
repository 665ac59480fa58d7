use std::time::Duration;

/// Limits of one connection to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How long one request may take, its answer included, unless it says otherwise.
    pub request_deadline: Duration,
    /// How many requests may be under way at once; watches do not count. At least 1.
    pub concurrency: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { request_deadline: Duration::from_secs(30), concurrency: 50 }
    }
}
