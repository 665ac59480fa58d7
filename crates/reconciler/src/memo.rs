//! What dry runs and reads have answered, for a limited time (decision 5).

use std::collections::HashMap;

use app_compare::{Answers, DryRunAnswer};
use jiff::{SignedDuration, Timestamp};
use kube_object::{CompactObject, Digest, ObjectKey};

/// How long the answer of a dry run is believed: admission and the server itself may change without a trace (trap T15).
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug, Default)]
pub(crate) struct Memo {
    verdicts: HashMap<Digest, (DryRunAnswer, Timestamp)>,
    bodies: HashMap<ObjectKey, ReadBody>,
    now: Option<Timestamp>,
}

#[derive(Debug)]
struct ReadBody {
    resource_version: String,
    api_version: String,
    body: CompactObject,
}

impl Memo {
    /// Tells the time, so that answers that are too old are not given.
    pub(crate) fn at(&mut self, now: Timestamp) -> &Self {
        self.now = Some(now);
        self
    }

    pub(crate) fn remember(&mut self, memo: Digest, answer: DryRunAnswer, now: Timestamp) {
        // Old answers go when there are many: a sweep of the table now and then costs less than a clock for each.
        if self.verdicts.len() >= 1024 && self.verdicts.len().is_power_of_two() {
            self.verdicts.retain(|_, (_, at)| now.duration_since(*at) < LIFETIME);
        }
        self.verdicts.insert(memo, (answer, now));
    }

    pub(crate) fn remember_body(
        &mut self,
        key: ObjectKey,
        resource_version: String,
        api_version: String,
        body: CompactObject,
    ) {
        self.bodies.insert(key, ReadBody { resource_version, api_version, body });
    }

    /// Forgets bodies of objects; their Application is gone or reads everything again.
    pub(crate) fn forget_bodies<'a>(&mut self, keys: impl IntoIterator<Item = &'a ObjectKey>) {
        for key in keys {
            self.bodies.remove(key);
        }
    }

    /// Forgets all verdicts (`refresh: hard`).
    pub(crate) fn forget_verdicts(&mut self) {
        self.verdicts.clear();
    }
}

impl Answers for Memo {
    fn verdict(&self, memo: &Digest) -> Option<DryRunAnswer> {
        let (answer, at) = self.verdicts.get(memo)?;
        self.now.is_none_or(|now| now.duration_since(*at) < LIFETIME).then(|| answer.clone())
    }

    fn body(&self, key: &ObjectKey, resource_version: &str, api_version: &str) -> Option<CompactObject> {
        let read = self.bodies.get(key)?;
        (read.resource_version == resource_version && read.api_version == api_version).then(|| read.body.clone())
    }
}
