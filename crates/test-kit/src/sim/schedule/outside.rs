//! What Git, watches and daemons do.

use kube_object::Gvk;
use reconciler::RenderFailure;

use super::Schedule;
use super::plan::APPS;
use super::shape::Edits;
use crate::sim::rng::Rng;

impl Schedule {
    pub(super) fn touch_git(&mut self) {
        let app = *self.rng.pick(&APPS);
        match self.rng.below(6) {
            0 => {
                let fails = self.rng.one_in(2);
                self.world.note(&format!("-- the repository fails: {fails}"));
                self.world.git.failure = fails.then(|| "connection refused".to_owned());
            }
            1 => {
                let commit = self.some_commit();
                self.world.note(&format!("-- polls name {commit:?}"));
                self.world.git.lie = commit;
            }
            2 => {
                let Some(commit) = self.some_commit() else { return };
                self.world.note(&format!("-- the branch is moved to {commit}"));
                self.world.git.reset(&commit);
            }
            // What is missing or not YAML is in no desired set: whoever had it before may prune it.
            3 if self.shape.edits == Edits::Specs => {
                self.world.note(&format!("-- {app} is missing in Git"));
                self.world.git.remove(app);
            }
            kind => {
                let failure = if kind == 5 && self.shape.edits == Edits::Specs {
                    RenderFailure::Content("all.yaml:3: not YAML".to_owned())
                } else {
                    RenderFailure::Unavailable("the commit cannot be read".to_owned())
                };
                self.world.note(&format!("-- the render of {app} changes: {failure:?}"));
                if self.world.git.broken.remove(app).is_none() {
                    self.world.git.broken.insert(app.to_owned(), failure);
                }
            }
        }
    }

    /// Draws a commit of the past; none half of the time.
    fn some_commit(&mut self) -> Option<String> {
        let names: Vec<String> = self.world.git.names().map(str::to_owned).collect();
        self.rng.one_in(2).then(|| self.rng.pick(&names).clone())
    }

    pub(super) fn touch_watches(&mut self) {
        let gvk = kind(&mut self.rng);
        match self.rng.below(7) {
            6 => {
                let hidden = self.rng.one_in(2);
                self.world.note(&format!("-- discovery does not reach example.com: {hidden}"));
                self.world.server.unreachable = if hidden { vec!["example.com/v1".to_owned()] } else { Vec::new() };
            }
            0 | 1 => {
                self.world.note(&format!("-- the watch of {} breaks", gvk.kind));
                self.world.break_watch(&gvk);
            }
            2 | 3 => {
                self.world.note(&format!("-- the watch of {} is dropped", gvk.kind));
                self.world.drop_watch(&gvk);
            }
            _ => {
                let seconds = *self.rng.pick(&[1, 20, 90]);
                self.world.note(&format!("-- the watch of {} lags {seconds} s", gvk.kind));
                self.world.lag(&gvk, seconds);
            }
        }
    }

    pub(super) fn touch_daemons(&mut self) {
        match self.rng.below(4) {
            0 if self.world.daemons() > 1 => {
                self.world.note("-- hand-over");
                self.world.hand_over();
            }
            0 | 1 => {
                self.world.note("-- another daemon stands by");
                self.world.stand_by();
            }
            _ => {
                // In the middle of things, so that any effect can be the last.
                for _ in 0..self.rng.below(8) {
                    self.world.step();
                }
                self.world.note("-- the daemon is killed and started");
                self.world.restart();
            }
        }
    }
}

fn kind(rng: &mut Rng) -> Gvk {
    let (group, version, kind) = *rng.pick(&[
        ("", "v1", "ConfigMap"),
        ("", "v1", "ConfigMap"),
        ("argoproj.io", "v1alpha1", "Application"),
        ("argoproj.io", "v1alpha1", "Application"),
        ("argoproj.io", "v1alpha1", "AppProject"),
        ("apps", "v1", "Deployment"),
        ("", "v1", "ServiceAccount"),
        ("", "v1", "Namespace"),
        ("example.com", "v1", "Widget"),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    ]);
    Gvk::new(group, version, kind)
}
