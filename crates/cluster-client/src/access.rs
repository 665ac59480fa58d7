use std::fmt::Write as _;

use kube_object::{ApiError, ApiResource, Object, Scope};

/// On whose authority a write is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ActingAs {
    /// The daemon's own.
    #[default]
    Daemon,
    /// A service account's. The API server adds the account's groups itself, so the daemon needs the verb `impersonate` on
    /// service accounts only.
    ServiceAccount {
        /// Namespace of the account.
        namespace: String,
        /// Name of the account.
        name: String,
    },
}

/// How much of an object the answer carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Detail {
    /// All of it.
    #[default]
    Full,
    /// `metadata` only (`PartialObjectMetadata`), under the object's own `apiVersion` and `kind`.
    MetadataOnly,
}

/// Whether a write is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DryRun {
    /// The write is made.
    #[default]
    No,
    /// The server does everything but store (`dryRun=All`).
    All,
}

/// What the server does about unknown and duplicate fields.
///
/// It hardly matters for apply, which fails on unknown fields whatever it says (server-side apply facts, section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FieldValidation {
    /// The request fails.
    Strict,
    /// The fields are dropped and the answer carries a warning: the server's default.
    #[default]
    Warn,
    /// The fields are dropped.
    Ignore,
}

impl FieldValidation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Warn => "Warn",
            Self::Ignore => "Ignore",
        }
    }
}

/// Which objects a list or watch covers; all when both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// A label selector, such as `app=web`; empty for none.
    pub labels: String,
    /// A field selector, such as `metadata.name=web`; empty for none.
    pub fields: String,
}

/// One object as requests address it.
#[derive(Clone, Copy, Debug)]
pub struct ObjectRef<'a> {
    /// Its kind, in the version to use.
    pub resource: &'a ApiResource,
    /// Namespace; ignored for cluster-scoped kinds.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

impl<'a> ObjectRef<'a> {
    /// Addresses an object by its own metadata.
    pub fn of(resource: &'a ApiResource, object: &'a Object) -> Self {
        Self { resource, namespace: object.namespace(), name: object.name() }
    }

    /// Returns the namespace as it stands in paths: empty for cluster-scoped kinds.
    pub(crate) fn path_namespace(&self) -> &'a str {
        match self.resource.scope {
            Scope::Namespaced => self.namespace,
            Scope::Cluster => "",
        }
    }

    /// Returns the path of the objects beside this one.
    pub(crate) fn collection(&self) -> Result<String, ApiError> {
        if self.resource.scope == Scope::Namespaced && self.namespace.is_empty() {
            let (kind, name) = (&self.resource.gvk.kind, self.name);
            return Err(unaddressable(format!(
                "{kind} {name} needs metadata.namespace, because the kind is namespaced"
            )));
        }
        collection_path(self.resource, self.path_namespace())
    }

    /// Returns the path of the object or of one of its subresources.
    pub(crate) fn path(&self, subresource: Option<&str>) -> Result<String, ApiError> {
        check_segment("name", self.name)?;
        let mut path = self.collection()?;
        path.push('/');
        escape(&mut path, self.name, SEGMENT);
        if let Some(subresource) = subresource {
            path.push('/');
            path.push_str(subresource);
        }
        Ok(path)
    }
}

/// Returns the path of a kind's objects, in one namespace or (empty) in all.
pub(crate) fn collection_path(resource: &ApiResource, namespace: &str) -> Result<String, ApiError> {
    let gvk = &resource.gvk;
    let mut path = if gvk.group.is_empty() {
        format!("/api/{}", gvk.version)
    } else {
        format!("/apis/{}/{}", gvk.group, gvk.version)
    };
    if resource.scope == Scope::Namespaced && !namespace.is_empty() {
        check_segment("namespace", namespace)?;
        path.push_str("/namespaces/");
        escape(&mut path, namespace, SEGMENT);
    }
    path.push('/');
    path.push_str(&resource.plural);
    Ok(path)
}

/// Refuses names that would address something else when put into a path, as every Kubernetes client does.
fn check_segment(field: &str, text: &str) -> Result<(), ApiError> {
    if text.is_empty() {
        return Err(unaddressable(format!("metadata.{field} is empty; give the object a {field}")));
    }
    if matches!(text, "." | "..") || text.contains(['/', '%']) {
        return Err(unaddressable(format!(
            "metadata.{field} {text:?} cannot be part of a request path; a {field} is not `.` or `..` and has no `/` or `%`"
        )));
    }
    Ok(())
}

fn unaddressable(message: String) -> ApiError {
    ApiError { code: 422, reason: "Invalid".to_owned(), ..ApiError::no_answer(message) }
}

/// Punctuation that may stand unescaped in a path segment (RFC 3986) beside letters, digits and `-._~`.
const SEGMENT: &[u8] = b":@!$&'()*+,;=";

fn escape(into: &mut String, text: &str, plain: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || plain.contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// The query of a request, in the order it is built.
#[derive(Default)]
pub(crate) struct Query(String);

impl Query {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        escape(&mut self.0, value, b"");
        self
    }

    pub(crate) fn with_some(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(name, value) }
    }

    pub(crate) fn with_selector(self, selector: &Selector) -> Self {
        self.with_some("labelSelector", &selector.labels).with_some("fieldSelector", &selector.fields)
    }

    pub(crate) fn with_dry_run(self, dry_run: DryRun) -> Self {
        match dry_run {
            DryRun::No => self,
            DryRun::All => self.with("dryRun", "All"),
        }
    }

    pub(crate) fn with_field_validation(self, validation: FieldValidation) -> Self {
        self.with("fieldValidation", validation.as_str())
    }

    pub(crate) fn after(self, mut path: String) -> String {
        path.push_str(&self.0);
        path
    }
}

#[cfg(test)]
mod tests;
