use super::*;
use crate::test_hands::TestHands;

fn record() -> Record {
    Record {
        app: AppKey::new("argocd", "web"),
        uid: "u".to_owned(),
        resource_version: "7".to_owned(),
        reason: "OperationStarted",
        message: "Initiated automated sync to 'abc'".to_owned(),
        severity: Severity::Normal,
        dest_server: "https://kubernetes.default.svc".to_owned(),
        dest_namespace: "shop".to_owned(),
    }
}

#[test]
fn events_of_one_moment_have_names_of_their_own() {
    let mut names = Names::default();
    let at = Timestamp::from_nanosecond(0x1000).unwrap();
    let made: Vec<String> = (0..3).map(|_| names.next(&record(), at)).collect();
    assert_eq!(made, ["web.1000", "web.1001", "web.1002"]);
}

#[test]
fn an_event_names_the_application_as_it_was() {
    let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let event = event("web.1", &record(), at);
    let expected = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": "web.1", "namespace": "argocd",
            "annotations": {"dest-server": "https://kubernetes.default.svc", "dest-namespace": "shop"},
        },
        "involvedObject": {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "namespace": "argocd", "name": "web",
            "uid": "u", "resourceVersion": "7",
        },
        "source": {"component": "argocd-application-controller"},
        "type": "Normal", "reason": "OperationStarted", "message": "Initiated automated sync to 'abc'",
        "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:04:05Z", "count": 1,
    });
    assert_eq!(event, expected);
}

#[tokio::test(start_paused = true)]
async fn equal_events_of_one_moment_are_one_event_with_a_count() {
    let directory = tempfile::tempdir().unwrap();
    let test = TestHands::new(directory.path(), |_, body| (201, serde_json::from_str(body).unwrap()));
    let (recorder, records) = Recorder::new();
    let writing = tokio::spawn(write_all(records, Arc::clone(&test.hands)));
    for message in ["a", "a", "b", "a"] {
        recorder.record(Record { message: message.to_owned(), ..record() });
    }
    tokio::time::sleep(2 * WINDOW).await;
    recorder.record(Record { message: "a".to_owned(), ..record() });
    recorder.record(Record { message: "a".to_owned(), ..record() });
    drop(recorder);
    writing.await.unwrap();
    let sent = |(line, body): &(String, String)| {
        let body: Value = serde_json::from_str(body).unwrap();
        let method = line.split(' ').next().unwrap().to_owned();
        (method, body["message"].as_str().unwrap_or_default().to_owned(), body["count"].as_i64().unwrap())
    };
    let said: Vec<_> = test.seen().iter().map(sent).collect();
    let expected = [("POST", "a", 1), ("POST", "b", 1), ("PATCH", "", 3), ("POST", "a", 1), ("PATCH", "", 2)];
    assert_eq!(said, expected.map(|(method, message, count)| (method.to_owned(), message.to_owned(), count)));
}
