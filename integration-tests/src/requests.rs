use std::collections::BTreeMap;

/// How many requests an API server has answered, by verb, resource and subresource, from its metric `apiserver_request_total`.
///
/// The numbers are those of the whole server: where tests run beside each other, only kinds and verbs that no other test uses tell anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts(BTreeMap<(String, String, String), u64>);

impl RequestCounts {
    /// Reads the text format of Prometheus.
    pub(crate) fn parse(metrics: &str) -> Self {
        let mut counts = Self::default();
        for line in metrics.lines() {
            let Some((labels, value)) =
                line.strip_prefix("apiserver_request_total{").and_then(|rest| rest.rsplit_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                let start = labels.find(&format!("{name}=\"")).map_or(labels.len(), |at| at + name.len() + 2);
                labels[start..].split('"').next().unwrap_or_default().to_owned()
            };
            // `resource` is found before `subresource`, because labels are sorted.
            let key = (label("verb"), label("resource"), label("subresource"));
            *counts.0.entry(key).or_default() += value.parse::<u64>().unwrap_or_default();
        }
        counts
    }

    /// Gives what was counted here and not yet in `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let rest = self.0.iter().filter_map(|(key, count)| {
            let more = count - earlier.0.get(key).copied().unwrap_or_default();
            (more > 0).then(|| (key.clone(), more))
        });
        Self(rest.collect())
    }

    /// Gives the number of requests with this verb in capitals (`GET`, `LIST`, `WATCH`, `POST`, `PUT`, `APPLY`, `PATCH`, `DELETE`) for this
    /// resource in plural, its subresources included.
    pub fn of(&self, verb: &str, resource: &str) -> u64 {
        self.0.iter().filter(|((v, r, _), _)| v == verb && r == resource).map(|(_, count)| count).sum()
    }

    /// Gives the number of requests that write this resource or a subresource.
    pub fn writes_of(&self, resource: &str) -> u64 {
        let writes = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
        writes.iter().map(|verb| self.of(verb, resource)).sum()
    }

    /// Goes through all counts: verb, resource, subresource, number.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str, u64)> {
        self.0.iter().map(|((verb, resource, subresource), count)| {
            (verb.as_str(), resource.as_str(), subresource.as_str(), *count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_over_the_other_labels() {
        let before = RequestCounts::parse(
            "# TYPE apiserver_request_total counter\n\
             apiserver_request_total{code=\"200\",group=\"\",resource=\"pods\",scope=\"x\",subresource=\"\",verb=\"GET\"} 3\n",
        );
        let after = RequestCounts::parse(
            "apiserver_request_total{code=\"200\",group=\"\",resource=\"pods\",scope=\"x\",subresource=\"\",verb=\"GET\"} 5\n\
             apiserver_request_total{code=\"404\",group=\"\",resource=\"pods\",scope=\"x\",subresource=\"\",verb=\"GET\"} 1\n\
             apiserver_request_total{code=\"200\",group=\"\",resource=\"pods\",subresource=\"status\",verb=\"PUT\"} 7\n\
             other{resource=\"pods\",verb=\"GET\"} 9\n",
        );
        let new = after.since(&before);
        assert_eq!(new.of("GET", "pods"), 3);
        assert_eq!(new.writes_of("pods"), 7);
        assert_eq!(new.iter().collect::<Vec<_>>(), [("GET", "pods", "", 3), ("PUT", "pods", "status", 7)]);
    }
}
