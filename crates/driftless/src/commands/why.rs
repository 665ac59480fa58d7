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
            (Some(event), Some(time)) => format!(" Waits for {event}, at {time}."),
            (Some(event), None) => format!(" Waits for {event}."),
            (None, Some(time)) => format!(" Looked at again at {time}."),
            (None, None) => String::new(),
        };
        format!("{object}{}{waits}", output::one_line(&explanation.sentence))
    };
    Ok(output::lines(explanations.iter().map(line)))
}

#[cfg(test)]
mod tests;
