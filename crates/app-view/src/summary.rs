use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use kube_object::Time;
use serde::de::{Deserialize, Deserializer, Visitor};

/// A string that is borrowed from JSON where it can be; null reads as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// Returns the borrowed bytes' address; none when the string had to be copied.
    pub(crate) fn borrowed(&self) -> Option<&str> {
        match &self.0 {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// The parts of an Application that tables, filters and metrics show, borrowed from its JSON.
///
/// A field that is missing or null is empty. Nothing of it is kept: it is read again when asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSummary<'a> {
    /// Labels.
    pub labels: BTreeMap<Text<'a>, Text<'a>>,
    /// `spec.project`; `default` where empty.
    pub project: Text<'a>,
    /// URLs of the sources, in order.
    pub repos: Vec<Text<'a>>,
    /// `spec.destination.server`.
    pub dest_server: Text<'a>,
    /// `spec.destination.name`.
    pub dest_name: Text<'a>,
    /// `spec.destination.namespace`.
    pub dest_namespace: Text<'a>,
    /// Whether automated sync is on.
    pub autosync_enabled: bool,
    /// `status.sync.status`; empty before the first comparison.
    pub sync_status: Text<'a>,
    /// `status.sync.revision`, as stored.
    pub revision: Text<'a>,
    /// `status.health.status`; empty before the first comparison.
    pub health_status: Text<'a>,
    /// `status.health.message`.
    pub health_message: Text<'a>,
    /// `status.conditions`.
    pub conditions: Vec<ConditionSummary<'a>>,
    /// `status.operationState.phase`; empty where no operation ran.
    pub operation_phase: Text<'a>,
    /// `status.operationState.message`.
    pub operation_message: Text<'a>,
    /// Whether `operation` is set: one is asked for or running.
    pub operation_requested: bool,
    /// Whether deletion was requested.
    pub deleting: bool,
    /// The latest of creation, health change, condition change, operation start and end.
    pub changed_at: Option<Time>,
}

/// One condition of an Application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionSummary<'a> {
    /// Type.
    pub condition: Text<'a>,
    /// Message.
    pub message: Text<'a>,
}

impl<'a> AppSummary<'a> {
    /// Reads the summary of an Application's JSON; what cannot be read is none.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice::<raw::Application<'a>>(json).ok().map(Self::from)
    }

    /// Returns what is most worth saying: conditions, else an operation that did not succeed, else the health's message.
    pub fn message(&self) -> String {
        if !self.conditions.is_empty() {
            let shown: Vec<String> = self
                .conditions
                .iter()
                .map(|condition| format!("{}: {}", &*condition.condition, &*condition.message))
                .collect();
            return shown.join("; ");
        }
        let failed = !matches!(&*self.operation_phase, "" | "Succeeded");
        if failed && !self.operation_message.is_empty() {
            return self.operation_message.to_string();
        }
        self.health_message.to_string()
    }

    /// Returns `delete`, `sync` or an empty string: what is under way, in the words of `argocd_app_info`.
    pub fn operation(&self) -> &'static str {
        if self.deleting {
            "delete"
        } else if self.operation_requested {
            "sync"
        } else {
            ""
        }
    }
}

impl<'a> From<raw::Application<'a>> for AppSummary<'a> {
    fn from(app: raw::Application<'a>) -> Self {
        let raw::Application { metadata, spec, status, operation } = app;
        let state = status.operation_state;
        let changed_at =
            [&metadata.creation_timestamp, &status.health.last_transition_time, &state.started_at, &state.finished_at]
                .into_iter()
                .chain(status.conditions.iter().map(|condition| &condition.last_transition_time))
                .filter_map(|text| Time::parse(text))
                .max();
        let sources = if spec.sources.is_empty() { spec.source.into_iter().collect() } else { spec.sources };
        let automated = spec.sync_policy.automated;
        Self {
            labels: metadata.labels,
            project: if spec.project.is_empty() { Text(Cow::Borrowed("default")) } else { spec.project },
            repos: sources.into_iter().map(|source| source.repo_url).collect(),
            dest_server: spec.destination.server,
            dest_name: spec.destination.name,
            dest_namespace: spec.destination.namespace,
            autosync_enabled: automated.is_some_and(|automated| automated.enabled.unwrap_or(true)),
            sync_status: status.sync.status,
            revision: status.sync.revision,
            health_status: status.health.status,
            health_message: status.health.message,
            conditions: status
                .conditions
                .into_iter()
                .map(|condition| ConditionSummary { condition: condition.kind, message: condition.message })
                .collect(),
            operation_phase: state.phase,
            operation_message: state.message,
            operation_requested: operation.is_some(),
            deleting: !metadata.deletion_timestamp.is_empty(),
            changed_at,
        }
    }
}

/// The shape of the JSON, as far as it is read.
mod raw {
    use std::collections::BTreeMap;

    use serde::de::{Deserialize, Deserializer, IgnoredAny};

    use super::Text;

    fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, bound(deserialize = "'de: 'a"))]
    pub(super) struct Application<'a> {
        #[serde(deserialize_with = "nullable")]
        pub(super) metadata: Metadata<'a>,
        #[serde(deserialize_with = "nullable")]
        pub(super) spec: Spec<'a>,
        #[serde(deserialize_with = "nullable")]
        pub(super) status: Status<'a>,
        pub(super) operation: Option<IgnoredAny>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
    pub(super) struct Metadata<'a> {
        pub(super) creation_timestamp: Text<'a>,
        pub(super) deletion_timestamp: Text<'a>,
        #[serde(deserialize_with = "nullable")]
        pub(super) labels: BTreeMap<Text<'a>, Text<'a>>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
    pub(super) struct Spec<'a> {
        pub(super) project: Text<'a>,
        pub(super) source: Option<Source<'a>>,
        #[serde(deserialize_with = "nullable")]
        pub(super) sources: Vec<Source<'a>>,
        #[serde(deserialize_with = "nullable")]
        pub(super) destination: Destination<'a>,
        #[serde(deserialize_with = "nullable")]
        pub(super) sync_policy: SyncPolicy,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, bound(deserialize = "'de: 'a"))]
    pub(super) struct Source<'a> {
        #[serde(rename = "repoURL")]
        pub(super) repo_url: Text<'a>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, bound(deserialize = "'de: 'a"))]
    pub(super) struct Destination<'a> {
        pub(super) server: Text<'a>,
        pub(super) name: Text<'a>,
        pub(super) namespace: Text<'a>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    pub(super) struct SyncPolicy {
        pub(super) automated: Option<Automated>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    pub(super) struct Automated {
        pub(super) enabled: Option<bool>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
    pub(super) struct Status<'a> {
        #[serde(deserialize_with = "nullable")]
        pub(super) sync: Sync<'a>,
        #[serde(deserialize_with = "nullable")]
        pub(super) health: Health<'a>,
        #[serde(deserialize_with = "nullable")]
        pub(super) conditions: Vec<Condition<'a>>,
        #[serde(deserialize_with = "nullable")]
        pub(super) operation_state: OperationState<'a>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, bound(deserialize = "'de: 'a"))]
    pub(super) struct Sync<'a> {
        pub(super) status: Text<'a>,
        pub(super) revision: Text<'a>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
    pub(super) struct Health<'a> {
        pub(super) status: Text<'a>,
        pub(super) message: Text<'a>,
        pub(super) last_transition_time: Text<'a>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
    pub(super) struct Condition<'a> {
        #[serde(rename = "type")]
        pub(super) kind: Text<'a>,
        pub(super) message: Text<'a>,
        pub(super) last_transition_time: Text<'a>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
    pub(super) struct OperationState<'a> {
        pub(super) phase: Text<'a>,
        pub(super) message: Text<'a>,
        pub(super) started_at: Text<'a>,
        pub(super) finished_at: Text<'a>,
    }
}
