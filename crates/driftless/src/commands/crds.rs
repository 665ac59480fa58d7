use super::Outcome;
use crate::output;

/// Prints the CRDs as YAML documents.
pub(super) fn run() -> anyhow::Result<Outcome> {
    let documents: Vec<String> = application_api::crds().iter().map(kube_yaml::to_yaml).collect();
    output::print(&documents.join("---\n"))?;
    Ok(Outcome::Done)
}
