//! How many renders the daemon has done, by its own count.

use integration_tests::Daemon;

/// The counter of renders that were done: what was found unchanged is not among them.
pub(crate) const METRIC: &str = "driftless_renders_total";

/// Gives the renders that Kustomize has done; none where the daemon does not count them.
pub(crate) async fn by_kustomize(daemon: &Daemon) -> Option<u64> {
    let url = format!("{}/metrics", daemon.metrics_url());
    let answer = reqwest::get(&url).await.unwrap_or_else(|e| panic!("get {url}: {e}"));
    let text = answer.text().await.unwrap_or_else(|e| panic!("read {url}: {e}"));
    parse(&text, "Kustomize")
}

/// Reads the text format of Prometheus.
fn parse(metrics: &str, tool: &str) -> Option<u64> {
    let label = format!("tool=\"{tool}\"");
    let lines = metrics.lines().filter(|line| line.strip_prefix(METRIC).is_some_and(|rest| rest.starts_with('{')));
    let values = lines.filter(|line| line.contains(&label)).filter_map(|line| line.rsplit_once(' '));
    let values: Vec<u64> = values.filter_map(|(_, value)| value.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_of_one_tool_are_added_up() {
        let metrics = "# TYPE driftless_renders counter\n\
             driftless_renders_total{tool=\"Helm\",outcome=\"rendered\"} 5\n\
             driftless_renders_total{tool=\"Kustomize\",outcome=\"rendered\"} 3\n\
             driftless_renders_total{tool=\"Kustomize\",outcome=\"failed\"} 1\n";
        assert_eq!(parse(metrics, "Kustomize"), Some(4));
        assert_eq!(parse(metrics, "Directory"), None);
    }
}
