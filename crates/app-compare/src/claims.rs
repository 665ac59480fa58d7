use application_api::ConditionType;
use kube_object::{InstanceName, ObjectKey};

use crate::{CompareInput, LiveRef};

/// How another Application stands to the one that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no such Application.
    Gone,
    /// It exists, but what it renders is not known yet.
    Unread,
    /// What it renders is known, and it was created before (by name, when at the same time).
    Older,
    /// What it renders is known, and it was created after.
    Younger,
}

/// Says how other Applications stand to the one that is compared.
pub trait Claims {
    /// Returns the standing of another Application.
    fn standing(&self, other: &InstanceName) -> Standing;
}

impl<F: Fn(&InstanceName) -> Standing> Claims for F {
    fn standing(&self, other: &InstanceName) -> Standing {
        self(other)
    }
}

/// Returns the Application that holds an object this one renders as well, so that this one does not touch it (decision
/// 9).
///
/// The holder is the one whose tracking id is on the live object, as long as it renders the object or what it renders
/// is not known. Of claimants to an object that nobody holds, the oldest is the holder.
pub(crate) fn holder(input: &CompareInput<'_>, key: &ObjectKey, live: Option<&LiveRef<'_>>) -> Option<InstanceName> {
    let renderers = input.live.renderers_of(key);
    match live.and_then(|live| live.tracking).map(|(instance, _)| instance) {
        Some(own) if own == input.instance => return None,
        Some(other) => {
            let holds = match input.claims.standing(other) {
                Standing::Gone => false,
                Standing::Unread => true,
                Standing::Older | Standing::Younger => renderers.contains(other),
            };
            if holds {
                return Some(other.clone());
            }
        }
        None => {}
    }
    let is_older = |other: &InstanceName| other != input.instance && input.claims.standing(other) == Standing::Older;
    renderers.into_iter().find(is_older)
}

/// Returns another Application that renders an object now; it is then handed over, never pruned.
pub(crate) fn heir(input: &CompareInput<'_>, key: &ObjectKey) -> Option<InstanceName> {
    input.live.renderers_of(key).into_iter().find(|other| other != input.instance)
}

/// Makes the warning that another Application has an object.
pub(crate) fn shared_warning(
    input: &CompareInput<'_>,
    key: &ObjectKey,
    other: &InstanceName,
) -> (ConditionType, String) {
    let (own, other) = (input.application, other.as_str().replace('_', "/"));
    let message =
        format!("{}/{} is part of applications {}/{} and {other}", key.kind, key.name, own.namespace, own.name);
    (ConditionType::SharedResourceWarning, message)
}
