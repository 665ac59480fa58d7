//! P4: an edit by hand, healed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use integration_tests::{Cluster, object};
use serde_json::json;

use super::Running;
use crate::Plan;
use crate::follow::Watched;
use crate::report::Report;
use crate::statistics::{median, number, worst};
use crate::workload::{WIDE, app_name, namespace_of, wide_name};

/// Edits one after the other, and edits at once.
const EDITS: usize = 20;
/// Time between two edits.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn measure(plan: &Plan, running: &mut Running, report: &mut Report) {
    if !plan.has("P4") {
        return;
    }
    let n = plan.size;
    let targets: Vec<(String, String)> =
        (0..EDITS).map(|turn| turn * 3 % n).map(|index| (namespace_of(index), app_name(index))).collect();
    let before = running.installation.requests().await;
    let mut times = Vec::new();
    for (turn, target) in targets.iter().enumerate() {
        let begun = Instant::now();
        times.extend(heal(running, std::slice::from_ref(target), &format!("hand {turn}")).await);
        tokio::time::sleep(PAUSE.saturating_sub(begun.elapsed())).await;
    }
    super::idle::until_quiet(running).await;
    let requests = running.installation.requests().await.since(before).total();
    let detail = format!("worst {:.0} ms, {EDITS} edits 500 ms apart", worst(&times));
    report.add(n, "P4", median(times), "ms", detail);
    let different: HashSet<&(String, String)> = targets.iter().collect();
    let different: Vec<(String, String)> = different.into_iter().cloned().collect();
    let times = heal(running, &different, "at once").await;
    let detail = format!("median {:.0} ms, {} applications at once", median(times.clone()), different.len());
    report.add(n, "P4max", worst(&times), "ms", detail);
    super::idle::until_quiet(running).await;
    running.installation.admin.apply(&running.workload.wide()).await;
    running.apps.until("the wide Application", |_, apps| apps.get("wide").is_some_and(Watched::is_settled)).await;
    super::idle::until_quiet(running).await;
    let wide: Vec<(String, String)> = (0..WIDE).map(|index| (namespace_of(0), wide_name(index))).collect();
    let times = heal(running, &wide, "at once").await;
    let detail = format!("median {:.0} ms, {WIDE} objects of one application at once", median(times.clone()));
    report.add(n, "P4one", worst(&times), "ms", detail);
    report.add(n, "P4req", number(requests) / number(EDITS as u64), "", "a heal".to_owned());
    super::idle::until_quiet(running).await;
}

/// Edits ConfigMaps at the same time, and gives for each the milliseconds from the answer to the event of its old value.
async fn heal(running: &mut Running, targets: &[(String, String)], value: &str) -> Vec<f64> {
    running.configs.catch_up();
    let wanted: HashMap<String, String> =
        targets.iter().map(|(_, name)| (name.clone(), running.configs.objects[name].value().to_owned())).collect();
    let admin = running.installation.admin.clone();
    let edits = join_all(targets.iter().map(|target| edit(&admin, target, value)));
    let mut edited: HashSet<String> = HashSet::new();
    let mut healed: HashMap<String, Instant> = HashMap::new();
    let follow = async {
        while healed.len() < targets.len() {
            let mut changed = String::new();
            let is_ours = |name: &str, _: &HashMap<String, Watched>| {
                name.clone_into(&mut changed);
                wanted.contains_key(name)
            };
            let at = running.configs.until("a heal", is_ours).await;
            let now = running.configs.objects[&changed].value();
            if now == value {
                edited.insert(changed);
            } else if now == wanted[&changed] && edited.contains(&changed) {
                healed.insert(changed, at);
            }
        }
    };
    let (answered, ()) = futures::future::join(edits, follow).await;
    let times = answered.into_iter().zip(targets);
    times.map(|(at, (_, name))| healed[name].saturating_duration_since(at).as_secs_f64() * 1000.0).collect()
}

async fn edit(admin: &Cluster, (namespace, name): &(String, String), value: &str) -> Instant {
    let target = object("v1", "ConfigMap", namespace, name);
    admin.edit(&target, &json!({"data": {"value": value}})).await;
    Instant::now()
}
