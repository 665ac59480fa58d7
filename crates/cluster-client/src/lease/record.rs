use std::time::Duration;

use jiff::Timestamp;
use kube_object::Object;
use serde_json::{Value, json};

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who holds the lease; empty when nobody does.
    pub holder: String,
    /// How long the lease is valid after it was last renewed; whole seconds.
    pub duration: Duration,
    /// When the holder took it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// When the holder last renewed it, by the holder's clock: never compared with another clock.
    pub renewed: Option<Timestamp>,
    /// How many times the holder has changed.
    pub transitions: i64,
}

impl LeaseRecord {
    /// Reads a Lease; fields that are absent or of the wrong type read as empty.
    pub fn of(lease: &Object) -> Self {
        let field = |name| lease.get(&["spec", name]);
        let time = |name| field(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let text = |name| field(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name| field(name).and_then(Value::as_i64).unwrap_or_default();
        Self {
            holder: text("holderIdentity"),
            duration: Duration::from_secs(u64::try_from(number("leaseDurationSeconds")).unwrap_or_default()),
            acquired: time("acquireTime"),
            renewed: time("renewTime"),
            transitions: number("leaseTransitions"),
        }
    }

    /// Writes the record into a Lease; other fields of its spec stay.
    pub fn write_into(&self, lease: &mut Object) {
        let time = |at: Option<Timestamp>| at.map_or(Value::Null, |at| Value::from(format!("{at:.6}")));
        let spec = lease.fields_mut().entry("spec").or_insert_with(|| json!({}));
        if !spec.is_object() {
            *spec = json!({});
        }
        spec["holderIdentity"] = Value::from(self.holder.as_str());
        spec["leaseDurationSeconds"] = Value::from(self.duration.as_secs());
        spec["acquireTime"] = time(self.acquired);
        spec["renewTime"] = time(self.renewed);
        spec["leaseTransitions"] = Value::from(self.transitions);
    }

    /// Returns the record of `me` taking or renewing the lease at a time of its own clock.
    pub fn held_by(&self, me: &str, duration: Duration, now: Timestamp) -> Self {
        let (acquired, transitions) = if self.holder == me {
            (self.acquired, self.transitions)
        } else {
            (Some(now), self.transitions.saturating_add(1))
        };
        Self { holder: me.to_owned(), duration, acquired, renewed: Some(now), transitions }
    }

    /// Returns the record of a lease that its holder gives up: anyone may take it at once.
    pub fn released(&self, now: Timestamp) -> Self {
        // The API server wants a positive duration.
        let duration = Duration::from_secs(1);
        Self { holder: String::new(), duration, acquired: Some(now), renewed: Some(now), transitions: self.transitions }
    }
}
