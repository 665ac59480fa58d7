//! Files that cannot be read.

use serde_json::json;
use test_kit::config_map;

use integration_tests::object;

use super::memory::Memory;
use super::stage::{BystanderIn, Stage, millis, tell};

#[tokio::test(flavor = "multi_thread")]
async fn a_yaml_error_in_one_file() {
    let stage = Stage::set("bad-yaml", BystanderIn::SameRepository).await;
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken\ndata:\n  a: b\n c: d\n";
    stage.change("bad").write("victim/broken.yaml", broken).commit("bad");
    stage
        .wait_unreadable(
            "Failed to unmarshal \"broken.yaml\": victim/broken.yaml:7:2: did not find expected key while parsing a block mapping that \
             starts 6 lines above; correct the YAML there",
        )
        .await;
    stage.assert_unharmed(&[]).await;

    // The last good state is not only left alone: it is kept.
    let settings = object("v1", "ConfigMap", &stage.work, "settings");
    stage.env.cluster().edit(&settings, &json!({"data": {"version": "edited"}})).await;
    stage.env.cluster().wait_for(&settings, "healed", |map| map["data"]["version"] == "one").await;
    stage.assert_unharmed(&["settings"]).await;

    stage.recorder.forget();
    stage.change("two").write("victim/broken.yaml", broken.replace("\n c", "\n  c")).commit("two");
    stage.assert_recovers(&stage.repo.head(), &["broken"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_bomb() {
    let stage = Stage::set("bad-alias", BystanderIn::OwnRepository).await;
    let before = stage.round().await;
    // Nine levels of nine, of which only the first few are worth expanding.
    let levels: Vec<String> = (1..9)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", ")))
        .collect();
    let bomb = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bomb}}\na0: &a0 [{}]\n{}",
        ["lol"; 9].join(", "),
        levels.concat()
    );
    // One long text, many times: few values, but 100 MB of them.
    let long = "x".repeat(100_000);
    let aliases = "- *long\n".repeat(1000);
    let wide =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: wide}}\nlong: &long {long}\nall:\n{aliases}");
    let bombs = [
        (
            bomb,
            "victim/bomb.yaml:4:15: found too many values that come from aliases; write the values out, or share fewer of them by aliases",
        ),
        (
            wide,
            "victim/bomb.yaml:4:7: found more text that comes from aliases than one file may hold; write the values out, or share \
             fewer of them by aliases",
        ),
    ];
    for (content, expected) in bombs {
        stage.change("bad").write("victim/bomb.yaml", content).commit("bad");
        let told = format!("Failed to unmarshal \"bomb.yaml\": {expected}");
        let (_, during) = stage.rounds_during(stage.wait_unreadable(&told)).await;
        tell(&format!("bad-alias: rounds of the bystander {} before, {} during", millis(&[before]), millis(&during)));
        tell(&format!("bad-alias: {}", Memory::of(&stage.daemon)));
        stage.assert_unharmed(&[]).await;
    }
    stage.recorder.forget();
    stage.change("two").delete("victim/bomb.yaml").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting() {
    const LEVELS: usize = 100_000;
    let stage = super::stage::Prepared::new("bad-deep", BystanderIn::OwnRepository).await;
    let stage = stage.start(|app| app.set("/spec/source/directory", json!({"recurse": true}))).await;
    let before = stage.round().await;
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: deep}\n";
    let brackets = format!("{head}deep: {}{}\n", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let dashes = format!("{head}deep:\n  {}x\n", "- ".repeat(LEVELS));
    let json_lists = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"deep\"}},\"deep\":{}{}}}",
        "[".repeat(LEVELS),
        "]".repeat(LEVELS)
    );
    let too_deep = |file: &str, at: &str| {
        format!(
            "Failed to unmarshal \"{file}\": victim/{file}:{at}: found maps and lists nested deeper than allowed; nest them less deeply"
        )
    };
    let directories = format!("{}deep.json", "d/".repeat(70));
    let cases = [
        ("deep.yaml", brackets, too_deep("deep.yaml", "4:106")),
        ("deep.yaml", dashes, too_deep("deep.yaml", "5:201")),
        ("deep.json", json_lists, too_deep("deep.json", "1:172")),
        (
            &*directories,
            config_map("deep", &[]).to_string(),
            format!(
                "victim{}: the depth of directories exceeds the limit of 64; move the manifests up",
                "/d".repeat(65)
            ),
        ),
    ];
    for (file, content, expected) in cases {
        let path = format!("victim/{file}");
        stage.change("bad").write(&path, content).commit("bad");
        let (_, during) = stage.rounds_during(stage.wait_unreadable(&expected)).await;
        tell(&format!("bad-deep: rounds of the bystander {} before, {} during", millis(&[before]), millis(&during)));
        tell(&format!("bad-deep: {}", Memory::of(&stage.daemon)));
        stage.assert_unharmed(&[]).await;
        stage.repo.delete(&path);
    }
    stage.recorder.forget();
    stage.change("two").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}
