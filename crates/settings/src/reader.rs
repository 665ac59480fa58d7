use crate::keys::{KeyUse, key_use};
use crate::{Layer, Layers, Problem, ProblemKind, Setting, all_settings};

/// Reads settings from all sources and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    layers: &'a Layers,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layers: &'a Layers) -> Self {
        Self { layers, problems: Vec::new() }
    }

    /// Returns the values of a setting with their sources and keys, the one that wins first. An empty text is no value.
    fn values(&self, setting: &Setting) -> Vec<(Layer, String, &'a str)> {
        let Layers { flags, environment, config_file, .. } = self.layers;
        let mut found = vec![
            (Layer::Flag, setting.name.to_owned(), flags.get(setting.name)),
            (Layer::Environment, setting.variable(), environment.get(&setting.variable())),
            (Layer::ConfigFile, setting.name.to_owned(), config_file.get(setting.name)),
        ];
        if let Some((layer, key)) = setting.config_map {
            found.push((layer, key.to_owned(), self.config_map(layer).get(key)));
        }
        let values = found.into_iter().filter_map(|(layer, key, text)| Some((layer, key, text?.trim())));
        values.filter(|(_, _, text)| !text.is_empty()).collect()
    }

    pub(crate) fn config_map(&self, layer: Layer) -> &'a std::collections::BTreeMap<String, String> {
        if layer == Layer::CommandParams { &self.layers.command_params } else { &self.layers.argocd_cm }
    }

    /// Reads a setting; a text that cannot be read gives way to the next source, in the end to the default.
    pub(crate) fn read<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let mut bad = Vec::new();
        let good = self.values(setting).into_iter().find_map(|(layer, key, text)| match parse(text) {
            Ok(value) => Some((value, format!("`{text}` of {layer}"))),
            Err(error) => {
                bad.push((layer, key, error));
                None
            }
        });
        let (value, used) = good.unwrap_or_else(|| {
            let value =
                parse(setting.default).unwrap_or_else(|_| unreachable!("defaults can be read: a test reads them all"));
            (
                value,
                if setting.default.is_empty() {
                    "no value".to_owned()
                } else {
                    format!("the default `{}`", setting.default)
                },
            )
        });
        for (layer, key, error) in bad {
            self.problem(layer, key, ProblemKind::Invalid, format!("{error}; {used} is used instead"));
        }
        value
    }

    /// Returns the text of a setting with its source and key; none when only the default is left.
    pub(crate) fn text(&self, setting: &Setting) -> Option<(Layer, String, &'a str)> {
        self.values(setting).into_iter().next()
    }

    pub(crate) fn problem(&mut self, layer: Layer, key: impl Into<String>, kind: ProblemKind, message: String) {
        self.problems.push(Problem { layer, key: key.into(), kind, message });
    }

    /// Reports keys of the config file and the ConfigMaps that are not known or not supported.
    pub(crate) fn report_keys(&mut self) {
        for key in self.layers.config_file.keys() {
            if !all_settings().iter().any(|setting| setting.name == key) {
                let message = "this is no setting; it has no effect".to_owned();
                self.problem(Layer::ConfigFile, key, ProblemKind::Unknown, message);
            }
        }
        for layer in [Layer::CommandParams, Layer::ArgocdCm] {
            for key in self.config_map(layer).keys() {
                let (kind, message) = match key_use(layer, key) {
                    KeyUse::Read | KeyUse::Elsewhere => continue,
                    KeyUse::Unsupported => (ProblemKind::Unsupported, "this is not supported; it has no effect"),
                    KeyUse::NotYet => (ProblemKind::Unsupported, "nothing acts on this yet; it has no effect"),
                    KeyUse::Unknown => (ProblemKind::Unknown, "this is no key of Argo CD; it has no effect"),
                };
                self.problem(layer, key, kind, message.to_owned());
            }
        }
    }
}
