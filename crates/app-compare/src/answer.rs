use kube_object::{ApiError, ErrorClass, Object};
use object_diff::{DryRunVerdict, compare_dry_run};

use crate::DryRunAnswer;

/// Joins what the server said to the dry runs of one object; the object changes when any of them says so.
///
/// None when an answer belongs to another state than `live`, or none came: look at the live object again, then ask
/// again.
pub fn dry_run_answer(live: &Object, results: &[Result<Object, ApiError>]) -> Option<DryRunAnswer> {
    let mut joined = DryRunAnswer::Same;
    for result in results {
        let answer = match result {
            Ok(object) => match compare_dry_run(live, object) {
                DryRunVerdict::NoOp => DryRunAnswer::Same,
                DryRunVerdict::OwnershipOnly => DryRunAnswer::OwnershipOnly,
                DryRunVerdict::Change(fields) => {
                    DryRunAnswer::Different(fields.into_iter().map(|field| field.path).collect())
                }
                DryRunVerdict::Stale => return None,
            },
            Err(error) if matches!(error.class(), ErrorClass::Retry | ErrorClass::Conflict) => return None,
            Err(error) => DryRunAnswer::Invalid(error.message.clone()),
        };
        joined = join(joined, answer);
    }
    Some(joined)
}

fn join(one: DryRunAnswer, other: DryRunAnswer) -> DryRunAnswer {
    use DryRunAnswer::{Different, Invalid, OwnershipOnly, Same};
    match (one, other) {
        (Invalid(message), _) | (_, Invalid(message)) => Invalid(message),
        (Different(mut fields), Different(more)) => {
            fields.extend(more);
            Different(fields)
        }
        (Different(fields), _) | (_, Different(fields)) => Different(fields),
        (OwnershipOnly, _) | (_, OwnershipOnly) => OwnershipOnly,
        (Same, Same) => Same,
    }
}
