//! What goes wrong with effects.

use kube_object::ApiError;
use reconciler::Effect;

use super::Schedule;
use crate::sim::rng::Rng;
use crate::sim::server::{conflict, error};
use crate::sim::world::{Fault, Faults};

impl Schedule {
    pub(super) fn touch_faults(&mut self) {
        if self.rng.one_in(2) {
            self.world.note("-- faults end");
            self.world.faults = Box::new(|_| None);
        } else {
            let odds = *self.rng.pick(&[2, 4, 9]);
            self.world.note(&format!("-- one effect in {odds} fails"));
            self.world.faults = drawn(self.rng.split(), odds);
        }
    }
}

/// Makes one effect in so many fail, in a way that its kind can.
fn drawn(mut rng: Rng, odds: usize) -> Faults {
    Box::new(move |effect| {
        if !rng.one_in(odds) {
            return None;
        }
        let is_change = matches!(effect, Effect::Request { .. } | Effect::Write { .. });
        Some(match rng.below(8) {
            0 | 1 if is_change => Fault::AnswerLost,
            2 if is_change => Fault::Refused(conflict()),
            3 if matches!(effect, Effect::Request { .. }) => Fault::Refused(error(422, "Invalid", "not now")),
            4 => {
                let busy = error(429, "TooManyRequests", "too many requests, please try again later");
                Fault::Refused(ApiError { retry_after: Some(1), ..busy })
            }
            5 => Fault::Refused(error(500, "InternalError", "an error on the server")),
            6 => {
                Fault::Refused(error(503, "ServiceUnavailable", "the server is currently unable to handle the request"))
            }
            _ => Fault::Refused(ApiError::no_answer("connection reset")),
        })
    })
}
