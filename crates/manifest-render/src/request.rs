use std::sync::{Arc, LazyLock};

use application_api::{
    ApplicationSource, ApplicationSourceDirectory, ApplicationSourceHelm, ApplicationSourceKustomize, SourceType,
};
use kube_object::Digest;

use crate::{RenderError, RenderLimits};

/// Schemes that URLs of values files may have where no setting says otherwise.
static USUAL_SCHEMES: LazyLock<Arc<[String]>> = LazyLock::new(|| ["https", "http"].map(str::to_owned).into());

/// What to render, apart from the files themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderRequest {
    /// Directory in the repository as the spec writes it; empty or `.` is the root.
    pub path: String,
    /// How to read the directory.
    ///
    /// `include` and `exclude` are matched against the path relative to the application's directory, `exclude` first. In
    /// both, `*` and `**` stand for any text, also across `/`; `?` for any one character; `[a-c]`, `[abc]` and `[!abc]` for
    /// one character of a set or not of it; `{a,b}` for alternatives, which may nest; `\` takes the next character as it
    /// is. A glob that does not parse is an error.
    pub directory: ApplicationSourceDirectory,
    /// How to render a Helm chart.
    pub helm: Option<Box<ApplicationSourceHelm>>,
    /// How to build a kustomization.
    pub kustomize: Option<Box<ApplicationSourceKustomize>>,
    /// Instance name of the application, which names its override file.
    pub app_name: String,
    /// The type that the source's options name, if any: nothing is detected then.
    pub declared: Option<SourceType>,
    /// Name of a Helm chart.
    pub chart: String,
    /// Schemes that URLs of values files may have.
    pub value_file_schemes: Arc<[String]>,
    /// Tools that the settings turn off; their files count as plain files.
    pub disabled_tools: Vec<SourceType>,
    /// Whether directories whose name starts with a dot are read.
    pub hidden_directories: HiddenDirectories,
    /// Whether the source has manifests at all.
    pub contents: Contents,
    /// Bounds.
    pub limits: RenderLimits,
}

/// What happens to directories whose name starts with a dot; `reposerver.include.hidden.directories`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HiddenDirectories {
    /// They are not read.
    #[default]
    Skip,
    /// They are read like others.
    Read,
}

/// What a source is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// It has manifests.
    #[default]
    Manifests,
    /// It only names a repository for other sources to refer to.
    Nothing,
}

impl RenderRequest {
    /// Makes the request to read a plain directory.
    pub fn directory(path: &str, directory: ApplicationSourceDirectory, app_name: &str) -> Self {
        Self {
            path: path.to_owned(),
            directory,
            helm: None,
            kustomize: None,
            app_name: app_name.to_owned(),
            declared: None,
            chart: String::new(),
            value_file_schemes: Arc::clone(&USUAL_SCHEMES),
            disabled_tools: Vec::new(),
            hidden_directories: HiddenDirectories::default(),
            contents: Contents::default(),
            limits: RenderLimits::default(),
        }
    }

    /// Makes the request to render a source of an application, whose instance name is `app_name`.
    pub fn from_source(source: &ApplicationSource, app_name: &str) -> Result<Self, RenderError> {
        let only_referred_to = source.is_ref() && source.path.is_empty() && !source.is_helm();
        Ok(Self {
            declared: source.explicit_type()?,
            helm: source.helm.clone(),
            kustomize: source.kustomize.clone(),
            chart: source.chart.clone(),
            contents: if only_referred_to { Contents::Nothing } else { Contents::Manifests },
            ..Self::directory(&source.path, source.directory.as_deref().cloned().unwrap_or_default(), app_name)
        })
    }

    pub(crate) fn is_enabled(&self, tool: &SourceType) -> bool {
        !self.disabled_tools.contains(tool)
    }

    /// Digests what decides about the output beside the files. Limits do not: they only make errors; the name of the Application does
    /// by the files that it names.
    pub fn digest(&self) -> [u8; 32] {
        let flag = |set: bool| if set { &b"1"[..] } else { b"0" };
        let directory = &self.directory;
        // Both are plain data: they always have a JSON.
        let helm = serde_json::to_vec(&self.helm).unwrap_or_default();
        let kustomize = serde_json::to_vec(&self.kustomize).unwrap_or_default();
        let disabled: Vec<&str> = self.disabled_tools.iter().map(SourceType::as_str).collect();
        *Digest::of_parts([
            self.path.as_bytes(),
            flag(directory.recurse),
            directory.include.as_bytes(),
            directory.exclude.as_bytes(),
            flag(directory.disable_extension_filter),
            flag(self.hidden_directories == HiddenDirectories::Read),
            flag(self.contents == Contents::Nothing),
            self.declared.as_ref().map_or("", SourceType::as_str).as_bytes(),
            disabled.join(",").as_bytes(),
            self.chart.as_bytes(),
            self.value_file_schemes.join(",").as_bytes(),
            &helm,
            &kustomize,
        ])
        .as_bytes()
    }
}
