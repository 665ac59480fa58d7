use serde_json::{Value, json};

use super::check_with;
use crate::Overrides;

const DOCUMENTED: &str = r#"
hs = {}
hs.status = "Progressing"
hs.message = ""
if obj.status ~= nil then
  if obj.status.health ~= nil then
    hs.status = obj.status.health.status
    if obj.status.health.message ~= nil then
      hs.message = obj.status.health.message
    end
  end
end
return hs
"#;

fn application(status: Value) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"}, "status": status})
}

/// Checks what `script` says about an Application with `status`.
#[track_caller]
fn check(script: &str, status: Value, expected: &str) {
    let overrides = Overrides::from_scripts([("argoproj.io/Application", script)]);
    assert_eq!(overrides.unsupported(), [], "{script}");
    check_with(&overrides, application(status), expected);
}

/// Checks why `script` is not understood, and that the kind keeps its own rule.
#[track_caller]
fn check_unsupported(key: &str, script: &str, reason: &str) {
    let overrides = Overrides::from_scripts([(key, script)]);
    let reasons: Vec<_> = overrides.unsupported().iter().map(|found| (&*found.key, &*found.reason)).collect();
    assert_eq!(reasons, [(key, reason)]);
    check_with(&overrides, application(json!({"health": {"status": "Degraded"}})), "-");
}

#[test]
fn the_documented_script_passes_the_health_of_a_child_on() {
    check(DOCUMENTED, Value::Null, "Progressing");
    check(DOCUMENTED, json!({"sync": {}}), "Progressing");
    check(DOCUMENTED, json!({"health": {"status": "Healthy"}}), "Healthy");
    check(DOCUMENTED, json!({"health": {"status": "Degraded", "message": "sad"}}), "Degraded: sad");
    check(DOCUMENTED, json!({"health": {}}), "Unknown: Lua returned an invalid health status");
}

#[test]
fn variants_of_the_script_are_understood() {
    let sad = || json!({"health": {"status": "Degraded", "message": "sad"}});
    for script in [
        "hs={} if obj.status~=nil then if obj.status.health~=nil then hs.status=obj.status.health.status; hs.message=obj.status.health.message end end return hs",
        "local hs = { status = 'Progressing', message = '' }\n-- health of the child\nif obj.status ~= nil and obj.status.health ~= nil then\n  hs.status = obj.status.health.status\n  hs.message = obj.status.health.message or ''\nend\nreturn hs;",
        "--[[ restored\nfor waves ]] health_status = {}\nif not obj.status then return health_status end\nlocal health = obj[\"status\"].health\nhealth_status.status = health.status\nhealth_status.message = health.message\nreturn health_status",
        "hs = {}\nif obj.status == nil then\n hs.status = \"Progressing\"\nelseif obj.status.health == nil then\n hs.status = \"Missing\"\nelse\n hs.status = obj.status.health.status\n hs.message = \"s\" .. \"a\" .. 'd'\nend\nreturn hs",
    ] {
        check(script, sad(), "Degraded: sad");
    }
}

#[test]
fn what_a_script_returns_is_read_as_argo_cd_reads_it() {
    for (script, expected) in [
        ("return {status = \"Suspended\", message = \"by \\\"me\\\"\"}", "Suspended: by \"me\""),
        ("return {status = \"healthy\"}", "Unknown: Lua returned an invalid health status"),
        ("return {message = \"only\"}", "Unknown: Lua returned an invalid health status"),
        ("hs = {} return hs", "-"),
        ("return nil", "-"),
        ("hs = {}", "-"),
        ("return \"Healthy\"", "Unknown: expect table output from Lua script, not string"),
        ("return obj.status.health.status", "Unknown: attempt to index a nil value: `obj.status.health`"),
        ("hs = obj hs.status = 1 return hs", "Unknown: a health script must not change the object"),
    ] {
        check(script, json!({}), expected);
    }
}

#[test]
fn local_variables_end_with_their_block() {
    check(
        "local hs = {status = \"Healthy\"} if true then local hs = {} hs.status = \"Degraded\" end return hs",
        Value::Null,
        "Healthy",
    );
    check("if true then hs = {status = \"Degraded\"} end return hs", Value::Null, "Degraded");
}

#[test]
fn other_scripts_are_listed_and_the_kind_keeps_its_rule() {
    let key = "argoproj.io/Application";
    for (script, reason) in [
        ("hs = {}\nfor i, c in ipairs(obj.status.conditions) do end", "line 2: `for` is not understood here"),
        ("hs = {}\nhs.status = string.lower(\"X\")", "line 2: `(` is not understood here"),
        ("if obj.status.n > 1 then return {} end", "line 1: `>` is not understood"),
        ("return {", "the script ends too early"),
        ("obj.status = nil", "line 1: `obj` must not be changed"),
        ("x = \"open", "the text that starts with \"open has no end"),
        ("return {} x = 1", "line 1: `x` is not understood here"),
    ] {
        check_unsupported(key, script, reason);
    }
    check_unsupported(
        key,
        &format!("x = {}1{}", "(".repeat(5000), ")".repeat(5000)),
        "line 1: nested more than 40 deep",
    );
    check_unsupported(
        "{a,b}/*",
        "return {}",
        "the key is a pattern with more than `*` and `?`; write one key for each kind",
    );
}

#[test]
fn long_scripts_neither_exhaust_the_stack_nor_the_memory() {
    let chain = format!("x = nil{} return {{status = \"Healthy\"}}", " or nil".repeat(100_000));
    check(&chain, Value::Null, "Healthy");
    let doubling = format!("x = \"long\"\n{}return {{}}", "x = x .. x\n".repeat(200));
    check(&doubling, Value::Null, "Unknown: a text grew over 65536 bytes");
}

#[test]
fn the_own_key_of_a_kind_wins_over_patterns() {
    let say = |status: &str| format!("return {{status = \"{status}\"}}");
    let service = || json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}});
    let check = |keys: &[(&str, &str)], object: Value, expected: &str| {
        let scripts: Vec<_> = keys.iter().map(|(key, status)| (*key, say(status))).collect();
        let overrides = Overrides::from_scripts(scripts.iter().map(|(key, text)| (*key, text.as_str())));
        check_with(&overrides, object, expected);
    };
    let app = || application(Value::Null);
    check(&[("argoproj.io/Application", "Degraded"), ("*/*", "Suspended")], app(), "Degraded");
    check(&[("argoproj.io/*", "Suspended")], app(), "Suspended");
    check(&[("*.io/App?ication", "Suspended")], app(), "Suspended");
    check(&[("*.com/*", "Suspended"), ("argo*/Ap", "Suspended")], app(), "-");
    check(&[("*/*", "Suspended")], service(), "Healthy");
    check(&[("Service", "Suspended")], service(), "Suspended");
    let overrides = Overrides::from_scripts([("Service", " "), ("Serv*", "return {status = \"Missing\"}")]);
    check_with(&overrides, service(), "Missing");
}
