//! HorizontalPodAutoscalers.

use kube_object::Object;
use serde_json::Value;

use crate::fields::{Condition, list};
use crate::{Health, HealthStatus};

/// Where version `v1` of the kind keeps its conditions, as JSON text.
const CONDITIONS_ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/conditions";

pub(super) fn autoscaler(object: &Object) -> Health {
    if object.api_version() != "autoscaling/v1" {
        return by_conditions(list(object, &["status", "conditions"]));
    }
    match serde_json::from_str::<Vec<Value>>(object.annotation(CONDITIONS_ANNOTATION).unwrap_or("[]")) {
        Ok(conditions) => by_conditions(&conditions),
        Err(error) => {
            Health::new(HealthStatus::Unknown, format!("failed to convert conditions annotation to typed: {error}"))
        }
    }
}

fn by_conditions(conditions: &[Value]) -> Health {
    let find = |wanted: fn(&Condition<'_>) -> bool| conditions.iter().map(Condition::of).find(wanted);
    if let Some(found) = find(is_failure) {
        return Health::new(HealthStatus::Degraded, found.message);
    }
    if let Some(found) = find(is_working) {
        return Health::new(HealthStatus::Healthy, found.message);
    }
    Health::new(HealthStatus::Progressing, "Waiting to Autoscale")
}

fn is_failure(condition: &Condition<'_>) -> bool {
    matches!(
        (condition.kind, condition.reason),
        ("AbleToScale", "FailedGetScale" | "FailedUpdateScale")
            | (
                "ScalingActive",
                "FailedGetResourceMetric"
                    | "FailedGetObjectMetric"
                    | "FailedGetPodsMetric"
                    | "FailedGetExternalMetric"
                    | "FailedComputeMetricsReplicas"
                    | "InvalidSelector"
            )
    )
}

fn is_working(condition: &Condition<'_>) -> bool {
    matches!(condition.kind, "AbleToScale" | "ScalingLimited") && condition.is_true()
}
