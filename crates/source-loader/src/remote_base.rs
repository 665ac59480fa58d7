//! How kustomizations write repositories: `https://host/org/repo//path?ref=v1` and its relatives.
//!
//! Source of the rules: Kustomize's documentation of remote targets, and its version 5.8.

use application_api::RepoUrl;

/// A directory of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteBase {
    pub(crate) repository: RepoUrl,
    /// Path in the repository; empty for its root.
    pub(crate) path: String,
    /// Branch, tag or commit; empty for the default branch.
    pub(crate) revision: String,
    /// The URL says where the repository ends, so that it can be no file.
    pub(crate) is_explicit: bool,
}

/// Segments of the path of a repository where nothing says how many there are: organisation and repository.
const SEGMENTS: usize = 2;

impl RemoteBase {
    /// Reads a URL; none when it can be no repository.
    pub(crate) fn parse(written: &str) -> Option<Self> {
        let (address, query) =
            written.split_once('?').map_or((written, None), |(address, query)| (address, Some(query)));
        let (host, rest) = split_host(address)?;
        let (repo, path, is_marked) = split_path(rest, host.starts_with("file://"))?;
        let path = path.trim_matches('/');
        if repo.is_empty() || path.split('/').next() == Some("..") {
            return None;
        }
        let revision = query.map(revision).unwrap_or_default();
        Some(Self {
            repository: RepoUrl::new(&format!("{host}{repo}")),
            path: path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/"),
            is_explicit: is_marked || !revision.is_empty() || !address.starts_with("http"),
            revision,
        })
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// Splits scheme, user and host off, in the form in which they are cloned.
fn split_host(address: &str) -> Option<(String, &str)> {
    let address = strip_prefix_ignoring_case(address, "git::").unwrap_or(address);
    let schemes = ["ssh://", "https://", "http://", "file://"];
    let scheme = schemes.into_iter().find(|scheme| strip_prefix_ignoring_case(address, scheme).is_some());
    let rest = scheme.map_or(address, |scheme| &address[scheme.len()..]);
    if scheme == Some("file://") {
        return Some(("file://".to_owned(), rest));
    }
    let (user, rest) = split_user(rest);
    let is_github = ["github.com/", "github.com:"].iter().any(|host| strip_prefix_ignoring_case(rest, host).is_some());
    let is_scp = scheme.is_none() && (!user.is_empty() || is_github);
    if scheme.is_none() && !is_scp {
        return None;
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|colon| is_scp && *colon > 0 && slash.is_none_or(|slash| *colon < slash));
    let end = colon.or(slash)?;
    let (host, rest) = rest.split_at(end + 1);
    if is_github {
        let host = if scheme == Some("ssh://") || !user.is_empty() {
            format!("{user}github.com:")
        } else {
            "https://github.com/".to_owned()
        };
        return Some((host, rest));
    }
    Some((format!("{}{user}{host}", scheme.unwrap_or_default()), rest))
}

/// Splits a user such as `git@` off.
fn split_user(text: &str) -> (&str, &str) {
    let Some(at) = text.find('@') else { return ("", text) };
    let name = &text.as_bytes()[..at];
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if is_name { text.split_at(at + 1) } else { ("", text) }
}

/// Splits the path of the repository from that in it; tells whether the URL marks where.
fn split_path(rest: &str, is_file: bool) -> Option<(&str, &str, bool)> {
    const GIT_ROOT: &str = "_git/";
    if let Some(at) = rest.find(GIT_ROOT) {
        let start = at + GIT_ROOT.len();
        let end = rest[start..].find('/').map_or(rest.len(), |end| start + end);
        return Some((&rest[..end], &rest[end..], true));
    }
    if let Some(at) = rest.find("//") {
        return Some((&rest[..at], &rest[at + 2..], true));
    }
    if let Some(at) = rest.find(".git") {
        let end = at + ".git".len();
        return Some((&rest[..end], &rest[end..], true));
    }
    if is_file {
        return Some((rest, "", false));
    }
    let mut slashes = rest.match_indices('/').map(|(at, _)| at);
    let end = slashes.nth(SEGMENTS - 1);
    let has_enough = end.is_some() || rest.matches('/').count() + 1 >= SEGMENTS;
    has_enough.then(|| rest.split_at(end.unwrap_or(rest.len()))).map(|(repo, path)| (repo, path, false))
}

/// Finds the revision in a query: `ref`, else `version`.
fn revision(query: &str) -> String {
    let value = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
    };
    value("ref").or_else(|| value("version")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_kustomize_reads_them() {
        for (written, expected) in [
            (
                "https://git.example/org/repo//deploy/base?ref=v1.2",
                "https://git.example/org/repo deploy/base v1.2 marked",
            ),
            (
                "https://git.example/org/repo/deploy/base?version=v1",
                "https://git.example/org/repo deploy/base v1 marked",
            ),
            ("https://git.example/org/repo/deploy.yaml", "https://git.example/org/repo deploy.yaml  "),
            ("https://git.example/org/repo.git/base", "https://git.example/org/repo.git base  marked"),
            ("https://git.example/a/b/c//x?ref=feature%2Fy&timeout=5", "https://git.example/a/b/c x feature/y marked"),
            (
                "https://dev.azure.com/org/project/_git/repo/base",
                "https://dev.azure.com/org/project/_git/repo base  marked",
            ),
            ("github.com/org/repo/base?ref=main", "https://github.com/org/repo base main marked"),
            ("GitHub.com/org/repo", "https://github.com/org/repo   marked"),
            ("git@github.com:org/repo.git//base", "git@github.com:org/repo.git base  marked"),
            ("ssh://git@github.com/org/repo", "git@github.com:org/repo   marked"),
            ("git@git.example:org/repo//base", "git@git.example:org/repo base  marked"),
            ("ssh://git@git.example:2222/org/repo.git", "ssh://git@git.example:2222/org/repo.git   marked"),
            ("git::https://git.example/org/repo", "https://git.example/org/repo   marked"),
            ("file:///srv/repo//base", "file:///srv/repo base  marked"),
            ("https://git.example/repo", ""),
            ("../base", ""),
            ("base", ""),
            ("https://git.example/org/repo//../x", ""),
        ] {
            let parsed = RemoteBase::parse(written).map(|base| {
                let RemoteBase { repository, path, revision, is_explicit } = base;
                format!("{} {path} {revision} {}", repository.as_str(), if is_explicit { "marked" } else { "" })
            });
            assert_eq!(parsed.unwrap_or_default(), expected, "{written}");
        }
    }
}
