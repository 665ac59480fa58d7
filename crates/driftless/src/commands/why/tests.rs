use serde_json::json;

use super::*;

#[test]
fn explanations_are_sentences() {
    let answer = json!([
        {"rule": "AutoSyncOff", "sentence": "Off.", "waitsFor": "a sync"},
        {"object": "Service shop/web", "rule": "ObjectMissing", "sentence": "Not\nthere."},
        {"rule": "X", "sentence": "Later.", "waitsFor": "the next attempt", "wakesAt": "2026-01-01T00:00:00Z"},
        {"rule": "X", "sentence": "Later.", "wakesAt": "2026-01-01T00:00:00Z"},
    ]);
    let expected = "Off. Waits for a sync.\nService shop/web: Not there.\n\
        Later. Waits for the next attempt, at 2026-01-01T00:00:00Z.\nLater. Looked at again at 2026-01-01T00:00:00Z.\n";
    assert_eq!(sentences(answer).unwrap(), expected);
}
