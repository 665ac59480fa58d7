//! Single rules of a project, compiled.

use application_api::{ClusterResourceRestriction, GroupKindPattern, Pattern, PatternError, PatternKind, RepoUrl};
use kube_object::GroupKind;

/// A pattern that may be negated with `!`. A negated pattern matches everything that its text does not match.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    is_negated: bool,
    /// None when the text is no pattern.
    pattern: Option<Pattern>,
}

/// What a rule says about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It matches.
    Match,
    /// It does not.
    NoMatch,
    /// Its negated text matches.
    Denied,
}

impl Rule {
    /// Compiles a rule about names: globs without separators.
    pub(crate) fn of_name(text: &str, problems: &mut Vec<PatternError>) -> Self {
        let (is_negated, body) = split(text);
        Self { is_negated, pattern: compile(body, PatternKind::Glob, problems) }
    }

    /// Compiles a rule about repositories: globs with `/` as separator, but `*` alone is any; the text is normalised like
    /// the URLs it is compared with.
    pub(crate) fn of_repository(text: &str, problems: &mut Vec<PatternError>) -> Self {
        let (is_negated, body) = split(text);
        let kind = if body == "*" { PatternKind::Glob } else { PatternKind::PathGlob };
        Self { is_negated, pattern: compile(RepoUrl::new(body).normalized().as_str(), kind, problems) }
    }

    /// Tells what the rule says about a name that may be missing: a missing name matches nothing, so a negated rule denies it.
    pub(crate) fn verdict_on_name(&self, name: &str) -> Verdict {
        match (name.is_empty(), self.is_negated) {
            (true, false) => Verdict::NoMatch,
            (true, true) => Verdict::Denied,
            (false, _) => self.verdict(name),
        }
    }

    /// Tells what the rule says about a text.
    pub(crate) fn verdict(&self, text: &str) -> Verdict {
        match (self.is_negated, self.pattern.as_ref().map(|pattern| pattern.matches(text))) {
            (false, Some(true)) | (true, Some(false)) => Verdict::Match,
            (false, _) => Verdict::NoMatch,
            (true, _) => Verdict::Denied,
        }
    }
}

fn split(text: &str) -> (bool, &str) {
    text.strip_prefix('!').map_or((false, text), |rest| (true, rest))
}

/// Compiles a pattern; what is none is a problem.
pub(crate) fn compile(text: &str, kind: PatternKind, problems: &mut Vec<PatternError>) -> Option<Pattern> {
    Pattern::new(text, kind).map_err(|error| problems.push(error)).ok()
}

/// Kinds, and names of cluster-scoped objects, as shell patterns.
#[derive(Clone, Debug)]
pub(crate) struct KindRule {
    group: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
}

/// Whether a rule that cannot be read matches nothing or everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    MatchesNothing,
    MatchesEverything,
}

impl KindRule {
    pub(crate) fn namespaced(rule: &GroupKindPattern, problems: &mut Vec<PatternError>) -> Self {
        Self::new(&rule.group, &rule.kind, "", problems)
    }

    pub(crate) fn cluster(rule: &ClusterResourceRestriction, problems: &mut Vec<PatternError>) -> Self {
        Self::new(&rule.group, &rule.kind, &rule.name, problems)
    }

    fn new(group: &str, kind: &str, name: &str, problems: &mut Vec<PatternError>) -> Self {
        let mut shell = |text: &str| compile(text, PatternKind::Shell, &mut *problems);
        let (group, kind) = (shell(group), shell(kind));
        // No name means any.
        let name = if name.is_empty() { compile("*", PatternKind::Glob, problems) } else { shell(name) };
        Self { group, kind, name }
    }

    pub(crate) fn matches(&self, group_kind: &GroupKind, name: &str, unreadable: Unreadable) -> bool {
        let matches = |pattern: &Option<Pattern>, text: &str| match pattern {
            Some(pattern) => pattern.matches(text),
            None => unreadable == Unreadable::MatchesEverything,
        };
        matches(&self.group, &group_kind.group) && matches(&self.kind, &group_kind.kind) && matches(&self.name, name)
    }
}
