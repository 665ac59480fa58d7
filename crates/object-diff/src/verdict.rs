use kube_object::Object;
use serde_json::Value;

use crate::managed_fields::Manager;
use crate::takeover::{Owned, Takeover};
use crate::walk::Walk;

/// What applying an object would do, as far as the two objects tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Same,
    /// No value changes, ownership does: in sync, and adopted by the next apply that changes something.
    OwnershipOnly(Vec<Doubt>),
    /// These fields change: another manager took them, and no known rewriting explains their values.
    Certain(Vec<FieldDifference>),
    /// Only the server can tell; each doubt may be a change.
    Doubt(Vec<Doubt>),
}

/// One field that differs between Git and the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDifference {
    /// Where, such as `.spec.template.spec.containers[name="web"].image`.
    pub path: String,
    /// What Git says; none when Git says nothing, the value is large, or the object is a Secret.
    pub desired: Option<Value>,
    /// What the cluster has; none as above.
    pub live: Option<Value>,
    /// Who owns the live value.
    pub owner: Option<Manager>,
}

/// One field of which the two objects do not tell whether applying would change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// Why it is not known.
    pub cause: DoubtCause,
    /// The field; `difference.path` is empty when the doubt is about the whole object.
    pub difference: FieldDifference,
    /// Keys of the field in `fieldsV1`, for a value that only a migration would give up.
    pub(crate) keys: Vec<String>,
}

/// Why it is not known whether a field would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DoubtCause {
    /// We own the value and Git has another: Git changed, or the server writes it in another form.
    Differs,
    /// Git has a value that we do not own; the live value is equal. Only ownership would change.
    NotOwnedEqual,
    /// Git has a value that we do not own; the live value is another.
    NotOwnedDiffers,
    /// Git has a value that we do not own and the cluster lacks.
    NotOwnedAbsent,
    /// Git has an empty value that we do not own and the cluster has none or another: the server leaves most of them out, or has a
    /// default.
    NotOwnedEmpty,
    /// We own a value that Git does not have: it goes, or back to its default.
    OwnedNotDesired,
    /// As above, but the value is ours only by the migration that is due, so a plain dry run does not tell.
    LegacyNotDesired,
    /// We own a value that Git does not have, but it stays: another manager owns it too, it is the default, or it is
    /// absent already. Only ownership would change.
    OwnedNotDesiredStays,
    /// Items of a keyed list stand in another order.
    Order,
    /// Items of a keyed list cannot be matched one to one.
    Ambiguous,
    /// The value has another type than the one that was applied.
    Shape,
    /// Values are equal, but another manager owns fields inside ours (trap T2).
    OwnedInside,
    /// Our entry was written in another version of the kind.
    AppliedInOtherVersion,
    /// The live object was read in another version than Git has (trap T17).
    ReadInOtherVersion,
}

impl DoubtCause {
    /// Tells whether values stay as they are and only ownership would change.
    pub fn is_ownership_only(self) -> bool {
        matches!(self, Self::NotOwnedEqual | Self::OwnedNotDesiredStays)
    }
}

/// Compares what is desired with what is live (server-side apply facts, section 1).
///
/// `desired` has gone through [`prepare`](crate::prepare). Entries of `live` that `takeover` claims count as ours.
pub fn verdict(desired: &Object, live: &Object, takeover: &Takeover) -> Verdict {
    if desired.api_version() != live.api_version() {
        return whole(DoubtCause::ReadInOtherVersion);
    }
    let owned = Owned::of(live, takeover);
    if !owned.api_version.is_empty() && owned.api_version != desired.api_version() {
        return whole(DoubtCause::AppliedInOtherVersion);
    }
    Walk::new(desired, live, &owned).run()
}

fn whole(cause: DoubtCause) -> Verdict {
    let difference = FieldDifference { path: String::new(), desired: None, live: None, owner: None };
    Verdict::Doubt(vec![Doubt { cause, difference, keys: Vec::new() }])
}

/// What the object in the response of an apply shows.
#[derive(Clone, Debug, PartialEq)]
pub enum AfterApply {
    /// The object is as Git says.
    Settled,
    /// The server stores these values in another form than Git has. Remember the pair as in sync; applying again
    /// changes nothing.
    Rewritten(Vec<Doubt>),
    /// One apply was not enough (traps T4, T9). Apply once more; if it still is not, report the difference and stop.
    ApplyAgain(Vec<Doubt>),
}

/// Judges the object that an apply of `desired` answered with, by the same walk.
pub fn after_apply(desired: &Object, response: &Object) -> AfterApply {
    match verdict(desired, response, &Takeover::none()) {
        Verdict::Same | Verdict::OwnershipOnly(_) => AfterApply::Settled,
        Verdict::Doubt(doubts) if doubts.iter().all(|doubt| doubt.cause == DoubtCause::Differs) => {
            AfterApply::Rewritten(doubts)
        }
        Verdict::Doubt(doubts) => AfterApply::ApplyAgain(doubts),
        Verdict::Certain(differences) => AfterApply::ApplyAgain(
            differences
                .into_iter()
                .map(|difference| Doubt { cause: DoubtCause::NotOwnedDiffers, difference, keys: Vec::new() })
                .collect(),
        ),
    }
}
