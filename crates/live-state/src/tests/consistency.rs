//! Checks that every index says what the objects say.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Checks all indices against a walk over all slots.
pub(super) fn assert_consistent(state: &LiveState) {
    let (mut tracked, mut targets, mut slots, mut links) = (BTreeMap::new(), BTreeMap::new(), 0, 0);
    for (id, slot) in state.slots.iter() {
        slots += 1;
        let key = state.key(id);
        assert_eq!(state.find(&key), Some(id), "{key}");
        assert!(slot.live.is_some() || !slot.renderers.is_empty(), "{key} is kept for nothing");
        for renderer in &slot.renderers {
            targets.entry(renderer.clone()).or_insert_with(BTreeSet::new).insert(id);
        }
        let Some(live) = &slot.live else { continue };
        links += live.owners.iter().filter(|uid| !uid.is_empty()).count();
        if let Some(tracking) = &live.tracking {
            tracked.entry(tracking.instance.clone()).or_insert_with(BTreeSet::new).insert(id);
        }
        assert!(live.body == Body::NotHeld || slot.is_managed(), "the body of {key} is held for nobody");
        assert_eq!(live.fingerprint.is_some(), live.body != Body::NotHeld, "{key}");
    }
    assert_eq!(state.slots.indexed(), slots);
    assert_eq!(state.owned.len(), links);
    let known: BTreeSet<_> = tracked.keys().chain(targets.keys()).cloned().collect();
    assert_eq!(state.applications.keys().cloned().collect::<BTreeSet<_>>(), known);
    for (instance, application) in &state.applications {
        let of = |index: &BTreeMap<InstanceName, BTreeSet<u32>>| {
            index.get(instance).cloned().unwrap_or_default().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(application.tracked, of(&tracked), "{instance}");
        assert_eq!(application.targets, of(&targets), "{instance}");
    }
}
