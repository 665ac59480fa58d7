//! When objects of a failed sync are tried out again.

use application_api::{Backoff, RetryStrategy};
use jiff::SignedDuration;

use super::model::*;
use crate::{failed_objects, next_trial, trial_wait};

#[test]
fn only_the_failed_objects_of_automated_syncs_are_tried_out() {
    let failed = || sync([new("Secret/a"), new("Secret/b").fails("denied"), new("ConfigMap/c").wave(1)]).run().state;
    let mut state = failed();
    assert_eq!(failed_objects(&state).len(), 0, "a person has asked for it");
    state.operation.initiated_by.automated = true;
    let names: Vec<&str> = failed_objects(&state).iter().map(|result| result.name.as_str()).collect();
    assert_eq!(names, ["b"]);
    let mut ended = state.clone();
    "Operation terminated".clone_into(&mut ended.message);
    assert_eq!(failed_objects(&ended).len(), 0, "somebody has ended it");
    let mut missing = sync([new("Secret/a").health(PENDING).vanishes(), new("Secret/b").wave(1)]).run().state;
    missing.operation.initiated_by.automated = true;
    assert_eq!(failed_objects(&missing).len(), 0, "it was accepted");
    let mut done = sync([new("Secret/a")]).run().state;
    done.operation.initiated_by.automated = true;
    assert_eq!(failed_objects(&done).len(), 0);
}

#[test]
fn waits_are_those_of_the_policy_and_grow_with_what_failed_again() {
    let policy = |longest: &str| RetryStrategy {
        backoff: Some(Backoff { max_duration: longest.to_owned(), ..Backoff::default() }),
        ..RetryStrategy::default()
    };
    let waits = |longest: &str| [0, 1, 2, 30].map(|started| trial_wait(Some(&policy(longest)), started).as_secs());
    assert_eq!(waits("10m"), [600, 1200, 2400, 3600]);
    assert_eq!(waits(""), [180, 360, 720, 3600]);
    assert_eq!(waits("0"), [180, 360, 720, 3600]);
    assert_eq!(waits("2h"), [7200, 7200, 7200, 7200]);
    assert_eq!(trial_wait(None, 0).as_secs(), 180);
    let later = START + SignedDuration::from_secs(500);
    assert_eq!(next_trial(None, 0, START, None), START + SignedDuration::from_secs(180));
    assert_eq!(next_trial(None, 0, START, Some(later)), later + SignedDuration::from_secs(180));
}
