//! Repositories of great size.

use integration_tests::object;
use serde_json::{Value, json};
use test_kit::config_map;

use super::memory::Memory;
use super::stage::{BystanderIn, Stage, millis, tell};

/// Commits something large to the victim and waits until it is refused, while the bystander goes on; tells how long that took it
/// and what memory the daemon needed.
async fn refuse_large(stage: &Stage, files: impl IntoIterator<Item = (String, Vec<u8>)>, expected: &str) -> Memory {
    let mut before = Vec::new();
    for _ in 0..3 {
        before.push(stage.round().await);
    }
    Memory::forget_peak(&stage.daemon);
    let idle = Memory::of(&stage.daemon);
    stage.change("bad").import("bad", files);
    let (_, during) = stage.rounds_during(stage.wait_unreadable(expected)).await;
    let busy = Memory::of(&stage.daemon);
    stage.assert_unharmed(&[]).await;
    tell(&format!("{}: rounds of the bystander {} before, {} during", stage.victim, millis(&before), millis(&during)));
    tell(&format!("{}: {idle} before; {busy} afterwards", stage.victim));
    Memory { peak: busy.peak.saturating_sub(idle.peak), ..busy }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_100_mb() {
    let stage = Stage::set("bad-100mb", BystanderIn::OwnRepository).await;
    let mut content = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: huge}\ndata:\n".to_vec();
    let line = "x".repeat(980);
    for number in 0..100_000 {
        content.extend_from_slice(format!("  key-{number:08}: {line}\n").as_bytes());
    }
    let refused = "victim/huge.yaml: the size of the file exceeds the limit of 10000000; split the file, or raise reposerver.max.combined.directory.manifests.size in argocd-cmd-params-cm";
    refuse_large(&stage, [("victim/huge.yaml".to_owned(), content)], refused).await;

    stage.recorder.forget();
    stage.change("two").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_files() {
    let stage = Stage::set("bad-50000", BystanderIn::OwnRepository).await;
    let padding = "x".repeat(1000);
    let files = (0..50_000).map(|number| {
        let name = format!("m-{number:05}");
        let content = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {padding}}}\n");
        (format!("victim/many/{name}.yaml"), content.into_bytes())
    });
    stage.edit_spec(json!({"source": {"directory": {"recurse": true}}})).await;
    let refused = "victim/many/m-09354.yaml: the combined size of the manifest files exceeds the limit of 10000000; split the application, \
                   or raise reposerver.max.combined.directory.manifests.size in argocd-cmd-params-cm";
    refuse_large(&stage, files, refused).await;
    assert_eq!(stage.env.cluster().get(&object("v1", "ConfigMap", &stage.work, "m-00000")).await, Value::Null);

    // Somebody does as told, and the next limit is that of what an Application can record.
    let mut params = config_map("argocd-cmd-params-cm", &[("reposerver.max.combined.directory.manifests.size", "1G")]);
    params["metadata"]["namespace"] = stage.env.namespace().into();
    params["metadata"]["labels"] = json!({"app.kubernetes.io/part-of": "argocd"});
    stage.env.cluster().apply(&params).await;
    let refused = "victim/many/m-10000.yaml: the number of objects exceeds the limit of 10000; split the application";
    let (_, during) = stage.rounds_during(stage.wait_unreadable(refused)).await;
    tell(&format!("bad-50000: rounds of the bystander {} during; {}", millis(&during), Memory::of(&stage.daemon)));
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    stage.change("two").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}
