use std::fmt;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// A compiled pattern of one of the languages that settings and projects use.
///
/// Matching takes time linear in the text, whatever the pattern.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    Any,
    Exact,
    Regex(Regex),
}

/// The language of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatternKind {
    /// `*` and `?` match anything, `[a-z]` and `[!a-z]` one character, `{a,b}` alternatives.
    Glob,
    /// The same, but `*` and `?` stop at `/`, and `**` does not.
    PathGlob,
    /// Shell patterns as of Go's `filepath.Match`: `*` and `?` stop at `/`, `[^a-z]` negates, braces are plain text.
    Shell,
    /// `/regular expression/`, found anywhere in the text, else a glob.
    GlobOrRegex,
}

/// The text is not a pattern: it matches nothing. Give up until the setting changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{pattern}` is not a pattern: {problem}")]
pub struct PatternError {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &str, kind: PatternKind) -> Result<Self, PatternError> {
        let error = |problem: &str| PatternError { pattern: text.to_owned(), problem: problem.to_owned() };
        let body = match kind {
            PatternKind::GlobOrRegex if text.len() > 1 && text.starts_with('/') && text.ends_with('/') => {
                text[1..text.len() - 1].to_owned()
            }
            _ if !text.contains(['*', '?', '[', ']', '{', '}', '\\']) => {
                return Ok(Self { text: text.to_owned(), matcher: Matcher::Exact });
            }
            PatternKind::Glob | PatternKind::GlobOrRegex if text == "*" || text == "**" => {
                return Ok(Self { text: text.to_owned(), matcher: Matcher::Any });
            }
            _ => format!("^(?:{})$", translate(text, kind).map_err(error)?),
        };
        let regex = RegexBuilder::new(&body).dot_matches_new_line(true).size_limit(1 << 20).build();
        let regex = regex.map_err(|problem| error(problem.to_string().lines().last().unwrap_or_default()))?;
        Ok(Self { text: text.to_owned(), matcher: Matcher::Regex(regex) })
    }

    /// Tells whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Any => true,
            Matcher::Exact => self.text == text,
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Translates a glob or shell pattern to a regular expression.
fn translate(text: &str, kind: PatternKind) -> Result<String, &'static str> {
    let (one, many) = match kind {
        PatternKind::Glob | PatternKind::GlobOrRegex => (".", ".*"),
        PatternKind::PathGlob | PatternKind::Shell => ("[^/]", "[^/]*"),
    };
    let braces = kind != PatternKind::Shell;
    let mut regex = String::new();
    let mut depth = 0u32;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if braces && chars.next_if_eq(&'*').is_some() => {
                while chars.next_if_eq(&'*').is_some() {}
                regex.push_str(".*");
            }
            '*' => regex.push_str(many),
            '?' => regex.push_str(one),
            '[' => regex.push_str(&class(&mut chars, if braces { '!' } else { '^' })?),
            '\\' => regex.push_str(&regex::escape(chars.next().ok_or("it ends with `\\`")?.encode_utf8(&mut [0; 4]))),
            '{' if braces => {
                depth += 1;
                regex.push_str("(?:");
            }
            '}' if braces => {
                depth = depth.checked_sub(1).ok_or("a `}` has no `{`")?;
                regex.push(')');
            }
            ',' if depth > 0 => regex.push('|'),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    if depth > 0 { Err("a `{` has no `}`") } else { Ok(regex) }
}

/// Translates a character class whose `[` has been read.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, negation: char) -> Result<String, &'static str> {
    let mut regex = String::from("[");
    if chars.next_if_eq(&negation).is_some() {
        regex.push('^');
    }
    let mut is_empty = true;
    loop {
        match chars.next().ok_or("a `[` has no `]`")? {
            ']' if is_empty => return Err("`[]` matches nothing"),
            ']' => break,
            '-' if !is_empty && chars.peek().is_some_and(|next| *next != ']') => regex.push('-'),
            '\\' => literal(&mut regex, chars.next().ok_or("it ends with `\\`")?),
            other => literal(&mut regex, other),
        }
        is_empty = false;
    }
    regex.push(']');
    Ok(regex)
}

fn literal(regex: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: PatternKind, pattern: &str, matching: &[&str], others: &[&str]) {
        let compiled = Pattern::new(pattern, kind).unwrap();
        for text in matching {
            assert!(compiled.matches(text), "{pattern} should match {text}");
        }
        for text in others {
            assert!(!compiled.matches(text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn globs_match_across_separators() {
        let check = |pattern, matching: &[&str], others: &[&str]| check(PatternKind::Glob, pattern, matching, others);
        check("*", &["", "a", "a/b"], &[]);
        check("team-*", &["team-", "team-a", "team-a/b"], &["team", "a-team-b"]);
        check("*.example.com", &["a.example.com"], &["aXexample.com", "a.example.com.org"]);
        check("a?c", &["abc", "a/c"], &["ac", "abbc"]);
        check("[a-c]x", &["ax", "cx"], &["dx", "-x"]);
        check("[!a-c]x", &["dx"], &["ax"]);
        check("{dev,test-*}-ns", &["dev-ns", "test-1-ns"], &["prod-ns", "dev"]);
        check("a,b", &["a,b"], &["a", "b"]);
        check(r"\*", &["*"], &["a"]);
        check("a\nb*", &["a\nbc"], &["a"]);
        check("", &[""], &["a"]);
    }

    #[test]
    fn path_globs_stop_at_slashes() {
        let check =
            |pattern, matching: &[&str], others: &[&str]| check(PatternKind::PathGlob, pattern, matching, others);
        check("*", &["a", ""], &["a/b"]);
        check("https://github.com/org/*", &["https://github.com/org/a"], &["https://github.com/org/a/b"]);
        check(
            "https://github.com/**",
            &["https://github.com/org/a", "https://github.com/a"],
            &["https://gitlab.com/a"],
        );
        check("https://*/a", &["https://host/a"], &["https://host/b/a"]);
        check("a?c", &["abc"], &["a/c"]);
    }

    #[test]
    fn shell_patterns_are_those_of_go() {
        let check = |pattern, matching: &[&str], others: &[&str]| check(PatternKind::Shell, pattern, matching, others);
        check("*", &["apps", ""], &["a/b"]);
        check("*.k8s.io", &["batch.k8s.io"], &["k8s.io"]);
        check("[^a]pps", &["bpps"], &["apps"]);
        check("[!a]pps", &["!pps", "apps"], &["bpps"]);
        check("{a,b}", &["{a,b}"], &["a"]);
        check("a**b", &["axb"], &["a/b"]);
    }

    #[test]
    fn slashes_make_a_regular_expression() {
        let check =
            |pattern, matching: &[&str], others: &[&str]| check(PatternKind::GlobOrRegex, pattern, matching, others);
        check("/^team-[0-9]+$/", &["team-1"], &["team-a", "my-team-1"]);
        check("/team/", &["my-team-1"], &["other"]);
        check("team-*", &["team-a"], &["my-team-a"]);
        check("/", &["/"], &[""]);
    }

    #[test]
    fn malformed_patterns_are_errors() {
        for (kind, pattern) in [
            (PatternKind::Glob, "[a"),
            (PatternKind::Glob, "[]"),
            (PatternKind::Glob, "{a,b"),
            (PatternKind::Glob, "a}*"),
            (PatternKind::Shell, "a\\"),
            (PatternKind::Shell, "[z-a]"),
            (PatternKind::GlobOrRegex, "/(/"),
            (PatternKind::GlobOrRegex, "/^((?!x).)*$/"),
        ] {
            assert!(Pattern::new(pattern, kind).is_err(), "{pattern}");
        }
    }
}
