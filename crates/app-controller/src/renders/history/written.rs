//! The render of a deployment as bytes.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use application_api::{RepoUrl, SourceType};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kube_object::{Digest, Object, RenderedManifests, RenderedObject, Stability};
use reconciler::{Dependence, RenderedIn, Rendering};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a render came to, and what it was made of and by.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    /// Names the deployment.
    key: Digest,
    tools: Digest,
    /// Of the context that it depends on; none where it depends on none.
    context: Option<Digest>,
    source_types: Vec<String>,
    unstable: bool,
    chart_repositories: Vec<String>,
    input_key: Digest,
    digest: Digest,
    warnings: Vec<String>,
    /// File and line of each object, and the object.
    objects: Vec<(String, u32, Box<RawValue>)>,
}

impl Written {
    /// Writes a render; none when it is not to be kept outside of memory, because it has Secrets or a URL with credentials.
    pub(super) fn encode(
        key: Digest,
        rendering: &Rendering,
        tools: Digest,
        context: Option<Digest>,
    ) -> Option<Vec<u8>> {
        let manifests = &rendering.manifests;
        if manifests.objects.iter().any(|object| object.group_kind.kind == "Secret") {
            return None;
        }
        let objects = manifests.objects.iter().map(|object| {
            let json = String::from_utf8(object.body.to_json().into_owned()).ok()?;
            Some((object.file.to_string(), object.line, RawValue::from_string(json).ok()?))
        });
        // What is not shown of a URL is secret.
        let shown = |url: &RepoUrl| (url.to_string() == url.as_str()).then(|| url.as_str().to_owned());
        let written = Self {
            key,
            tools,
            context,
            source_types: rendering.source_types.iter().map(|source| source.as_str().to_owned()).collect(),
            unstable: rendering.stability == Stability::Unstable,
            chart_repositories: rendering.chart_repositories.iter().map(shown).collect::<Option<_>>()?,
            input_key: manifests.input_key,
            digest: manifests.digest,
            warnings: manifests.warnings.clone(),
            objects: objects.collect::<Option<_>>()?,
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&serde_json::to_vec(&written).ok()?).ok()?;
        encoder.finish().ok()
    }

    /// Reads what [`encode`](Self::encode) wrote; none when it is of another form.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut json = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Tells whether it is of a deployment.
    pub(super) fn is_of(&self, key: Digest) -> bool {
        self.key == key
    }

    /// Tells whether what renders today is what rendered it.
    pub(super) fn was_made_by(&self, tools: Digest) -> bool {
        self.tools == tools
    }

    /// Tells whether it would be the same in a context, as far as it depends on that.
    pub(super) fn was_made_in(&self, context: Digest) -> bool {
        self.context.is_none_or(|made_in| made_in == context)
    }

    /// Returns the render as if it had just been made; none when its objects are not those that were rendered.
    pub(super) fn into_rendering(self) -> Option<Rendering> {
        let objects = self.objects.into_iter().map(|(file, line, json)| {
            let object = Object::from_value(serde_json::from_str(json.get()).ok()?).ok()?;
            Some(RenderedObject::new(&object, file.into(), line))
        });
        let manifests = RenderedManifests::new(objects.collect::<Option<_>>()?, self.input_key, self.warnings);
        if manifests.digest != self.digest {
            return None;
        }
        let urls = self.chart_repositories.iter().map(|url| RepoUrl::new(url));
        Some(Rendering {
            manifests: Arc::new(manifests),
            source_types: self.source_types.iter().map(|source| SourceType::from(source.as_str())).collect(),
            dependence: if self.context.is_some() { Dependence::Context } else { Dependence::FilesOnly },
            stability: if self.unstable { Stability::Unstable } else { Stability::Stable },
            chart_repositories: urls.collect::<BTreeSet<_>>(),
            rendered_in: RenderedIn::TheContext,
        })
    }
}
