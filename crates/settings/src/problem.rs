use std::fmt;

use crate::Layer;

/// A setting that does not have the effect its author expects. Waits for a change of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The source it comes from.
    pub layer: Layer,
    /// The key as written in that source.
    pub key: String,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// What is wrong, and what is used instead.
    pub message: String,
}

/// What kind of problem a setting has: the label under which it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The value cannot be read.
    Invalid,
    /// The key or value asks for something that would change the result and is not supported.
    Unsupported,
    /// The key is not known.
    Unknown,
}

impl ProblemKind {
    /// Returns the name as in a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}` of {}: {}", self.key, self.layer, self.message)
    }
}
