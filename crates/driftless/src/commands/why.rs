use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use super::app::refused;
use crate::cli::{TextOrJson, WhyArgs};
use crate::client::ApiClient;
use crate::output;

/// An explanation as the daemon sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Explanation {
    object: Option<String>,
    sentence: String,
    waits_for: Option<String>,
    wakes_at: Option<String>,
}

/// Prints why an application, or one of its objects, is as it is.
pub(super) async fn run(args: WhyArgs) -> anyhow::Result<Outcome> {
    let client = ApiClient::new(&args.server)?;
    // `-` stands for the daemon's own namespace.
    let namespace = args.app.namespace.as_deref().unwrap_or("-");
    let query: Vec<(&str, &str)> = args.object.iter().map(|object| ("object", object.as_str())).collect();
    let path = ["api", "driftless", "v1", "why", namespace, &args.app.name];
    let answer = client.get(&path, &query).await.map_err(|error| refused(error, &args.app))?;
    let text = match args.output {
        TextOrJson::Json => output::json(&answer),
        TextOrJson::Text => sentences(answer)?,
    };
    if text.is_empty() {
        let about = args.object.as_deref().unwrap_or("it");
        anyhow::bail!("application {} has nothing to say about {about}; name the object as KIND/NAME", args.app);
    }
    output::print(&text)?;
    Ok(Outcome::Done)
}

fn sentences(answer: Value) -> anyhow::Result<String> {
    let explanations: Vec<Explanation> = serde_json::from_value(answer)?;
    let line = |explanation: &Explanation| {
        let object = explanation.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        let waits = match (&explanation.waits_for, &explanation.wakes_at) {
            (Some(event), _) => format!(" Waits for {event}."),
            (None, Some(time)) => format!(" Looked at again at {time}."),
            (None, None) => String::new(),
        };
        format!("{object}{}{waits}", output::one_line(&explanation.sentence))
    };
    Ok(output::lines(explanations.iter().map(line)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn explanations_are_sentences() {
        let answer = json!([
            {"rule": "AutoSyncOff", "sentence": "Off.", "waitsFor": "a sync"},
            {"object": "Service shop/web", "rule": "ObjectMissing", "sentence": "Not\nthere."},
            {"rule": "X", "sentence": "Later.", "wakesAt": "2026-01-01T00:00:00Z"},
        ]);
        let expected =
            "Off. Waits for a sync.\nService shop/web: Not there.\nLater. Looked at again at 2026-01-01T00:00:00Z.\n";
        assert_eq!(sentences(answer).unwrap(), expected);
    }
}
