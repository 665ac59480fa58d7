//! Where the guard against large prunes takes its rules from: the Application, its project, the settings.

use std::collections::BTreeMap;

use application_api::constants::{APPROVE_PRUNE_ANNOTATION, MAX_PRUNE_ANNOTATION, PRUNE_APPROVAL_KINDS_ANNOTATION};
use application_api::{Application, MaxPrune, PrunedKind};
use sync_plan::PruneGuard;

use crate::app::View;
use crate::spec::Spec;
use crate::state::State;

/// What annotations say of prunes.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuardRules {
    pub(crate) most: Option<MaxPrune>,
    pub(crate) kinds: Vec<PrunedKind>,
}

impl GuardRules {
    /// Reads the annotations of an Application or AppProject; an error names the annotation.
    pub(crate) fn read(annotations: &BTreeMap<String, String>) -> Result<Self, String> {
        let most = annotations.get(MAX_PRUNE_ANNOTATION).map(|text| MaxPrune::parse(text)).transpose();
        let kinds = annotations.get(PRUNE_APPROVAL_KINDS_ANNOTATION).map(|text| PrunedKind::parse_list(text));
        Ok(Self {
            most: most.map_err(|error| format!("annotation {MAX_PRUNE_ANNOTATION}: {error}"))?,
            kinds: kinds
                .transpose()
                .map_err(|error| format!("annotation {PRUNE_APPROVAL_KINDS_ANNOTATION}: {error}"))?
                .unwrap_or_default(),
        })
    }
}

impl State {
    /// Puts the guard of an operation together: of numbers the most specific counts, of kinds all do.
    pub(crate) fn prune_guard(&self, application: &Application, spec: &Spec, view: &View) -> PruneGuard {
        let annotations = &application.metadata.annotations;
        let own = GuardRules::read(annotations).unwrap_or_default();
        let project = &spec.project.guard;
        let settings = self.settings.as_ref();
        let mut kinds = own.kinds;
        kinds.extend(project.kinds.iter().cloned());
        kinds.extend(settings.iter().flat_map(|settings| settings.prune_approval_kinds.iter().cloned()));
        PruneGuard {
            most: own.most.or(project.most).or(settings.and_then(|settings| settings.max_prune)),
            kinds,
            render: view.rendered.as_ref().map(|rendered| rendered.digest),
            approved: annotations.get(APPROVE_PRUNE_ANNOTATION).cloned(),
        }
    }
}
