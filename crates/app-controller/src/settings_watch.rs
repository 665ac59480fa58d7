//! The settings: what the process was given, and the ConfigMaps of the control plane as they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_client::{Cluster, Detail, Selector, WatchEvent, WatchRequest};
use futures::StreamExt;
use futures::stream::{BoxStream, select};
use kube_object::{ApiResource, Gvk, Object, Scope};
use reconciler::Event;
use serde_json::Value;
use settings::{Layer, Layers, Problem, Settings};
use telemetry::metrics::DaemonMetrics;
use tokio::sync::{mpsc, watch};

const ARGOCD_CM: &str = "argocd-cm";
const COMMAND_PARAMS: &str = "argocd-cmd-params-cm";

/// Where settings come from and go to.
pub(crate) struct SettingsWatch {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
    /// What the process was given, as it changes.
    pub(crate) given: watch::Receiver<Layers>,
    pub(crate) metrics: DaemonMetrics,
    pub(crate) in_force: watch::Sender<Option<Arc<Settings>>>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// Which ConfigMap an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    ArgocdCm,
    CommandParams,
}

type Data = BTreeMap<String, String>;

/// The ConfigMaps as far as they are known; a ConfigMap that does not exist is empty.
#[derive(Default)]
struct ConfigMaps {
    argocd_cm: Known,
    command_params: Known,
}

#[derive(Default)]
struct Known {
    /// None until the first list is complete.
    data: Option<Data>,
    listing: Option<Data>,
}

impl SettingsWatch {
    /// Reads the settings again whenever something changes, for ever.
    pub(crate) async fn follow(mut self) {
        let events = |source: Source, name: &str| self.watch(name).map(move |event| (source, event)).boxed();
        let mut events = select(events(Source::ArgocdCm, ARGOCD_CM), events(Source::CommandParams, COMMAND_PARAMS));
        let mut maps = ConfigMaps::default();
        let mut problems = Vec::new();
        let mut given_ended = false;
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some((source, event)) = event else { return };
                    if !maps.take(source, event) {
                        continue;
                    }
                }
                changed = self.given.changed(), if !given_ended => {
                    // Nobody changes them any more.
                    given_ended = changed.is_err();
                }
            }
            let layers = maps.layers(&self.given.borrow_and_update());
            if let Some(layers) = layers {
                self.resolve(&layers, &mut problems);
            }
        }
    }

    fn watch(&self, name: &str) -> BoxStream<'static, WatchEvent> {
        self.cluster.watch(WatchRequest {
            resource: ApiResource {
                gvk: Gvk::new("", "v1", "ConfigMap"),
                plural: "configmaps".to_owned(),
                scope: Scope::Namespaced,
                verbs: Vec::new(),
                subresources: Vec::new(),
            },
            namespace: self.namespace.clone(),
            selector: Selector { labels: String::new(), fields: format!("metadata.name={name}") },
            detail: Detail::Full,
        })
    }

    fn resolve(&self, layers: &Layers, problems: &mut Vec<Problem>) {
        let (settings, found) = Settings::resolve(layers);
        for problem in found.iter().filter(|problem| !problems.contains(problem)) {
            tracing::warn!(key = problem.key, kind = problem.kind.as_str(), "{problem}");
        }
        if *problems != found {
            self.metrics.set_ignored_settings(found.iter().map(|problem| (layer_label(problem.layer), &*problem.key)));
            *problems = found;
        }
        if self.in_force.borrow().as_deref() == Some(&settings) {
            return;
        }
        tracing::info!(problems = problems.len(), "the settings were read");
        let settings = Arc::new(settings);
        self.in_force.send_replace(Some(Arc::clone(&settings)));
        // The loop is gone only when everything ends.
        let _ = self.events.send(Event::Settings(settings));
    }
}

impl ConfigMaps {
    /// Takes in an event; tells whether something may have changed.
    fn take(&mut self, source: Source, event: WatchEvent) -> bool {
        let (known, name) = match source {
            Source::ArgocdCm => (&mut self.argocd_cm, ARGOCD_CM),
            Source::CommandParams => (&mut self.command_params, COMMAND_PARAMS),
        };
        match event {
            WatchEvent::Restarting => known.listing = Some(Data::new()),
            WatchEvent::Object(object, _) if object.name() == name => match &mut known.listing {
                Some(listing) => *listing = data(&object),
                None => return known.replace(data(&object)),
            },
            WatchEvent::Listed { .. } => {
                let listed = known.listing.take().unwrap_or_default();
                return known.replace(listed);
            }
            WatchEvent::Deleted(object) if object.name() == name => return known.replace(Data::new()),
            WatchEvent::Failed(error) => {
                tracing::warn!(config_map = name, code = error.code, %error, "the settings cannot be read; it is tried again");
            }
            WatchEvent::Object(..)
            | WatchEvent::Deleted(_)
            | WatchEvent::KindGone
            | WatchEvent::Resumed
            | WatchEvent::Skipped { .. } => {}
        }
        false
    }

    /// Returns all sources, once both ConfigMaps are known.
    fn layers(&self, given: &Layers) -> Option<Layers> {
        Some(Layers {
            argocd_cm: self.argocd_cm.data.clone()?,
            command_params: self.command_params.data.clone()?,
            ..given.clone()
        })
    }
}

impl Known {
    fn replace(&mut self, data: Data) -> bool {
        let changed = self.data.as_ref() != Some(&data);
        self.data = Some(data);
        changed
    }
}

fn data(config_map: &Object) -> Data {
    let data = config_map.get(&["data"]).and_then(Value::as_object).into_iter().flatten();
    data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn layer_label(layer: Layer) -> &'static str {
    match layer {
        Layer::Flag => "flag",
        Layer::Environment => "environment",
        Layer::ConfigFile => "config-file",
        Layer::CommandParams => COMMAND_PARAMS,
        Layer::ArgocdCm => ARGOCD_CM,
    }
}

#[cfg(test)]
mod tests {
    use cluster_client::Phase;
    use serde_json::json;

    use super::*;

    fn config_map(name: &str, value: &str) -> Object {
        let config_map = json!({"metadata": {"name": name}, "data": {"timeout.reconciliation": value}});
        Object::from_value(config_map).unwrap()
    }

    #[test]
    fn settings_are_known_when_both_config_maps_are() {
        let mut maps = ConfigMaps::default();
        let given = Layers::default();
        let listed = || WatchEvent::Listed { resource_version: "1".to_owned() };
        let mut step = |source, event, changed: bool, expected: Option<&str>| {
            assert_eq!(maps.take(source, event), changed);
            let layers = maps.layers(&given);
            let found =
                layers.map(|layers| layers.argocd_cm.get("timeout.reconciliation").cloned().unwrap_or_default());
            assert_eq!(found.as_deref(), expected);
        };
        let object = |value| WatchEvent::Object(config_map(ARGOCD_CM, value), Phase::Initial);
        step(Source::ArgocdCm, WatchEvent::Restarting, false, None);
        step(Source::ArgocdCm, object("60s"), false, None);
        step(Source::ArgocdCm, listed(), true, None);
        step(Source::CommandParams, WatchEvent::Restarting, false, None);
        step(Source::CommandParams, listed(), true, Some("60s"));
        step(Source::ArgocdCm, object("90s"), true, Some("90s"));
        step(Source::ArgocdCm, object("90s"), false, Some("90s"));
        let other = WatchEvent::Object(config_map("other", "1s"), Phase::Steady);
        step(Source::ArgocdCm, other, false, Some("90s"));
        // What was known holds until the new list is complete.
        step(Source::ArgocdCm, WatchEvent::Restarting, false, Some("90s"));
        step(Source::ArgocdCm, listed(), true, Some(""));
        step(Source::ArgocdCm, object("90s"), true, Some("90s"));
        step(Source::ArgocdCm, WatchEvent::Deleted(config_map(ARGOCD_CM, "90s")), true, Some(""));
    }
}
