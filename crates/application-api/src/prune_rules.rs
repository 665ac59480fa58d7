//! Rules for how much a sync may delete without asking; ours, in annotations and settings.

use std::fmt;

use kube_object::GroupKind;
use thiserror::Error;

/// The most objects that an operation may delete without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxPrune {
    /// So many.
    Count(usize),
    /// This part, in percent, of the objects that the Application has in the cluster.
    Percent(u8),
}

/// A kind that needs approval, as people write it: `Namespace`, or `PersistentVolumeClaim`, or `apps/Deployment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedKind {
    group: Option<String>,
    kind: String,
}

/// Why a rule for prunes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PruneRuleError {
    /// It is neither a number nor a percentage.
    #[error("{0:?} is neither a number of objects nor a percentage such as 10%")]
    MaxPrune(String),
    /// A kind is missing.
    #[error("{0:?} is no list of kinds such as Namespace,PersistentVolumeClaim,apps/Deployment")]
    Kinds(String),
}

impl MaxPrune {
    /// Reads `25` or `10%`.
    pub fn parse(text: &str) -> Result<Self, PruneRuleError> {
        let text = text.trim();
        let error = || PruneRuleError::MaxPrune(text.to_owned());
        match text.strip_suffix('%') {
            Some(percent) => {
                percent.trim().parse().ok().filter(|percent| *percent <= 100).map(Self::Percent).ok_or_else(error)
            }
            None => text.parse().map(Self::Count).map_err(|_| error()),
        }
    }

    /// Tells whether deleting `pruned` of `of` objects needs no approval.
    pub fn permits(self, pruned: usize, of: usize) -> bool {
        match self {
            Self::Count(most) => pruned <= most,
            Self::Percent(percent) => pruned.saturating_mul(100) <= of.saturating_mul(usize::from(percent)),
        }
    }
}

impl fmt::Display for MaxPrune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(most) => write!(f, "{most}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl PrunedKind {
    /// Reads `Namespace,PersistentVolumeClaim,apps/Deployment`.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PruneRuleError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let (group, kind) = match entry.split_once('/') {
                    Some((group, kind)) => (Some(group.to_owned()), kind),
                    None => (None, entry),
                };
                let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
                    && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if is_kind {
                    Ok(Self { group, kind: kind.to_owned() })
                } else {
                    Err(PruneRuleError::Kinds(text.to_owned()))
                }
            })
            .collect()
    }

    /// Tells whether it is this kind.
    pub fn is_of(&self, kind: &GroupKind) -> bool {
        self.kind == kind.kind && self.group.as_ref().is_none_or(|group| *group == kind.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cannot_be_read_are_told() {
        for text in ["", "-1", "101%", "ten", "10 percent"] {
            assert_eq!(MaxPrune::parse(text), Err(PruneRuleError::MaxPrune(text.to_owned())));
        }
        assert_eq!(MaxPrune::parse(" 10 % "), Ok(MaxPrune::Percent(10)));
        for text in ["namespace", "Name space", "apps/v1/Deployment"] {
            assert_eq!(PrunedKind::parse_list(text), Err(PruneRuleError::Kinds(text.to_owned())));
        }
        assert_eq!(PrunedKind::parse_list(" , ").map(|kinds| kinds.len()), Ok(0));
    }
}
