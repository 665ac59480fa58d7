use http::Method;
use serde_json::Value;

/// A request to the API server.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, empty if there is none.
    pub query: String,
    /// The body, null if it is empty or not JSON.
    pub body: Value,
    /// What the API server answered, 0 before it has.
    pub status: u16,
}

impl ApiRequest {
    /// Tells whether it renews or takes a Lease, which goes on by itself.
    pub fn is_lease(&self) -> bool {
        self.path.contains("/leases")
    }

    /// Tells whether it opens a watch.
    pub fn is_watch(&self) -> bool {
        self.method == Method::GET && self.query.contains("watch=")
    }

    /// Tells whether it opens a watch or a list, which are shared by all applications.
    pub(crate) fn is_shared_read(&self) -> bool {
        self.is_watch() || self.method == Method::GET && self.query.contains("limit=")
    }

    /// Tells whether it changes something.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET && !self.query.contains("dryRun=") && !self.is_lease()
    }

    /// Tells whether the API server did what was asked.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Tells whether it is for an object of this name, or one whose name begins so, or an Event about such an object.
    pub fn names(&self, name: &str) -> bool {
        let about = self.body["involvedObject"]["name"].as_str().unwrap_or_default();
        about.starts_with(name) || self.path.split('/').any(|part| part.starts_with(name))
    }

    /// Tells whether it names this resource, in plural, also in a subresource.
    pub fn is_about(&self, resource: &str) -> bool {
        self.path.split('/').any(|part| part == resource)
    }
}

impl std::fmt::Display for ApiRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}?{} {}", self.method, self.path, self.query, self.status)
    }
}

/// Lists requests for a message, one a line.
pub fn listed(requests: &[ApiRequest]) -> String {
    let lines: Vec<String> = requests.iter().map(|request| format!("  {request}")).collect();
    lines.join("\n")
}
