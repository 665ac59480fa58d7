use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{DurationError, parse_duration};
use crate::wire::is_default;

/// When and how an application is synced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncPolicy {
    /// Syncs without being asked.
    #[serde(skip_serializing_if = "is_default")]
    pub automated: Option<SyncPolicyAutomated>,
    /// Options, each `Key=value`.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_options: SyncOptions,
    /// What happens after a failed sync.
    #[serde(skip_serializing_if = "is_default")]
    pub retry: Option<RetryStrategy>,
    /// Metadata of the namespace that the sync creates.
    #[serde(skip_serializing_if = "is_default")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
}

impl SyncPolicy {
    /// Returns the automated policy unless it is absent or switched off.
    pub fn automated(&self) -> Option<&SyncPolicyAutomated> {
        self.automated.as_ref().filter(|automated| automated.enabled != Some(false))
    }
}

/// Syncs without being asked. On when present, unless `enabled` is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncPolicyAutomated {
    /// Whether objects that left the source are deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub prune: Option<bool>,
    /// Whether changes in the cluster are reverted.
    #[serde(skip_serializing_if = "is_default")]
    pub self_heal: Option<bool>,
    /// Whether a sync may delete everything.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_empty: Option<bool>,
    /// Whether the policy is on.
    #[serde(skip_serializing_if = "is_default")]
    pub enabled: Option<bool>,
}

/// Labels and annotations of the namespace that a sync creates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ManagedNamespaceMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// Sync options as written, each `Key=value`, compared as whole strings (semantics, section 2.10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SyncOptions(pub Vec<String>);

/// What pruning or deletion of an object needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovalOption {
    /// Nothing.
    Allowed,
    /// A person's confirmation.
    Confirm,
    /// It does not happen.
    Never,
}

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropagationPolicy {
    /// They go first.
    Foreground,
    /// The garbage collector deletes them afterwards.
    Background,
    /// They stay.
    Orphan,
}

impl PropagationPolicy {
    /// Returns the text as in a delete request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "Foreground",
            Self::Background => "Background",
            Self::Orphan => "Orphan",
        }
    }
}

impl SyncOptions {
    /// Reads the value of an annotation: options separated by commas, white space around them dropped.
    pub fn from_annotation(value: &str) -> Self {
        Self(value.split(',').map(str::trim).filter(|option| !option.is_empty()).map(str::to_owned).collect())
    }

    /// Tells whether an option is present, such as `CreateNamespace=true`.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|own| own == option)
    }

    /// Returns the value of the first option with a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find_map(|option| option.split_once('=').filter(|(own, _)| *own == key).map(|(_, value)| value))
    }

    /// Returns what pruning needs (`Prune=`), if the options say so.
    pub fn prune(&self) -> Option<RemovalOption> {
        self.value("Prune").and_then(removal)
    }

    /// Returns what deletion with the application needs (`Delete=`), if the options say so.
    pub fn delete(&self) -> Option<RemovalOption> {
        self.value("Delete").and_then(removal)
    }

    /// Returns the policy for pruned objects (`PrunePropagationPolicy=`): foreground unless the options say otherwise.
    pub fn prune_propagation(&self) -> PropagationPolicy {
        if self.has("PrunePropagationPolicy=background") {
            PropagationPolicy::Background
        } else if !self.has("PrunePropagationPolicy=foreground") && self.has("PrunePropagationPolicy=orphan") {
            PropagationPolicy::Orphan
        } else {
            PropagationPolicy::Foreground
        }
    }
}

fn removal(value: &str) -> Option<RemovalOption> {
    match value {
        "true" => Some(RemovalOption::Allowed),
        "confirm" => Some(RemovalOption::Confirm),
        "false" => Some(RemovalOption::Never),
        _ => None,
    }
}

/// What happens after a failed sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RetryStrategy {
    /// Number of retries; negative means without end, absent none.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: Option<i64>,
    /// How long to wait before a retry.
    #[serde(skip_serializing_if = "is_default")]
    pub backoff: Option<Backoff>,
    /// Whether a retry takes the latest revision.
    #[serde(skip_serializing_if = "is_default")]
    pub refresh: bool,
}

/// How long to wait before a retry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Backoff {
    /// First wait; a bare number is seconds. 5s when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub duration: String,
    /// Factor from one wait to the next; 2 when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub factor: Option<i64>,
    /// Longest wait; 3m when empty, no limit when 0.
    #[serde(skip_serializing_if = "is_default")]
    pub max_duration: String,
}

impl RetryStrategy {
    /// Number of retries of an automated sync whose policy does not say.
    pub const AUTOMATED_LIMIT: i64 = 5;

    /// Tells whether another retry is allowed after `retries_made`.
    pub fn allows_retry(&self, retries_made: i64) -> bool {
        let limit = self.limit.unwrap_or(0);
        limit < 0 || retries_made < limit
    }

    /// Returns when the next retry is due after an attempt that ended at `finished_at`.
    ///
    /// The wait is `duration · factor^n`, at most `maxDuration`, with n the number of retries made before that attempt's
    /// failure: 0 after the first attempt. This is the time that the message of the operation promises.
    pub fn next_attempt(&self, finished_at: Timestamp, retries_made: i64) -> Result<Timestamp, DurationError> {
        let own = |text: &dyn Fn(&Backoff) -> &String, default: i64| match self.backoff.as_ref().map(text) {
            Some(text) if !text.is_empty() => parse_duration(text),
            _ => Ok(SignedDuration::from_secs(default)),
        };
        let first = own(&|backoff| &backoff.duration, 5)?;
        let longest = own(&|backoff| &backoff.max_duration, 180)?;
        let factor = self.backoff.as_ref().and_then(|backoff| backoff.factor).unwrap_or(2);
        let exponent = i32::try_from(retries_made.max(0)).unwrap_or(i32::MAX);
        #[expect(clippy::cast_precision_loss, reason = "a factor is a small number")]
        let seconds = first.as_secs_f64() * (factor as f64).powi(exponent);
        let wait = SignedDuration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(SignedDuration::MAX);
        let wait = if longest.is_positive() { wait.min(longest) } else { wait };
        Ok(finished_at.checked_add(wait).unwrap_or(Timestamp::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_as_long_as_promised() {
        let strategy = |duration: &str, factor, max: &str| RetryStrategy {
            backoff: Some(Backoff { duration: duration.to_owned(), factor, max_duration: max.to_owned() }),
            ..RetryStrategy::default()
        };
        let waits = |strategy: &RetryStrategy, retries: &[i64]| {
            let wait = |n| strategy.next_attempt(Timestamp::UNIX_EPOCH, n).map(Timestamp::as_second);
            retries.iter().map(|n| wait(*n)).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(
            waits(&RetryStrategy::default(), &[0, 1, 2, 3, 4, 5, 6, 1000]),
            Ok(vec![5, 10, 20, 40, 80, 160, 180, 180])
        );
        assert_eq!(waits(&strategy("2", Some(3), "1m"), &[0, 1, 3, 4]), Ok(vec![2, 6, 54, 60]));
        assert_eq!(waits(&strategy("1h", None, "0"), &[0, 1]), Ok(vec![3600, 7200]));
        assert_eq!(waits(&strategy("1s", Some(0), ""), &[0, 1]), Ok(vec![1, 0]));
        let forever = strategy("1h", None, "0").next_attempt(Timestamp::UNIX_EPOCH, i64::MAX);
        assert_eq!(forever, Ok(Timestamp::MAX));
        assert!(strategy("soon", None, "").next_attempt(Timestamp::UNIX_EPOCH, 0).is_err());
    }

    #[test]
    fn the_limit_decides_about_another_retry() {
        for (limit, made, expected) in
            [(None, 0, false), (Some(0), 0, false), (Some(1), 0, true), (Some(1), 1, false), (Some(-1), 99, true)]
        {
            let strategy = RetryStrategy { limit, ..RetryStrategy::default() };
            assert_eq!(strategy.allows_retry(made), expected, "{limit:?} after {made}");
        }
    }

    #[test]
    fn options_are_compared_as_whole_strings() {
        let options = SyncOptions::from_annotation(" Prune=confirm, Delete=false,Validate=false ,,PruneLast=true");
        assert!(options.has("Validate=false"));
        assert!(!options.has("Validate"));
        assert_eq!(options.prune(), Some(RemovalOption::Confirm));
        assert_eq!(options.delete(), Some(RemovalOption::Never));
        assert_eq!(SyncOptions::from_annotation("Prune=maybe").prune(), None);
        assert_eq!(SyncOptions::from_annotation("PruneLast=true").prune(), None);
    }

    #[test]
    fn pruning_is_in_the_foreground_by_default() {
        use PropagationPolicy::{Background, Foreground, Orphan};
        for (text, expected) in [
            ("", Foreground),
            ("PrunePropagationPolicy=orphan", Orphan),
            ("PrunePropagationPolicy=background", Background),
            ("PrunePropagationPolicy=orphan,PrunePropagationPolicy=foreground", Foreground),
            ("PrunePropagationPolicy=sideways", Foreground),
        ] {
            assert_eq!(SyncOptions::from_annotation(text).prune_propagation(), expected, "{text}");
        }
    }

    #[test]
    fn automation_is_on_unless_switched_off() {
        for (enabled, expected) in [(None, true), (Some(true), true), (Some(false), false)] {
            let automated = Some(SyncPolicyAutomated { enabled, ..SyncPolicyAutomated::default() });
            assert_eq!(SyncPolicy { automated, ..SyncPolicy::default() }.automated().is_some(), expected);
        }
        assert!(SyncPolicy::default().automated().is_none());
    }
}
