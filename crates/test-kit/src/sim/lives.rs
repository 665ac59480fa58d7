//! Daemons that end, start and hand over; what they had sent may arrive after they are gone.

use std::sync::Arc;

use reconciler::{Effect, Event, Leadership};

use super::daemon::Daemon;
use super::world::World;

/// The name of the daemon that leads, as the others see it.
const HOLDER: &str = "other";

impl World {
    /// Kills the daemon, with what was on its way, and starts another.
    pub fn restart(&mut self) {
        let killed = std::mem::replace(&mut self.daemons[0], Daemon::new());
        self.strand(killed);
        self.begin(Leadership::Leading);
    }

    /// Starts a second daemon, which follows.
    pub fn stand_by(&mut self) {
        if self.daemons.len() > 1 {
            return;
        }
        self.daemons.push(Daemon::new());
        let following = Leadership::Following { holder: HOLDER.to_owned() };
        self.handle_at(1, vec![Event::Settings(Arc::clone(&self.settings)), Event::Leadership(following)]);
    }

    /// Tells how many daemons run.
    pub fn daemons(&self) -> usize {
        self.daemons.len()
    }

    /// Ends the daemon that leads; the one that follows leads from now on.
    pub fn hand_over(&mut self) {
        assert!(self.daemons.len() > 1, "nobody stands by");
        let old = self.daemons.remove(0);
        self.strand(old);
        self.handle_at(0, vec![Event::Leadership(Leadership::Leading)]);
    }

    /// Decides what becomes of the requests of a daemon that ends: they arrive at once, later, or never.
    fn strand(&mut self, ended: Daemon) {
        for effect in ended.waiting {
            if !matches!(effect, Effect::Request { .. } | Effect::Write { .. }) {
                continue;
            }
            match self.draw(3) {
                0 => {}
                1 => self.adrift.push(effect),
                _ => self.perform_unheard(effect),
            }
        }
    }

    /// Lets one request arrive whose sender is gone; false when there is none.
    pub(super) fn land(&mut self) -> bool {
        if self.adrift.is_empty() {
            return false;
        }
        let at = self.draw(self.adrift.len());
        let effect = self.adrift.swap_remove(at);
        self.perform_unheard(effect);
        true
    }
}
