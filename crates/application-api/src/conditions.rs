use jiff::Timestamp;
use kube_object::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::wire::{is_default, string_enum};

string_enum! {
    /// What a condition is about. Names end in `Error` or `Warning`.
    ConditionType {
        /// Deletion failed.
        DeletionError = "DeletionError",
        /// The spec cannot be acted on.
        InvalidSpecError = "InvalidSpecError",
        /// Rendering, reading live state or comparing failed.
        ComparisonError = "ComparisonError",
        /// An automated sync was refused or failed.
        SyncError = "SyncError",
        /// Anything internal.
        UnknownError = "UnknownError",
        /// An object is part of another application too.
        SharedResourceWarning = "SharedResourceWarning",
        /// An object is rendered more than once.
        RepeatedResourceWarning = "RepeatedResourceWarning",
        /// An object is of a kind that settings exclude.
        ExcludedResourceWarning = "ExcludedResourceWarning",
        /// The source renders differently each time; Driftless's own.
        UnstableRenderWarning = "UnstableRenderWarning",
        /// Objects in the namespace belong to no application.
        OrphanedResourceWarning = "OrphanedResourceWarning",
    }
}

impl ConditionType {
    /// Tells whether the condition is an error.
    pub fn is_error(&self) -> bool {
        self.as_str().ends_with("Error")
    }
}

/// An error or a warning about an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["message", "type"]))]
pub struct ApplicationCondition {
    /// What it is about.
    #[serde(rename = "type")]
    pub condition_type: ConditionType,
    /// What is to be said.
    #[serde(default)]
    pub message: String,
    /// When it was first raised with this message.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub last_transition_time: Option<Time>,
}

impl ApplicationCondition {
    /// Makes a condition; [`merge_conditions`] gives it its time.
    pub fn new(condition_type: ConditionType, message: impl Into<String>) -> Self {
        Self { condition_type, message: message.into(), last_transition_time: None }
    }
}

/// Replaces the conditions of the types that a step owns by those it found, and keeps the others.
///
/// A condition raised again with the same type and message keeps its time. The result is sorted by type, message and time
/// (semantics, section 1.4). A found condition of a type that is not owned is kept as well.
pub fn merge_conditions(
    current: &[ApplicationCondition],
    owned: &[ConditionType],
    found: impl IntoIterator<Item = ApplicationCondition>,
    now: Timestamp,
) -> Vec<ApplicationCondition> {
    let kept = current.iter().filter(|condition| !owned.contains(&condition.condition_type)).cloned();
    let raised = found.into_iter().map(|condition| {
        let before = current
            .iter()
            .find(|old| old.condition_type == condition.condition_type && old.message == condition.message);
        let at = before.and_then(|old| old.last_transition_time).unwrap_or_else(|| Time::new(now));
        ApplicationCondition { last_transition_time: Some(at), ..condition }
    });
    let mut merged: Vec<_> = kept.chain(raised).collect();
    merged.sort_by(|a, b| key(a).cmp(&key(b)));
    merged.dedup();
    merged
}

fn key(condition: &ApplicationCondition) -> (&str, &str, Option<Time>) {
    (condition.condition_type.as_str(), &condition.message, condition.last_transition_time)
}

/// Renders conditions as one text: `Type: message`, joined with `;`.
pub fn format_conditions(conditions: &[ApplicationCondition]) -> String {
    conditions.iter().map(|c| format!("{}: {}", c.condition_type, c.message)).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(condition_type: ConditionType, message: &str, second: i64) -> ApplicationCondition {
        let at = Timestamp::from_second(second).unwrap();
        ApplicationCondition {
            last_transition_time: Some(Time::new(at)),
            ..ApplicationCondition::new(condition_type, message)
        }
    }

    #[test]
    fn a_step_replaces_the_conditions_it_owns() {
        use ConditionType::{ComparisonError, RepeatedResourceWarning, SyncError};
        let current = [
            condition(SyncError, "refused", 1),
            condition(ComparisonError, "still there", 2),
            condition(ComparisonError, "gone", 3),
        ];
        let found = [
            ApplicationCondition::new(RepeatedResourceWarning, "twice"),
            ApplicationCondition::new(ComparisonError, "still there"),
            ApplicationCondition::new(ComparisonError, "new"),
            ApplicationCondition::new(ComparisonError, "new"),
        ];
        let now = Timestamp::from_second(9).unwrap();
        let merged = merge_conditions(&current, &[ComparisonError, RepeatedResourceWarning], found, now);
        assert_eq!(
            merged,
            [
                condition(ComparisonError, "new", 9),
                condition(ComparisonError, "still there", 2),
                condition(RepeatedResourceWarning, "twice", 9),
                condition(SyncError, "refused", 1),
            ]
        );
        assert_eq!(format_conditions(&merged[1..3]), "ComparisonError: still there;RepeatedResourceWarning: twice");
        assert!(merge_conditions(&merged, &[ComparisonError, SyncError, RepeatedResourceWarning], [], now).is_empty());
    }

    #[test]
    fn unknown_types_are_kept() {
        let unknown = condition(ConditionType::from("NewError"), "x", 1);
        assert!(unknown.condition_type.is_error());
        let merged =
            merge_conditions(std::slice::from_ref(&unknown), &[ConditionType::SyncError], [], Timestamp::UNIX_EPOCH);
        assert_eq!(merged, [unknown]);
    }
}
