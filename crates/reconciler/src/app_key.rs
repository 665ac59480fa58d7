use std::fmt;
use std::sync::Arc;

use kube_object::InstanceName;

/// The identity of an Application: namespace and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppKey {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl AppKey {
    /// Makes a key.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: Arc::from(namespace), name: Arc::from(name) }
    }

    /// Returns the key of the Application that a tracking value names.
    pub fn of_instance(instance: &InstanceName, control: &str) -> Self {
        let (namespace, name) = instance.namespace_and_name(control);
        Self::new(namespace, name)
    }

    /// Returns the name of the Application in tracking values.
    pub fn instance(&self, control: &str) -> InstanceName {
        InstanceName::of(&self.namespace, &self.name, control)
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names one request, render or write, so that its outcome finds its way back and a late one is recognised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);
