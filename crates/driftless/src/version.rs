//! What was built.

use api_server::VersionInfo;

/// Version of the Kubernetes API that the daemon was built for.
const KUBERNETES: &str = "v1.36";

/// Returns the versions; the commit is given to the compiler as `DRIFTLESS_COMMIT`, the date as `DRIFTLESS_BUILD_DATE`.
pub(crate) fn version() -> VersionInfo {
    VersionInfo {
        version: format!("v{}", env!("CARGO_PKG_VERSION")),
        build_date: option_env!("DRIFTLESS_BUILD_DATE").unwrap_or_default().to_owned(),
        git_commit: option_env!("DRIFTLESS_COMMIT").unwrap_or_default().to_owned(),
        compiler: "rustc".to_owned(),
        platform: format!("{}/{}", std::env::consts::OS, architecture(std::env::consts::ARCH)),
        kubectl_version: KUBERNETES.to_owned(),
        helm_version: manifest_render::HELM_VERSION.to_owned(),
        jsonnet_version: manifest_render::JSONNET_VERSION.to_owned(),
        kustomize_version: manifest_render::KUSTOMIZE_VERSION.to_owned(),
        ..VersionInfo::default()
    }
}

/// Returns the name that clients of Argo CD know the architecture by.
fn architecture(name: &'static str) -> &'static str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
