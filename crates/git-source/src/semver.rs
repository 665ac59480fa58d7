//! Version constraints over tags, in the grammar and with the meaning of Masterminds/semver, which Argo CD uses.

use std::cmp::Ordering;

/// A version; missing minor and patch numbers are 0, a leading `v` and build metadata are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: [u64; 3],
    /// Identifiers of the pre-release; empty for a release.
    pre: Vec<String>,
}

impl Version {
    /// Reads a version such as `v1.2`, `1.2.3-rc.1` or `1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let pattern = Pattern::parse(text)?;
        (!pattern.wildcard).then_some(pattern.version)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Semantic Versioning 2.0, rule 11: numbers by value and before words, a longer list after its prefix.
fn compare_pre(left: &[String], right: &[String]) -> Ordering {
    let by_part = left.iter().zip(right).map(|(left, right)| match (left.parse::<u64>(), right.parse::<u64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    });
    by_part.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// A version with its trailing numbers possibly left open, as in `1.2`, `1.x` and `*`.
#[derive(Clone, Debug)]
struct Pattern {
    version: Version,
    /// How many numbers are given.
    given: usize,
    wildcard: bool,
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = match text.split_once('+') {
            Some((text, build)) => identifiers(build).map(|_| text)?,
            None => text,
        };
        let (core, pre) = match text.split_once('-') {
            Some((core, pre)) => (core, identifiers(pre)?),
            None => (text, Vec::new()),
        };
        let mut pattern = Self { version: Version { numbers: [0; 3], pre }, given: 0, wildcard: false };
        for (at, part) in core.split('.').enumerate() {
            if at == 3 {
                return None;
            }
            if matches!(part, "x" | "X" | "*") {
                pattern.wildcard = true;
            } else if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            } else {
                let number = part.parse().ok()?;
                if !pattern.wildcard {
                    pattern.version.numbers[at] = number;
                    pattern.given = at + 1;
                }
            }
        }
        Some(pattern)
    }

    /// The first version after all that share the first `kept` numbers; `None` when nothing comes after.
    fn after(&self, kept: usize) -> Option<Version> {
        let at = kept.checked_sub(1)?;
        let mut numbers = [0; 3];
        numbers[..kept].copy_from_slice(&self.version.numbers[..kept]);
        numbers[at] = numbers[at].checked_add(1)?;
        Some(Version { numbers, pre: Vec::new() })
    }
}

fn identifiers(text: &str) -> Option<Vec<String>> {
    let valid = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.split('.').map(|part| valid(part).then(|| part.to_owned())).collect()
}

/// One comparison: the versions from `low` up to but not including `high`, or all others.
#[derive(Clone, Debug)]
struct Span {
    low: Option<Version>,
    high: Option<Version>,
    /// `high` itself is in as well.
    closed: bool,
    outside: bool,
    /// Pre-releases are looked at only when the comparison names one.
    pre: bool,
}

impl Span {
    fn new(operator: &str, pattern: &Pattern) -> Option<Self> {
        let exact = pattern.given == 3;
        let version = Some(pattern.version.clone());
        let (low, high, closed) = match operator {
            "" | "=" | "!=" if exact => (version.clone(), version, true),
            "" | "=" | "!=" => (version, pattern.after(pattern.given), false),
            ">" if exact => (Some(next(&pattern.version)), None, false),
            ">" if pattern.given == 0 => (None, Some(Version { numbers: [0; 3], pre: Vec::new() }), false),
            ">" => (pattern.after(pattern.given), None, false),
            ">=" | "=>" => (version, None, false),
            "<" => (None, version, false),
            "<=" | "=<" if exact => (None, version, true),
            "<=" | "=<" => (None, pattern.after(pattern.given), false),
            "~" | "~>" => (version, pattern.after(pattern.given.min(2)), false),
            "^" => {
                let first = pattern.version.numbers.iter().position(|number| *number != 0);
                (version, pattern.after(first.map_or(pattern.given, |at| at + 1)), false)
            }
            _ => return None,
        };
        Some(Self { low, high, closed, outside: operator == "!=", pre: !pattern.version.pre.is_empty() })
    }

    fn contains(&self, version: &Version) -> bool {
        if !version.pre.is_empty() && !self.pre {
            return false;
        }
        let above = self.low.as_ref().is_none_or(|low| version >= low);
        let below = self.high.as_ref().is_none_or(|high| version < high || (self.closed && version == high));
        (above && below) != self.outside
    }
}

/// The smallest version after `version`.
fn next(version: &Version) -> Version {
    let mut next = version.clone();
    if next.pre.is_empty() {
        next.numbers[2] = next.numbers[2].saturating_add(1);
        // Pre-releases of the next patch also come after.
        next.pre.push("0".to_owned());
    } else {
        next.pre.push("0".to_owned());
    }
    next
}

/// A version constraint: alternatives of comparisons that must all hold.
#[derive(Clone, Debug)]
pub(crate) struct Constraint(Vec<Vec<Span>>);

impl Constraint {
    /// Reads a constraint such as `1.x`, `>=1.2 <2 || ~3.1` or `1.2 - 1.4`; `None` when the text is none, or a version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if Version::parse(text).is_some() {
            return None;
        }
        text.split("||").map(comparisons).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Tells whether a version fulfils the constraint.
    pub(crate) fn allows(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|span| span.contains(version)))
    }
}

fn comparisons(text: &str) -> Option<Vec<Span>> {
    let words: Vec<&str> = text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).collect();
    let mut spans = Vec::new();
    let mut rest = words.as_slice();
    while let Some((word, tail)) = rest.split_first() {
        if let ["-", high, after @ ..] = tail {
            spans.push(Span::new(">=", &Pattern::parse(word)?)?);
            spans.push(Span::new("<=", &Pattern::parse(high)?)?);
            rest = after;
            continue;
        }
        let split = word.find(|letter: char| !"=!<>~^".contains(letter)).unwrap_or(word.len());
        let (operator, version) = word.split_at(split);
        // A space may stand between an operator and its version.
        let (version, after) = match tail.split_first() {
            Some((first, after)) if version.is_empty() => (*first, after),
            _ => (version, tail),
        };
        spans.push(Span::new(operator, &Pattern::parse(version)?)?);
        rest = after;
    }
    (!spans.is_empty()).then_some(spans)
}

/// Tells whether a text is a version, such as `v1.2` or `1.2.3-rc.1`.
pub fn is_version(text: &str) -> bool {
    Version::parse(text).is_some()
}

/// Tells whether a text is a constraint on versions, such as `1.x` or `>=1.2, <2`, and no version.
pub fn is_constraint(text: &str) -> bool {
    Constraint::parse(text).is_some()
}

/// Finds the highest of some versions that a constraint allows; a version of that very text comes first. Pre-releases count only where
/// the constraint names one. None when the text is no constraint, or allows none of them.
pub fn highest_version<'a>(constraint: &str, versions: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = Constraint::parse(constraint)?;
    let mut highest: Option<(Version, &str)> = None;
    for text in versions {
        if text == constraint {
            return Some(text);
        }
        let Some(version) = Version::parse(text).filter(|version| allowed.allows(version)) else { continue };
        if highest.as_ref().is_none_or(|(before, _)| version > *before) {
            highest = Some((version, text));
        }
    }
    highest.map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&str; 12] = [
        "0.0.3",
        "0.2.3",
        "0.3.0",
        "1.0.0",
        "1.2.0",
        "1.2.3-rc.1",
        "1.2.3",
        "1.3.0",
        "2.0.0-beta",
        "2.0.0",
        "v2.1.0",
        "3",
    ];

    fn check(constraint: &str, expected: &[&str]) {
        let parsed = Constraint::parse(constraint).unwrap_or_else(|| panic!("`{constraint}` is a constraint"));
        let allowed: Vec<&str> =
            VERSIONS.into_iter().filter(|version| parsed.allows(&Version::parse(version).unwrap())).collect();
        assert_eq!(allowed, expected, "{constraint}");
    }

    #[test]
    fn constraints_choose_versions() {
        check("*", &["0.0.3", "0.2.3", "0.3.0", "1.0.0", "1.2.0", "1.2.3", "1.3.0", "2.0.0", "v2.1.0", "3"]);
        check("1.x", &["1.0.0", "1.2.0", "1.2.3", "1.3.0"]);
        check("1.2.*", &["1.2.0", "1.2.3"]);
        check("~1.2.1", &["1.2.3"]);
        check("~1", &["1.0.0", "1.2.0", "1.2.3", "1.3.0"]);
        check("^1.2.0", &["1.2.0", "1.2.3", "1.3.0"]);
        check("^0.2", &["0.2.3"]);
        check("^0.0.3", &["0.0.3"]);
        check("^0", &["0.0.3", "0.2.3", "0.3.0"]);
        check(">1.2", &["1.3.0", "2.0.0", "v2.1.0", "3"]);
        check(">1.2.0 <2", &["1.2.3", "1.3.0"]);
        check(">= 1.2, < 1.3.0", &["1.2.0", "1.2.3"]);
        check("<=1.2", &["0.0.3", "0.2.3", "0.3.0", "1.0.0", "1.2.0", "1.2.3"]);
        check("1.2.0 - 1.2.3", &["1.2.0", "1.2.3"]);
        check("=1.2.3 || >2.0.0", &["1.2.3", "v2.1.0", "3"]);
        check(">=1.0 !=1.2.3 <2", &["1.0.0", "1.2.0", "1.3.0"]);
        check(">=1.2.3-0 <2.0.0", &["1.2.3", "1.3.0"]);
        check("^1.2.3-0", &["1.2.3-rc.1", "1.2.3", "1.3.0", "2.0.0-beta"]);
        check(">2.0.0-alpha", &["2.0.0-beta", "2.0.0", "v2.1.0", "3"]);
    }

    #[test]
    fn versions_and_names_are_no_constraints() {
        for text in [
            "1.2.3",
            "v1",
            "1.2",
            "1.2.3-rc.1",
            "main",
            "release-1.x",
            "",
            "HEAD",
            ">",
            "1.2.3.4.x",
            "^",
            "x.y",
            "|| 1.x",
        ] {
            assert!(Constraint::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered() {
        let ordered = [
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1.0.0",
            "1.0.1",
            "1.10.0",
        ];
        for pair in ordered.windows(2) {
            assert!(Version::parse(pair[0]) < Version::parse(pair[1]), "{pair:?}");
        }
    }
}
