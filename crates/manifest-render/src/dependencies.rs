//! Charts that a chart in a repository depends on and does not bring along: what `helm dependency build` would get for it.

use git_source::EntryMode;
use kube_object::Digest;
use kube_yaml::decode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lookups::Recorder;
use crate::supplies::{Elsewhere, Need, Wants};
use crate::symlinks::{Resolved, join, resolve};
use crate::worker::HelmDependency;
use crate::{RenderError, RenderLimits};

/// A dependency as `Chart.yaml` and `Chart.lock` write it; the order of the fields is that of Helm's digest of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Dependency {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    repository: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    import_values: Vec<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    alias: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    dependencies: Vec<Dependency>,
    digest: String,
}

/// Files that list dependencies, with their locks: those of charts of today, then those of `apiVersion: v1`.
const FILES: [(&str, &str); 2] = [("Chart.yaml", "Chart.lock"), ("requirements.yaml", "requirements.lock")];

/// Finds the dependencies of the chart in a directory. What has to be got first is added to `wants`.
pub(crate) fn find(
    recorder: &mut Recorder<'_>,
    directory: &str,
    elsewhere: &Elsewhere,
    limits: &RenderLimits,
    wants: &mut Wants,
) -> Result<Vec<HelmDependency>, RenderError> {
    let mut found = Vec::new();
    let brought = brought(recorder, directory)?;
    for dependency in listed(recorder, directory, limits)? {
        let Dependency { name, version, repository, .. } = dependency;
        if is_brought(&brought, &name) {
            // What is committed is what was meant.
            continue;
        }
        if let Some(local) = repository.strip_prefix("file://") {
            found.push(HelmDependency { path: local_chart(recorder, directory, &name, local)?, name });
        } else if repository.contains("://") {
            let need = Need::Chart { repository: repository.as_str().into(), name: name.clone(), version };
            match elsewhere.path_of(&need) {
                Some(Ok(path)) => found.push(HelmDependency { path: format!("/{path}"), name }),
                Some(Err(unmet)) => return Err(unmet.into()),
                None => wants.add(need),
            }
        } else if !repository.is_empty() {
            let problem = "names a repository that Helm was told of on a machine; write its URL";
            return Err(failed(directory, format!("dependency {name}: {repository} {problem}")));
        }
    }
    Ok(found)
}

/// Returns the names in the directory of the charts that a chart brings along.
fn brought(recorder: &mut Recorder<'_>, directory: &str) -> Result<Vec<String>, RenderError> {
    let charts = join(directory, "charts").unwrap_or_default();
    let Resolved::Found(at, EntryMode::Directory, _) = resolve(recorder, &charts)? else { return Ok(Vec::new()) };
    Ok(recorder.list_all(&at)?.into_iter().map(|(name, _)| name).collect())
}

/// Tells whether a chart is there as a directory or as an archive.
fn is_brought(names: &[String], chart: &str) -> bool {
    let is_archive = |name: &str| {
        let version = name.strip_suffix(".tgz").and_then(|name| name.strip_prefix(chart)?.strip_prefix('-'));
        version.is_some_and(git_source::is_version)
    };
    names.iter().any(|name| name == chart || is_archive(name))
}

/// Returns what has to be got: what the lock says, else what the chart asks for.
fn listed(recorder: &mut Recorder<'_>, directory: &str, limits: &RenderLimits) -> Result<Vec<Dependency>, RenderError> {
    for (list, lock) in FILES {
        let Some(asked) = read(recorder, directory, list, limits)?.filter(|read| !read.dependencies.is_empty()) else {
            continue;
        };
        let Some(locked) = read(recorder, directory, lock, limits)? else { return Ok(asked.dependencies) };
        // Locks of requirements may be Helm 2's, which were digested in another way.
        if list == "Chart.yaml" && locked.digest != digest(&asked.dependencies, &locked.dependencies) {
            let problem = format!(
                "the lock file ({lock}) is out of sync with the dependencies file ({list}); run `helm dependency update` and commit it"
            );
            return Err(failed(directory, problem));
        }
        return Ok(locked.dependencies);
    }
    Ok(Vec::new())
}

/// Digests what a chart asks for and what its lock says, as Helm does.
fn digest(asked: &[Dependency], locked: &[Dependency]) -> String {
    // Both are plain data: they always have a JSON. Go writes these three characters as escapes.
    let json = serde_json::to_string(&[asked, locked]).unwrap_or_default();
    let json = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    Digest::of_bytes(json.as_bytes()).to_string()
}

fn read(
    recorder: &mut Recorder<'_>,
    directory: &str,
    name: &str,
    limits: &RenderLimits,
) -> Result<Option<Listed>, RenderError> {
    let path = join(directory, name).unwrap_or_default();
    let Resolved::Found(at, mode, entry) = resolve(recorder, &path)? else { return Ok(None) };
    if !mode.is_file() {
        return Ok(None);
    }
    let bytes = recorder.content(&at, &entry, limits.file_bytes)?;
    let mut documents =
        decode(&path, &bytes, &limits.decoding()).map_err(|error| failed(directory, error.to_string()))?;
    if documents.is_empty() {
        return Ok(Some(Listed::default()));
    }
    let listed = serde_json::from_value(documents.swap_remove(0).value);
    listed.map(Some).map_err(|error| failed(directory, format!("{name}: {error}")))
}

/// Finds a chart in the same repository.
fn local_chart(recorder: &mut Recorder<'_>, directory: &str, name: &str, local: &str) -> Result<String, RenderError> {
    let written = |problem: &str| failed(directory, format!("dependency {name}: file://{local} {problem}"));
    let Some(path) = join(directory, local).filter(|path| recorder.mount_of(path) == recorder.mount_of(directory))
    else {
        return Err(written("leads out of the repository; move the chart into it"));
    };
    match resolve(recorder, &path)? {
        Resolved::Found(at, EntryMode::Directory, _) => Ok(format!("/{at}")),
        _ => Err(written("is no directory; correct the path")),
    }
}

fn failed(directory: &str, problem: String) -> RenderError {
    RenderError::Dependencies { chart: directory.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supplies::Supply;
    use crate::tests::mem_tree::MemTree;

    /// Finds the dependencies of the chart `charts/web`: what the worker is given, then what is wanted.
    fn found(files: &[(&str, &str)], elsewhere: &Elsewhere) -> Result<String, String> {
        let tree = MemTree::new(files);
        let mut wants = Wants::default();
        let limits = RenderLimits::default();
        let given = find(&mut Recorder::new(&tree), "charts/web", elsewhere, &limits, &mut wants);
        let given = given.map_err(|error| error.to_string())?;
        let given = given.iter().map(|dependency| format!("{}={}", dependency.name, dependency.path));
        let wants = wants.into_needs().into_iter().map(|need| format!("want {need}"));
        Ok(given.chain(wants).collect::<Vec<_>>().join(", "))
    }

    const CHART: &str = "dependencies:\n- {name: common, version: '>=1.0.0', repository: https://charts.example}\n\
        - {name: lib, version: 0.1.0, repository: file://../lib}\n- {name: here, version: 1.0.0, repository: ''}\n";
    const LIB: (&str, &str) = ("charts/lib/Chart.yaml", "name: lib\n");

    #[test]
    fn the_lock_says_what_is_got_else_the_chart_does() {
        let chart = ("charts/web/Chart.yaml", CHART);
        let none = Elsewhere::default();
        assert_eq!(
            found(&[chart, LIB], &none),
            Ok("lib=/charts/lib, want chart common >=1.0.0 of https://charts.example".to_owned())
        );
        // Made by `helm dependency update` with such a chart.
        let lock = "dependencies:\n- name: common\n  repository: https://charts.example\n  version: 1.2.3\n\
            - name: lib\n  repository: file://../lib\n  version: 0.1.0\n- name: here\n  repository: ''\n  version: 1.0.0\n";
        let asked: Listed = serde_json::from_value(
            decode("a", CHART.as_bytes(), &RenderLimits::default().decoding()).unwrap().remove(0).value,
        )
        .unwrap();
        let locked: Listed = serde_json::from_value(
            decode("a", lock.as_bytes(), &RenderLimits::default().decoding()).unwrap().remove(0).value,
        )
        .unwrap();
        let digest = digest(&asked.dependencies, &locked.dependencies);
        let locked = format!("{lock}digest: {digest}\n");
        let need = Need::Chart {
            repository: "https://charts.example".into(),
            name: "common".to_owned(),
            version: "1.2.3".to_owned(),
        };
        let supply = Supply::File { name: "common-1.2.3.tgz".to_owned(), content: (*b"x").into() };
        let got = Elsewhere { supplies: [(need, supply)].into(), ..Elsewhere::default() };
        assert_eq!(
            found(&[chart, ("charts/web/Chart.lock", &locked), LIB], &got),
            Ok("common=/.driftless/charts/0/common-1.2.3.tgz, lib=/charts/lib".to_owned())
        );
        let stale = format!("{lock}digest: sha256:00\n");
        let error = found(&[chart, ("charts/web/Chart.lock", &stale), LIB], &none).unwrap_err();
        assert_eq!(
            error,
            "charts/web: the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml); run `helm dependency update` and commit it"
        );
    }

    #[test]
    fn what_a_chart_brings_along_is_not_got() {
        let chart = ("charts/web/Chart.yaml", CHART);
        for file in ["common/Chart.yaml", "common-1.2.3.tgz", "common-v1.2.3-rc.1.tgz"] {
            let file = format!("charts/web/charts/{file}");
            let given = found(&[chart, LIB, (&file, "x")], &Elsewhere::default());
            assert_eq!(given, Ok("lib=/charts/lib".to_owned()), "{file}");
        }
        let other = found(&[chart, LIB, ("charts/web/charts/common-base-1.2.3.tgz", "x")], &Elsewhere::default());
        assert!(other.unwrap().contains("want chart common"));
    }

    #[test]
    fn dependencies_that_lead_nowhere_are_named() {
        for (repository, expected) in [
            ("file://../gone", "charts/web: dependency a: file://../gone is no directory; correct the path"),
            (
                "file://../../../x",
                "charts/web: dependency a: file://../../../x leads out of the repository; move the chart into it",
            ),
            (
                "'@stable'",
                "charts/web: dependency a: @stable names a repository that Helm was told of on a machine; write its URL",
            ),
        ] {
            let chart = format!("dependencies: [{{name: a, version: 1.0.0, repository: {repository}}}]\n");
            let error = found(&[("charts/web/Chart.yaml", &chart)], &Elsewhere::default()).unwrap_err();
            assert_eq!(error, expected);
        }
    }
}
