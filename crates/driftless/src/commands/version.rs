use super::Outcome;
use crate::cli::{TextOrJson, VersionArgs};
use crate::{output, version};

/// Prints versions.
pub(super) fn run(args: &VersionArgs) -> anyhow::Result<Outcome> {
    let info = version::version();
    if args.output == TextOrJson::Json {
        output::print(&output::json(&serde_json::to_value(&info)?))?;
        return Ok(Outcome::Done);
    }
    let lines = [
        ("driftless", &info.version),
        ("commit", &info.git_commit),
        ("built", &info.build_date),
        ("platform", &info.platform),
        ("kubernetes", &info.kubectl_version),
        ("kustomize", &info.kustomize_version),
        ("helm", &info.helm_version),
        ("jsonnet", &info.jsonnet_version),
    ];
    let shown = lines.iter().filter(|(_, version)| !version.is_empty());
    output::print(&output::lines(shown.map(|(name, version)| format!("{name} {version}"))))?;
    Ok(Outcome::Done)
}
