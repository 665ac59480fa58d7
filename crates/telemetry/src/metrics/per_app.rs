use std::collections::{BTreeMap, HashMap};
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
pub(crate) struct PerAppCounter<L>(Arc<Mutex<BTreeMap<AppKey, HashMap<L, f64>>>>);

impl<L: Eq + Hash> PerAppCounter<L> {
    pub(crate) fn add(&self, app: AppKey, labels: L, value: f64) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *series.entry(app).or_default().entry(labels).or_insert(0.0) += value;
    }

    pub(crate) fn forget(&self, app: &AppKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(app);
    }
}

impl<L> Default for PerAppCounter<L> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<L> Clone for PerAppCounter<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L: EncodeLabelSet> EncodeMetric for PerAppCounter<L> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        for (app, series) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let own = [("namespace", app.namespace.as_str()), ("name", app.name.as_str())];
            for (labels, value) in series {
                encoder.encode_family(&Joined(&own, labels))?.encode_counter::<NoLabelSet, f64, f64>(value, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
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
