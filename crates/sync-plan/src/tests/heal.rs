use jiff::{SignedDuration, Timestamp};

use super::model::START;
use crate::{HealBackoff, HealState};

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// Heals as soon as allowed, `fights` times, the other side changing the object back after `seconds`; returns the waits.
fn fight(mut state: HealState, fights: usize, seconds: i64, backoff: HealBackoff) -> (HealState, Vec<i64>) {
    let mut now = START;
    let mut waits = Vec::new();
    for _ in 0..fights {
        now = (now + SignedDuration::from_secs(seconds)).max(state.allowed_at());
        state = state.healed(now, backoff);
        waits.push(state.allowed_at().duration_since(now).as_secs());
    }
    (state, waits)
}

#[test]
fn heals_are_free_at_first_and_then_wait_longer_each_time() {
    let (state, waits) = fight(HealState::default(), 32, 0, HealBackoff::default());
    assert_eq!(waits[..24], [0; 24]);
    assert_eq!(waits[24..], [2, 6, 18, 54, 162, 300, 300, 300]);
    assert!(state.is_fought_over());
}

#[test]
fn rare_changes_are_healed_at_once_for_ever() {
    let (state, waits) = fight(HealState::default(), 500, 6, HealBackoff::default());
    assert!(waits.iter().all(|wait| *wait == 0), "{waits:?}");
    assert!(!state.is_fought_over());
}

#[test]
fn quiet_time_ends_the_fight() {
    let (state, waits) = fight(HealState::default(), 27, 0, HealBackoff::default());
    assert_eq!(waits[24..], [2, 6, 18]);
    let allowed = state.allowed_at();
    let after = |quiet: i64| {
        let now = allowed + SignedDuration::from_secs(quiet);
        state.healed(now, HealBackoff::default()).allowed_at().duration_since(now).as_secs()
    };
    assert_eq!([after(0), after(4), after(9), after(10), after(1000)], [54, 54, 54, 0, 0]);
    let quiet = |seconds: i64| allowed + SignedDuration::from_secs(seconds);
    assert!(!state.is_forgotten(allowed));
    assert!(!state.is_forgotten(quiet(60)));
    assert!(state.is_forgotten(quiet(200)));
    assert!(HealState::default().is_forgotten(START));
}

#[test]
fn a_clock_that_goes_back_gives_no_heals() {
    let (state, _) = fight(HealState::default(), 24, 0, HealBackoff::default());
    assert!(state.healed(at(-3600), HealBackoff::default()).is_fought_over());
}

#[test]
fn settings_out_of_bounds_do_no_harm() {
    let huge = HealBackoff { initial: SignedDuration::MAX, factor: i32::MAX, cap: SignedDuration::MAX };
    let (state, _) = fight(HealState::default(), 25, 0, huge);
    assert_eq!(state.allowed_at(), Timestamp::MAX);
    let none = HealBackoff { initial: SignedDuration::ZERO, factor: 0, cap: SignedDuration::ZERO };
    assert_eq!(fight(HealState::default(), 99, 0, none).1, [0; 99]);
}
