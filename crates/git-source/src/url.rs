use std::path::PathBuf;

use application_api::RepoUrl;

use crate::GitError;

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A repository on this machine, at its path.
    Disk(PathBuf),
    /// A server that speaks the smart HTTP protocol.
    Http,
}

/// Finds out how to reach a repository from its URL.
pub(crate) fn place(url: &RepoUrl) -> Result<Place, GitError> {
    let text = url.as_str();
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("https://") || lower.starts_with("http://") {
        return Ok(Place::Http);
    }
    if lower.starts_with("file://") {
        let rest = &text["file://".len()..];
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        return match percent_decoded(path).filter(|path| path.starts_with('/')) {
            Some(path) => Ok(Place::Disk(path.into())),
            None => Err(unsupported(url, "a file:// URL needs an absolute path, as in file:///srv/repository.git")),
        };
    }
    if text.starts_with('/') {
        return Ok(Place::Disk(text.into()));
    }
    let scheme = if text.contains("://") { text.split("://").next().unwrap_or_default() } else { "ssh" };
    let detail = match scheme {
        "ssh" | "git+ssh" | "ssh+git" => "SSH is not supported yet; use an http://, https:// or file:// URL".to_owned(),
        other => format!("`{other}://` is not supported; use an http://, https:// or file:// URL"),
    };
    Err(unsupported(url, detail))
}

fn unsupported(url: &RepoUrl, detail: impl Into<String>) -> GitError {
    GitError::Unsupported { url: url.clone(), detail: detail.into() }
}

/// Decodes `%XX`, as Git does for every URL; `None` when the result is not UTF-8 or holds a NUL.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| tail.get(..2)).flatten();
        let decoded = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Removes what the URL holds of credentials from a text that may quote it.
pub(crate) fn redacted(url: &RepoUrl, text: &str) -> String {
    let shown = url.to_string();
    let mut text = text.replace(url.as_str(), &shown);
    let Some((address, shown)) = url.as_str().split_once("://").map(|(_, rest)| rest).zip(shown.split_once("://"))
    else {
        return text;
    };
    let (address, query) = address.split_once(['?', '#']).unwrap_or((address, ""));
    let shown = shown.1.trim_end_matches("?***");
    let user = address.strip_suffix(shown).unwrap_or_default().trim_end_matches('@');
    for secret in [user, query].into_iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<Place, &str>) {
        let place = place(&RepoUrl::new(url)).map_err(|error| error.to_string());
        match (place, expected) {
            (Ok(place), Ok(expected)) => assert_eq!(place, expected, "{url}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{url}: {error}"),
            (place, expected) => panic!("{url}: {place:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn urls_tell_how_to_reach_the_repository() {
        check("https://example.com/a.git", Ok(Place::Http));
        check("HTTP://example.com/a.git", Ok(Place::Http));
        check("/srv/a", Ok(Place::Disk("/srv/a".into())));
        check("file:///srv/a%20b%", Ok(Place::Disk("/srv/a b%".into())));
        check("file://localhost/srv/a", Ok(Place::Disk("/srv/a".into())));
        check("file://server/srv/a", Err("absolute path"));
        check("ssh://git@example.com/a", Err("SSH is not supported yet"));
        check("git@example.com:a/b", Err("SSH is not supported yet"));
        check("git://example.com/a", Err("`git://` is not supported"));
        check("a/relative/path", Err("SSH is not supported yet"));
        check("", Err("cannot be used"));
    }

    #[test]
    fn user_information_is_removed_from_messages() {
        let check = |url: &str, text: &str, expected: &str| assert_eq!(redacted(&RepoUrl::new(url), text), expected);
        let url = "https://bob:secret@example.com/a.git";
        check(url, "no https://bob:secret@example.com/a", "no https://***@example.com/a");
        check(url, "no https://bob:secret@example.com/a.git", "no https://example.com/a.git");
        check("https://host/a?token=1", "GET /a?token=1", "GET /a?***");
        check("/srv/a@b", "a@b", "a@b");
        check("https://host/a", "https://host/a", "https://host/a");
    }
}
