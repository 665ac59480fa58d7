use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The application a series belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppKey {
    /// Namespace of the Application.
    pub namespace: String,
    /// Name of the Application.
    pub name: String,
}

impl AppKey {
    /// Makes a key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// Counters by application and further labels, removable by application.
#[derive(Debug)]
pub(crate) struct PerAppCounter<L>(Arc<Mutex<Series<L>>>);

#[derive(Debug)]
struct Series<L> {
    by_app: BTreeMap<AppKey, Vec<(Arc<L>, f64)>>,
    /// The label sets in use: applications have most of them in common, so each is kept once.
    sets: HashSet<Arc<L>>,
}

impl<L: Eq + Hash> PerAppCounter<L> {
    pub(crate) fn add(&self, app: AppKey, labels: L, value: f64) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let set = series.share(labels);
        let own = series.by_app.entry(app).or_default();
        match own.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &set)) {
            Some((_, sum)) => *sum += value,
            None => own.push((set, value)),
        }
    }

    pub(crate) fn forget(&self, app: &AppKey) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (set, _) in series.by_app.remove(app).unwrap_or_default() {
            // This one and the one in the table are the last.
            if Arc::strong_count(&set) == 2 {
                series.sets.remove(&set);
            }
        }
    }

    /// Returns the number of label sets that are kept.
    #[cfg(test)]
    pub(crate) fn sets(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sets.len()
    }
}

impl<L: Eq + Hash> Series<L> {
    fn share(&mut self, labels: L) -> Arc<L> {
        if let Some(known) = self.sets.get(&labels) {
            return known.clone();
        }
        let shared = Arc::new(labels);
        self.sets.insert(shared.clone());
        shared
    }
}

impl<L> Default for PerAppCounter<L> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Series { by_app: BTreeMap::new(), sets: HashSet::new() })))
    }
}

impl<L> Clone for PerAppCounter<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L: EncodeLabelSet> EncodeMetric for PerAppCounter<L> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        for (app, series) in &self.0.lock().unwrap_or_else(PoisonError::into_inner).by_app {
            let own = [("namespace", app.namespace.as_str()), ("name", app.name.as_str())];
            for (labels, value) in series {
                encoder.encode_family(&Joined(&own, &**labels))?.encode_counter::<NoLabelSet, f64, f64>(value, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_app.is_empty()
    }
}

/// Two label sets, one after the other.
pub(crate) struct Joined<'a, A, B>(pub(crate) &'a A, pub(crate) &'a B);

impl<A: EncodeLabelSet, B: EncodeLabelSet> EncodeLabelSet for Joined<'_, A, B> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder) -> fmt::Result {
        self.0.encode(encoder)?;
        self.1.encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_set_is_kept_once_and_as_long_as_an_application_has_it() {
        let counter = PerAppCounter::<&str>::default();
        let (one, other) = (AppKey::new("argocd", "one"), AppKey::new("argocd", "other"));
        for (app, labels) in [(&one, "a"), (&one, "b"), (&one, "a"), (&other, "a")] {
            counter.add(app.clone(), labels, 1.0);
        }
        assert_eq!(counter.sets(), 2);
        counter.forget(&one);
        assert_eq!(counter.sets(), 1);
        counter.forget(&other);
        assert_eq!(counter.sets(), 0);
    }
}
