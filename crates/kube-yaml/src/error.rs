use std::fmt;

/// A file that cannot be decoded. Another attempt gives the same error: wait until the file changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}; {advice}")]
pub struct DecodeError {
    /// The file as the caller named it.
    pub file: String,
    /// Line of the problem, from 1.
    pub line: u32,
    /// Column of the problem in characters, from 1.
    pub column: u32,
    /// The step that failed.
    pub step: DecodeStep,
    /// What was found and what was expected. Values are never quoted, since the file may hold a Secret.
    pub problem: String,
    /// What to do.
    pub advice: &'static str,
}

/// A step of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeStep {
    /// Reading the bytes as text.
    Read,
    /// Parsing JSON.
    Json,
    /// Parsing YAML.
    Yaml,
    /// Giving YAML nodes their JSON values: tags, keys, merges, aliases.
    Resolve,
    /// Flattening a list of objects.
    List,
    /// Staying within the limits.
    Limit,
}

impl fmt::Display for DecodeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Json => "parse JSON",
            Self::Yaml => "parse YAML",
            Self::Resolve => "resolve YAML",
            Self::List => "flatten a list",
            Self::Limit => "stay within limits",
        })
    }
}

/// A problem at a position of a text whose file is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Line, from 0.
    pub(crate) line: usize,
    /// Column in characters, from 0.
    pub(crate) column: usize,
    pub(crate) step: DecodeStep,
    pub(crate) problem: String,
    pub(crate) advice: &'static str,
}

impl Fault {
    pub(crate) fn new(
        (line, column): (usize, usize),
        step: DecodeStep,
        problem: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self { line, column, step, problem: problem.into(), advice }
    }

    /// Counts the fault's line from `lines` further up.
    pub(crate) fn below(mut self, lines: usize) -> Self {
        self.line += lines;
        self
    }

    pub(crate) fn in_file(self, file: &str) -> DecodeError {
        DecodeError {
            file: file.to_owned(),
            line: one_based(self.line),
            column: one_based(self.column),
            step: self.step,
            problem: self.problem,
            advice: self.advice,
        }
    }
}

/// Turns a count from 0 into one from 1; a count beyond 32 bits stays at the end.
pub(crate) fn one_based(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// Returns the line and column, both from 0, of a byte of a text.
pub(crate) fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = line_breaks(before);
    (line, String::from_utf8_lossy(&before[line_start..]).chars().count())
}

pub(crate) fn line_breaks(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}
