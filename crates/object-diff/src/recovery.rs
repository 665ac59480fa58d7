use kube_object::{ApiError, Object};
use serde_json::Value;

/// Makes the object to apply once before `desired`, when the server refused `desired` for a reason that one step in
/// between removes; none when the refusal is about the content (server-side apply facts, traps T4 and T9).
pub fn stepping_stone(desired: &Object, live: &Object, error: &ApiError) -> Option<Object> {
    if error.code != 422 {
        return None;
    }
    error.causes.iter().find_map(|cause| {
        let path: Vec<&str> = cause.field.split('.').collect();
        if cause.message.contains("\"null\"") && desired.get(&path).and_then(Value::as_object)?.is_empty() {
            return without(desired, &path);
        }
        (path == ["spec", "strategy", "rollingUpdate"]).then(|| adopting_strategy(desired, live))?
    })
}

/// Leaves a map out that Git empties: the server would send itself null for it.
fn without(desired: &Object, path: &[&str]) -> Option<Object> {
    let (last, parents) = path.split_last()?;
    let mut step = desired.clone();
    let mut at = step.fields_mut();
    for key in parents {
        at = at.get_mut(*key)?.as_object_mut()?;
    }
    at.remove(*last)?;
    Some(step)
}

/// Spells the live strategy out, so that its defaults become ours and the next apply removes them.
fn adopting_strategy(desired: &Object, live: &Object) -> Option<Object> {
    let strategy = live.get(&["spec", "strategy"])?;
    if desired.get(&["spec", "strategy"]) == Some(strategy) {
        return None;
    }
    let mut step = desired.clone();
    step.fields_mut().get_mut("spec")?.as_object_mut()?.insert("strategy".to_owned(), strategy.clone());
    Some(step)
}
