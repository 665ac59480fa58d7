//! Who sent how many requests, by the API server's own count.
//!
//! The metric `apiserver_request_total` does not say who asked. Flow schemas that match one account each and a kind of request do: the API server
//! counts what it dispatched for each of them.

use serde_json::{Value, json};

use crate::installation::ENGINE;

/// What the engine has asked for since the API server's start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) writes: u64,
    /// Reads apart from watches.
    pub(crate) reads: u64,
}

impl Requests {
    /// Gives what came later.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { writes: self.writes - earlier.writes, reads: self.reads - earlier.reads }
    }

    pub(crate) fn total(self) -> u64 {
        self.writes + self.reads
    }

    /// Reads the text format of Prometheus.
    pub(crate) fn parse(metrics: &str) -> Self {
        let of = |schema: &str| -> u64 {
            let label = format!("flow_schema=\"{schema}\"");
            let lines =
                metrics.lines().filter(|line| line.starts_with("apiserver_flowcontrol_dispatched_requests_total{"));
            let values = lines.filter(|line| line.contains(&label)).filter_map(|line| line.rsplit_once(' '));
            values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
        };
        Self { writes: of("engine-writes"), reads: of("engine-reads") }
    }
}

/// Gives the flow schemas that tell the engine's requests from others'; they go where all service accounts' requests go.
pub(crate) fn flow_schemas() -> Vec<Value> {
    let all = json!({"apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true});
    let rule = |verbs: &[&str], base: &Value| {
        let mut rule = base.clone();
        rule["verbs"] = json!(verbs);
        rule
    };
    let leases = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]});
    let schema = |name: &str, precedence: u32, rules: Value, paths: Value| {
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
            "spec": {
                "priorityLevelConfiguration": {"name": "workload-low"},
                "matchingPrecedence": precedence,
                "distinguisherMethod": {"type": "ByUser"},
                "rules": [{
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": ENGINE, "namespace": crate::workload::CONTROL_PLANE}}],
                    "resourceRules": rules,
                    "nonResourceRules": paths,
                }],
            },
        })
    };
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    vec![
        schema("engine-leases", 900, json!([rule(&["*"], &leases)]), json!([])),
        schema("engine-watches", 901, json!([rule(&["watch"], &all)]), json!([])),
        schema("engine-writes", 902, json!([rule(&writes, &all)]), json!([])),
        schema("engine-reads", 903, json!([rule(&["*"], &all)]), json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}])),
    ]
}
