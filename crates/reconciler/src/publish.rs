//! What readers are shown of an Application.

use application_api::Reason;
use jiff::Timestamp;
use kube_object::Digest;

use crate::app::AppState;
use crate::state::State;
use crate::{Effect, Published};

impl State {
    /// Shows an Application to readers, when what they see has changed.
    pub(crate) fn publish(&mut self, app: &mut AppState, _now: Timestamp) {
        let why = explanations(app);
        let verified = Some(app.main.verified.clone()).filter(|commit| !commit.is_empty());
        let parts: Vec<String> = why.iter().map(|line| format!("{line:?}")).collect();
        let digest = Digest::of_parts(
            [app.reading.object().as_bytes(), verified.as_deref().unwrap_or_default().as_bytes()]
                .into_iter()
                .chain(parts.iter().map(String::as_bytes)),
        );
        if app.published == Some(digest) {
            return;
        }
        app.published = Some(digest);
        let sources = app.reading.facts().and_then(|facts| facts.sources.as_ref());
        let repo = sources.and_then(|sources| sources.all().first()).map(|source| source.repo_url.normalized());
        self.effects.push(Effect::Publish(Box::new(Published {
            app: app.key.clone(),
            object: app.reading.object().clone(),
            verified_revision: verified,
            repo,
            why,
        })));
    }
}

/// Explains the Application, then each object that is not simply as Git says.
pub(crate) fn explanations(app: &AppState) -> Vec<(Option<Box<str>>, Reason)> {
    let mut lines: Vec<(Option<Box<str>>, Reason)> = app.reason.iter().map(|reason| (None, reason.clone())).collect();
    let resources = app.running_view().comparison.iter().flat_map(|comparison| &comparison.resources);
    for resource in resources {
        lines.push((Some(resource.key.to_string().into_boxed_str()), resource.reason.clone()));
    }
    lines
}
