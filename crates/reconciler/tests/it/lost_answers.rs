//! Writes that come through although nobody hears of it.

use application_api::OperationPhase;
use reconciler::{Call, Effect};
use serde_json::json;
use test_kit::sim::{Fault, World, app_key, application_key, application_with, config_map, error};

#[test]
fn a_termination_that_crosses_a_lost_answer_ends_the_operation() {
    let retry = json!({"limit": 3, "backoff": {"duration": "20s"}});
    let application = application_with("web", |app| app["spec"]["syncPolicy"]["retry"] = retry);
    let mut world = World::synced_with(application, &[config_map("a", "1")]);
    world.faults = Box::new(|effect| match effect {
        Effect::Request { request, .. } if matches!(request.call, Call::Apply { .. }) => {
            Some(Fault::Refused(error(422, "Invalid", "not now")))
        }
        Effect::Write { patch, .. } if patch.pointer("/status/operationState/retryCount").is_some() => {
            Some(Fault::AnswerLost)
        }
        _ => None,
    });
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.server.edit(&application_key(&app_key("web")), "argocd-server", |app| {
        assert_eq!(app["status"]["operationState"]["retryCount"], 1, "the end of the attempt is stored");
        app["status"]["operationState"]["phase"] = "Terminating".into();
    });
    world.faults = Box::new(|_| None);
    world.seconds(60);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(world.application("web").operation, None);
}
