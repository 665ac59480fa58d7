use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The URL of a repository, which may hold credentials: `Display` and `Debug` never show them.
///
/// Source of the rules: Argo CD's URL normalisation (semantics, section 7.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepoUrl(Arc<str>);

impl RepoUrl {
    /// Takes a URL as written.
    pub fn new(url: &str) -> Self {
        Self(Arc::from(url))
    }

    /// Returns the URL as written, credentials included: for opening the repository, never for a log or a message.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether no URL was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the form in which URLs of the same repository are equal: lower case, without `ssh://`, a trailing `/` and
    /// `.git`; `git@host:path` becomes `git@host/path`.
    pub fn normalized(&self) -> Self {
        let lower = self.0.trim().to_lowercase();
        let address = match scp_path(&lower) {
            Some(colon) => format!("{}/{}", &lower[..colon], lower[colon + 1..].trim_start_matches('/')),
            None => lower,
        };
        let address = address.trim_end_matches('/');
        let address = address.strip_suffix(".git").unwrap_or(address).trim_end_matches('/');
        Self::new(address.strip_prefix("ssh://").unwrap_or(address))
    }

    /// Tells whether two URLs name the same repository; an empty URL names none.
    pub fn same_repository(&self, other: &Self) -> bool {
        let normalized = self.normalized();
        !normalized.is_empty() && normalized == other.normalized()
    }
}

impl Default for RepoUrl {
    fn default() -> Self {
        Self::new("")
    }
}

impl From<&str> for RepoUrl {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

/// Returns the position of the colon in `user@host:path`.
fn scp_path(url: &str) -> Option<usize> {
    if url.contains("://") {
        return None;
    }
    let at = url.find('@').filter(|at| !url[..*at].contains(['/', ':']))?;
    let colon = at + url[at..].find(':')?;
    (!url[at..colon].contains('/')).then_some(colon)
}

impl fmt::Display for RepoUrl {
    /// Writes the URL without user, password and query; the user of an SSH URL without a password stays, it is part of the
    /// address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        let (address, query) = rest.split_once(['?', '#']).map_or((rest, ""), |(address, _)| (address, "?***"));
        let authority_end = address.find('/').unwrap_or(address.len());
        let authority = &address[..authority_end];
        let user_end = match authority.rfind('@') {
            Some(at) if scheme.eq_ignore_ascii_case("ssh") && !authority[..at].contains(':') => None,
            Some(at) => Some(at),
            // A password with an unescaped slash: what looks like a port is not a number.
            None if authority.split_once(':').is_some_and(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit())) => {
                address.rfind('@')
            }
            None => None,
        };
        write!(f, "{scheme}://{}{query}", &address[user_end.map_or(0, |at| at + 1)..])
    }
}

impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl schemars::JsonSchema for RepoUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RepoUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_one_repository_have_one_normal_form() {
        for (url, expected) in [
            ("https://GitHub.com/Org/Repo.git", "https://github.com/org/repo"),
            ("https://github.com/org/repo/", "https://github.com/org/repo"),
            ("https://github.com/org/repo.git/", "https://github.com/org/repo"),
            (" https://github.com/org/repo ", "https://github.com/org/repo"),
            ("git@github.com:org/repo.git", "git@github.com/org/repo"),
            ("git@github.com:/org/repo", "git@github.com/org/repo"),
            ("ssh://git@github.com/org/repo", "git@github.com/org/repo"),
            ("ssh://git@host:2222/org/repo.git", "git@host:2222/org/repo"),
            ("https://user@host/org/a:b", "https://user@host/org/a:b"),
            ("/srv/git/repo.git", "/srv/git/repo"),
            ("file:///srv/git/repo", "file:///srv/git/repo"),
            ("oci://registry.example/charts", "oci://registry.example/charts"),
            ("", ""),
        ] {
            assert_eq!(RepoUrl::new(url).normalized().as_str(), expected, "{url}");
        }
        let scp = RepoUrl::new("git@host:org/repo");
        assert!(scp.same_repository(&RepoUrl::new("ssh://git@host/org/repo.git")));
        assert!(!scp.same_repository(&RepoUrl::new("https://host/org/repo")));
        assert!(!RepoUrl::default().same_repository(&RepoUrl::default()));
    }

    #[test]
    fn credentials_are_never_printed() {
        for (url, expected) in [
            ("https://user:secret@host/repo", "https://host/repo"),
            ("https://secret@host:8443/repo", "https://host:8443/repo"),
            ("https://user:se/cret@host/repo", "https://host/repo"),
            ("https://user:se@cret@host/repo", "https://host/repo"),
            ("https://host/repo?private_token=secret", "https://host/repo?***"),
            ("https://host:8443/@scope/repo", "https://host:8443/@scope/repo"),
            ("ssh://git:secret@host/repo", "ssh://host/repo"),
            ("ssh://git@host/repo", "ssh://git@host/repo"),
            ("git@host:org/repo", "git@host:org/repo"),
            ("/srv/git", "/srv/git"),
        ] {
            let url = RepoUrl::new(url);
            assert_eq!(url.to_string(), expected);
            assert_eq!(format!("{url:?}"), expected);
        }
    }
}
