use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use gix::ObjectId;

use crate::semver::{Constraint, Version};

/// A revision as an application names it: a branch, tag, reference, commit id, `HEAD` or nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionName(String);

impl RevisionName {
    /// Makes a revision from the text of `targetRevision`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the full commit id that the revision is, if it is one.
    pub(crate) fn full_id(&self) -> Option<ObjectId> {
        ObjectId::from_hex(self.0.as_bytes()).ok().filter(|_| self.0.len() == 40)
    }

    fn is_abbreviated_id(&self) -> bool {
        (7..40).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Returns the names that the revision may stand for, first match first.
    fn candidates(&self) -> Vec<String> {
        if self.0.is_empty() || self.0 == "HEAD" {
            return vec!["HEAD".to_owned()];
        }
        let short = [format!("refs/heads/{}", self.0), format!("refs/tags/{}", self.0)];
        short.into_iter().chain(self.0.starts_with("refs/").then(|| self.0.clone())).collect()
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a repository's references say about a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The commit that a reference points to, or the full id as given.
    Commit(ObjectId),
    /// The first digits of a commit id, to be looked up among the commits, lower case.
    Abbreviated(String),
    /// Nothing by that name.
    Unknown,
}

/// What a reference points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// The commit, with tags followed.
    pub(crate) commit: ObjectId,
    /// The object that the reference holds, which is the tag where there is one.
    pub(crate) advertised: ObjectId,
}

/// The references of a repository by full name.
pub(crate) type References = BTreeMap<String, Tip>;

/// Collects the prefixes that `ls-refs` has to be asked for; empty when the revisions need no references.
pub(crate) fn prefixes<'a>(wanted: impl IntoIterator<Item = &'a RevisionName>) -> BTreeSet<String> {
    let mut prefixes = BTreeSet::new();
    for revision in wanted.into_iter().filter(|revision| revision.full_id().is_none()) {
        if Constraint::parse(&revision.0).is_some() {
            prefixes.insert("refs/tags/".to_owned());
        }
        prefixes.extend(revision.candidates());
    }
    prefixes
}

/// Resolves a revision in the order of Argo CD: id, constraint over tags, branch, tag, full name, abbreviated id.
pub(crate) fn resolve(revision: &RevisionName, references: &References) -> Resolution {
    if let Some(id) = revision.full_id() {
        return Resolution::Commit(id);
    }
    if let Some(id) =
        Constraint::parse(&revision.0).and_then(|constraint| highest_tag(revision, &constraint, references))
    {
        return Resolution::Commit(id);
    }
    match revision.candidates().iter().find_map(|name| references.get(name)) {
        Some(tip) => Resolution::Commit(tip.commit),
        None if revision.is_abbreviated_id() => Resolution::Abbreviated(revision.0.to_ascii_lowercase()),
        None => Resolution::Unknown,
    }
}

/// Finds the tag of that very name, else the one with the highest version that the constraint allows.
fn highest_tag(revision: &RevisionName, constraint: &Constraint, references: &References) -> Option<ObjectId> {
    if let Some(tip) = references.get(&format!("refs/tags/{revision}")) {
        return Some(tip.commit);
    }
    let tags = references
        .iter()
        .filter_map(|(name, tip)| Some((Version::parse(name.strip_prefix("refs/tags/")?)?, tip.commit)));
    tags.filter(|(version, _)| constraint.allows(version))
        .max_by(|(left, _), (right, _)| left.cmp(right))
        .map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> ObjectId {
        ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better in the table")]
    fn check(revision: &str, expected: Resolution) {
        let references = [
            ("HEAD", '0'),
            ("refs/heads/main", '1'),
            ("refs/heads/both", '2'),
            ("refs/tags/both", '3'),
            ("refs/tags/v1.2.0", '4'),
            ("refs/tags/v1.10.0", '5'),
            ("refs/tags/v2.0.0-rc.1", '6'),
            ("refs/pull/7/head", '7'),
            ("refs/heads/abcdef1", '8'),
            ("refs/heads/refs/heads/main", '9'),
            ("refs/heads/9.x", 'a'),
            ("refs/tags/3.x", 'b'),
            ("refs/tags/3.1", 'c'),
        ];
        let references = references
            .into_iter()
            .map(|(name, digit)| (name.to_owned(), Tip { commit: id(digit), advertised: id(digit) }));
        let references = references.collect();
        assert_eq!(resolve(&RevisionName::new(revision), &references), expected, "{revision}");
    }

    #[test]
    fn revisions_resolve_in_the_documented_order() {
        let full = "F".repeat(40);
        check("", Resolution::Commit(id('0')));
        check("HEAD", Resolution::Commit(id('0')));
        check("main", Resolution::Commit(id('1')));
        check("both", Resolution::Commit(id('2')));
        check("v1.2.0", Resolution::Commit(id('4')));
        check("1.x", Resolution::Commit(id('5')));
        check(">=2.0.0-0", Resolution::Commit(id('c')));
        check("9.x", Resolution::Commit(id('a')));
        check("3.x", Resolution::Commit(id('b')));
        check("7.x", Resolution::Unknown);
        check("refs/pull/7/head", Resolution::Commit(id('7')));
        check("refs/heads/main", Resolution::Commit(id('9')));
        check("pull/7/head", Resolution::Unknown);
        check("abcdef1", Resolution::Commit(id('8')));
        check("ABCDEF2", Resolution::Abbreviated("abcdef2".into()));
        check("abcdef", Resolution::Unknown);
        check(&full, Resolution::Commit(id('f')));
        check("none", Resolution::Unknown);
    }

    #[test]
    fn only_what_the_revisions_need_is_listed() {
        let check = |revision: &str, expected: &[&str]| {
            let listed: Vec<String> = prefixes([&RevisionName::new(revision)]).into_iter().collect();
            assert_eq!(listed, expected, "{revision}");
        };
        check("", &["HEAD"]);
        check("main", &["refs/heads/main", "refs/tags/main"]);
        check("refs/pull/1/head", &["refs/heads/refs/pull/1/head", "refs/pull/1/head", "refs/tags/refs/pull/1/head"]);
        check("1.x", &["refs/heads/1.x", "refs/tags/", "refs/tags/1.x"]);
        check(&"a".repeat(40), &[]);
    }
}
