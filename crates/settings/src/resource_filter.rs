use application_api::{Pattern, PatternError, PatternKind};
use kube_object::GroupKind;
use serde::Deserialize;

/// One entry of `resource.exclusions` or `resource.inclusions`: an empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilteredResource {
    /// API groups, globs.
    pub api_groups: Vec<Pattern>,
    /// Kinds, exact or `*`.
    pub kinds: Vec<String>,
    /// URLs of clusters, globs.
    pub clusters: Vec<Pattern>,
}

/// Which kinds of which clusters are looked at (semantics, section 5.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceFilter {
    /// Kinds not to look at.
    pub exclusions: Vec<FilteredResource>,
    /// The only kinds to look at in the clusters that an entry matches.
    pub inclusions: Vec<FilteredResource>,
}

/// An entry as in YAML.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Entry {
    api_groups: Option<Vec<String>>,
    kinds: Option<Vec<String>>,
    clusters: Option<Vec<String>>,
}

impl FilteredResource {
    /// Reads a list of entries from YAML.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let entries: Option<Vec<Entry>> = crate::values::yaml(text)?;
        let globs = |texts: Option<Vec<String>>| {
            texts.unwrap_or_default().iter().map(|text| Pattern::new(text, PatternKind::Glob)).collect::<Result<_, _>>()
        };
        let compile = |entry: Entry| -> Result<Self, PatternError> {
            Ok(Self {
                api_groups: globs(entry.api_groups)?,
                kinds: entry.kinds.unwrap_or_default(),
                clusters: globs(entry.clusters)?,
            })
        };
        entries
            .unwrap_or_default()
            .into_iter()
            .map(compile)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    }

    fn matches_cluster(&self, server: &str) -> bool {
        self.clusters.is_empty() || self.clusters.iter().any(|glob| glob.matches(server))
    }

    fn matches(&self, group_kind: &GroupKind, server: &str) -> bool {
        (self.api_groups.is_empty() || self.api_groups.iter().any(|glob| glob.matches(&group_kind.group)))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == "*" || *kind == group_kind.kind))
            && self.matches_cluster(server)
    }
}

impl ResourceFilter {
    /// Tells whether a kind is not looked at in the cluster at `server`. Some kinds never are: events, metrics and leases.
    pub fn is_excluded(&self, group_kind: &GroupKind, server: &str) -> bool {
        let is_core = matches!(
            (group_kind.group.as_str(), group_kind.kind.as_str()),
            ("events.k8s.io" | "metrics.k8s.io", _) | ("", "Event") | ("coordination.k8s.io", "Lease")
        );
        if is_core || self.exclusions.iter().any(|entry| entry.matches(group_kind, server)) {
            return true;
        }
        let for_cluster = || self.inclusions.iter().filter(|entry| entry.matches_cluster(server));
        for_cluster().next().is_some() && !for_cluster().any(|entry| entry.matches(group_kind, server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_win_and_inclusions_shut_out_the_rest() {
        let filter = |exclusions, inclusions| ResourceFilter {
            exclusions: FilteredResource::parse_list(exclusions).unwrap(),
            inclusions: FilteredResource::parse_list(inclusions).unwrap(),
        };
        let groups = "- apiGroups: ['*.cilium.io', '']\n  kinds: [CiliumIdentity, Endpoints]";
        let one_cluster = "- kinds: [Deployment]\n  clusters: ['https://a.*']";
        for (exclusions, inclusions, group, kind, server, expected) in [
            ("[]", "[]", "apps", "Deployment", "https://a", false),
            ("[]", "[]", "", "Event", "https://a", true),
            ("[]", "[]", "events.k8s.io", "Event", "https://a", true),
            ("[]", "[]", "metrics.k8s.io", "PodMetrics", "https://a", true),
            ("[]", "[]", "coordination.k8s.io", "Lease", "https://a", true),
            ("[]", "[]", "example.com", "Lease", "https://a", false),
            (groups, "[]", "v2.cilium.io", "CiliumIdentity", "https://a", true),
            (groups, "[]", "v2.cilium.io", "Other", "https://a", false),
            (groups, "[]", "", "Endpoints", "https://a", true),
            ("- kinds: ['*']\n  apiGroups: [x]", "[]", "x", "Y", "https://a", true),
            ("[]", one_cluster, "apps", "Deployment", "https://a.b", false),
            ("[]", one_cluster, "", "Service", "https://a.b", true),
            ("[]", one_cluster, "", "Service", "https://c", false),
            ("- kinds: [Deployment]", one_cluster, "apps", "Deployment", "https://a.b", true),
            ("", "", "apps", "Deployment", "https://a", false),
        ] {
            let excluded = filter(exclusions, inclusions).is_excluded(&GroupKind::new(group, kind), server);
            assert_eq!(excluded, expected, "{group}/{kind} at {server} with {exclusions} and {inclusions}");
        }
    }

    #[test]
    fn malformed_entries_are_errors() {
        for text in ["kinds: [a]", "- kinds: a", "- apiGroups: ['[']", "["] {
            assert!(FilteredResource::parse_list(text).is_err(), "{text}");
        }
    }
}
