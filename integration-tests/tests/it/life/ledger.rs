//! What a daemon asked the API server for, checked: nothing was done twice, and nothing out of turn.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use integration_tests::{ApiRequest, listed};
use serde_json::Value;

use crate::life::Operations;

/// The writes of one step of an Application's life.
pub(super) struct Ledger {
    writes: Vec<ApiRequest>,
    waves: BTreeMap<String, i64>,
}

impl Ledger {
    pub(super) fn new(writes: Vec<ApiRequest>, waves: BTreeMap<String, i64>) -> Self {
        Self { writes, waves }
    }

    /// Checks that these objects were deleted, and no others.
    pub(super) fn check_deletes(&self, expected: &[String]) {
        let deleted: BTreeSet<&String> = self.done(&Method::DELETE).map(|request| &request.path).collect();
        let expected: BTreeSet<&String> = expected.iter().collect();
        assert_eq!(deleted, expected, "what was deleted, and what should have been");
        for request in self.done(&Method::DELETE) {
            let body = &request.body;
            assert!(body["preconditions"]["uid"].is_string(), "{request}: {body}");
            assert!(body["propagationPolicy"].is_string(), "{request}: {body}");
        }
    }

    /// Checks that all deletes reached dependents in this way.
    pub(super) fn check_propagation(&self, expected: &str) {
        for request in self.done(&Method::DELETE) {
            assert_eq!(request.body["propagationPolicy"], expected, "{request}");
        }
    }

    /// Checks that nothing of a lower wave was deleted before something of a higher one.
    pub(super) fn check_order_of_deletes(&self) {
        let waves: Vec<i64> =
            self.done(&Method::DELETE).filter_map(|request| self.waves.get(&request.path).copied()).collect();
        assert!(
            waves.is_sorted_by(|before, after| before >= after),
            "waves of the deletes: {waves:?}\n{}",
            listed(&self.writes)
        );
    }

    /// Checks that the objects were applied wave by wave, and that one operation was told of once.
    pub(super) fn check_applies(&self, operations: Operations) {
        let mut seen = BTreeSet::new();
        let first = self.done(&Method::PATCH).filter(|request| seen.insert(request.path.clone()));
        let waves: Vec<i64> = first.filter_map(|request| self.waves.get(&request.path).copied()).collect();
        assert!(waves.is_sorted(), "waves of the applies: {waves:?}\n{}", listed(&self.writes));
        let events = |reason: &str| self.done(&Method::POST).filter(|event| event.body["reason"] == reason).count();
        for reason in ["OperationStarted", "OperationCompleted"] {
            assert!(operations != Operations::One || events(reason) <= 1, "{} Events {reason}", events(reason));
        }
    }

    fn done<'a>(&'a self, method: &'a Method) -> impl Iterator<Item = &'a ApiRequest> {
        self.writes.iter().filter(move |request| request.method == *method && request.is_done())
    }
}

/// Checks that the state of an operation that has succeeded is complete and holds nothing twice.
pub(super) fn check_operation(app: &Value, commit: &str) {
    let state = &app["status"]["operationState"];
    let time = |field: &str| state[field].as_str().unwrap_or_else(|| panic!("no {field}: {state:#}"));
    assert!(time("startedAt") <= time("finishedAt"), "{state:#}");
    assert_eq!(state["syncResult"]["revision"], commit);
    let rows = |list: &Value| -> Vec<String> {
        let all = list.as_array().into_iter().flatten();
        all.map(|row| format!("{}/{}/{}/{}", row["group"], row["kind"], row["namespace"], row["name"])).collect()
    };
    for list in [&state["syncResult"]["resources"], &app["status"]["resources"]] {
        let rows = rows(list);
        assert!(!rows.is_empty(), "no rows: {app:#}");
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "twice in {rows:?}");
    }
    let ids: Vec<i64> = app["status"]["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry["id"].as_i64().unwrap_or(0))
        .collect();
    assert!(ids.is_sorted_by(|before, after| before < after), "ids of the history: {ids:?}");
}

/// Checks how many operations of a commit all versions of an Application tell of.
pub(super) fn check_operations(versions: &[Value], commit: &str, allowed: Operations) {
    let mut begun: Vec<(String, bool)> = Vec::new();
    let mut was_running = false;
    for version in versions {
        let state = &version["status"]["operationState"];
        let is_running = matches!(state["phase"].as_str(), Some("Running" | "Terminating"));
        let is_whole = state["operation"]["sync"]["resources"].is_null();
        if state["syncResult"]["revision"] == commit && is_whole {
            let started = state["startedAt"].to_string();
            if begun.last().is_none_or(|(last, _)| *last != started) || is_running && !was_running {
                begun.push((started, false));
            }
            if let Some(last) = begun.last_mut() {
                last.1 = state["phase"] == "Succeeded";
            }
        }
        was_running = is_running;
    }
    let succeeded = begun.iter().filter(|(_, succeeded)| *succeeded).count();
    assert_eq!(succeeded, 1, "operations of {commit}: {begun:?}");
    if allowed == Operations::One {
        assert_eq!(begun.len(), 1, "operations of {commit}: {begun:?}");
    }
}
