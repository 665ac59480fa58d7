//! Renders as bytes, so that they outlive the process.

use std::collections::BTreeMap;

use application_api::{RepoUrl, SourceType};
use git_source::{EntryId, EntryMode, TreeEntry};
use kube_object::{Digest, Object, RenderedManifests, RenderedObject, Stability};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::context::ContextUse;
use crate::files::Extensions;
use crate::lookups::Listing;
use crate::overrides::override_file;
use crate::{HELM_VERSION, JSONNET_VERSION, KUSTOMIZE_VERSION, LookUps, Need, RENDERER, Render};

/// A render with the commits that it is of.
#[derive(Clone, Debug)]
pub struct StoredRender {
    /// Instance name of the Application that it was rendered for.
    pub app_name: String,
    /// The commit of the source's own tree.
    pub commit: String,
    /// Those of the other sources that it used, by name.
    pub ref_commits: BTreeMap<String, String>,
    /// What it came to.
    pub render: Render,
}

#[derive(Serialize, Deserialize)]
struct Written {
    made_by: Vec<String>,
    app_name: String,
    commit: String,
    refs: BTreeMap<String, (String, WrittenLookUps)>,
    lookups: WrittenLookUps,
    supplied: Vec<(WrittenNeed, Digest)>,
    source_type: String,
    unstable: bool,
    input_key: Digest,
    digest: Digest,
    warnings: Vec<String>,
    /// File and line of each object, and the object.
    objects: Vec<(String, u32, Box<RawValue>)>,
}

#[derive(Default, Serialize, Deserialize)]
struct WrittenLookUps {
    entries: Vec<(String, Option<String>)>,
    trees: Vec<(String, String)>,
    /// Path, id of the directory, whether all files count, and the digest of those that do.
    listings: Vec<(String, String, bool, Digest)>,
    directories: Vec<String>,
    context: Option<([bool; 4], Digest)>,
}

#[derive(Serialize, Deserialize)]
enum WrittenNeed {
    File(String),
    Remote(String),
    Chart(String, String, String),
}

impl StoredRender {
    /// Writes it; none when it is not to be kept outside of memory, because it has Secrets or was got with credentials.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let Render { manifests, lookups, refs, supplied, source_type, stability } = &self.render;
        if manifests.objects.iter().any(|object| object.group_kind.kind == "Secret") {
            return None;
        }
        let supplied = supplied.iter().map(|(need, identity)| Some((written_need(need)?, *identity)));
        let objects = manifests.objects.iter().map(|object| {
            let json = String::from_utf8(object.body.to_json().into_owned()).ok()?;
            Some((object.file.to_string(), object.line, RawValue::from_string(json).ok()?))
        });
        let refs = refs.iter().map(|(name, lookups)| {
            let commit = self.ref_commits.get(name).cloned().unwrap_or_default();
            (name.clone(), (commit, lookups.written()))
        });
        let written = Written {
            made_by: made_by(),
            app_name: self.app_name.clone(),
            commit: self.commit.clone(),
            refs: refs.collect(),
            lookups: lookups.written(),
            supplied: supplied.collect::<Option<_>>()?,
            source_type: source_type.as_str().to_owned(),
            unstable: *stability == Stability::Unstable,
            input_key: manifests.input_key,
            digest: manifests.digest,
            warnings: manifests.warnings.clone(),
            objects: objects.collect::<Option<_>>()?,
        };
        serde_json::to_vec(&written).ok()
    }

    /// Reads what [`encode`](Self::encode) wrote; none when it is of another version, or is not what it says.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        if written.made_by != made_by() {
            return None;
        }
        let objects = written.objects.into_iter().map(|(file, line, json)| {
            let object = Object::from_value(serde_json::from_str(json.get()).ok()?).ok()?;
            Some(RenderedObject::new(&object, file.into(), line))
        });
        let manifests = RenderedManifests::new(objects.collect::<Option<_>>()?, written.input_key, written.warnings);
        if manifests.digest != written.digest {
            return None;
        }
        let (mut refs, mut ref_commits) = (BTreeMap::new(), BTreeMap::new());
        for (name, (commit, lookups)) in written.refs {
            refs.insert(name.clone(), lookups.read()?);
            ref_commits.insert(name, commit);
        }
        let render = Render {
            manifests,
            lookups: written.lookups.read()?,
            refs,
            supplied: written.supplied.into_iter().map(|(need, identity)| (need.read(), identity)).collect(),
            source_type: SourceType::from(written.source_type.as_str()),
            stability: if written.unstable { Stability::Unstable } else { Stability::Stable },
        };
        Some(Self { app_name: written.app_name, commit: written.commit, ref_commits, render })
    }

    /// Returns what it is for another Application of an equal source: the file that its name leads to was not there, and that of the
    /// other must not be. None where that cannot be told.
    pub fn for_application(mut self, name: &str) -> Option<Self> {
        if self.app_name != name {
            self.render.lookups.rename_override(&self.app_name, name)?;
            name.clone_into(&mut self.app_name);
        }
        Some(self)
    }
}

/// Returns what decides about the output of a render beside its input: the versions of this crate and of the libraries.
pub fn made_by() -> Vec<String> {
    let renderer = String::from_utf8_lossy(RENDERER).into_owned();
    std::iter::once(renderer).chain([HELM_VERSION, KUSTOMIZE_VERSION, JSONNET_VERSION].map(str::to_owned)).collect()
}

fn written_need(need: &Need) -> Option<WrittenNeed> {
    // What is not shown of a URL is secret.
    let url = |url: &RepoUrl| (url.to_string() == url.as_str()).then(|| url.as_str().to_owned());
    Some(match need {
        Need::File(file) => WrittenNeed::File(url(file)?),
        Need::Remote(remote) => WrittenNeed::Remote(url(remote)?),
        Need::Chart { repository, name, version } => {
            WrittenNeed::Chart(url(repository)?, name.clone(), version.clone())
        }
    })
}

impl WrittenNeed {
    fn read(self) -> Need {
        match self {
            Self::File(url) => Need::File(RepoUrl::new(&url)),
            Self::Remote(url) => Need::Remote(RepoUrl::new(&url)),
            Self::Chart(repository, name, version) => {
                Need::Chart { repository: RepoUrl::new(&repository), name, version }
            }
        }
    }
}

impl LookUps {
    /// Looks for the override file of another Application where that of one was looked for and not found.
    fn rename_override(&mut self, from: &str, to: &str) -> Option<()> {
        let [from, to] = [from, to].map(override_file);
        let is_file = |path: &str| path.rsplit('/').next() == Some(&from);
        let at = self.entries.iter().position(|(path, entry)| is_file(path) && entry.is_none())?;
        let path = &self.entries[at].0;
        self.entries[at].0 = format!("{}{to}", &path[..path.len() - from.len()]).into();
        self.entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Some(())
    }

    fn written(&self) -> WrittenLookUps {
        let listings = self.listings.iter().map(|(path, listing)| {
            let all = listing.extensions == Extensions::Any;
            (path.to_string(), listing.directory.to_string(), all, listing.files)
        });
        let context = self.context.as_deref().map(|(used, digest)| {
            let ContextUse { application, revision, cluster, kustomize_options } = *used;
            ([application, revision, cluster, kustomize_options], *digest)
        });
        WrittenLookUps {
            entries: self
                .entries
                .iter()
                .map(|(path, entry)| (path.to_string(), entry.as_ref().map(entry_text)))
                .collect(),
            trees: self.trees.iter().map(|(path, id)| (path.to_string(), id.to_string())).collect(),
            listings: listings.collect(),
            directories: self.directories.iter().map(ToString::to_string).collect(),
            context,
        }
    }
}

impl WrittenLookUps {
    fn read(self) -> Option<LookUps> {
        let entries = self.entries.into_iter().map(|(path, entry)| {
            let entry = match entry {
                Some(text) => Some(entry_of(&text)?),
                None => None,
            };
            Some((path.into_boxed_str(), entry))
        });
        let trees = self.trees.into_iter().map(|(path, id)| Some((path.into_boxed_str(), entry_id(&id)?)));
        let listings = self.listings.into_iter().map(|(path, directory, all, files)| {
            let extensions = if all { Extensions::Any } else { Extensions::Manifests };
            let listing = Listing { directory: entry_id(&directory)?, extensions, files };
            Some((path.into_boxed_str(), listing))
        });
        let context = self.context.map(|([application, revision, cluster, kustomize_options], digest)| {
            Box::new((ContextUse { application, revision, cluster, kustomize_options }, digest))
        });
        Some(LookUps {
            entries: entries.collect::<Option<_>>()?,
            trees: trees.collect::<Option<_>>()?,
            listings: listings.collect::<Option<_>>()?,
            directories: self.directories.into_iter().map(String::into_boxed_str).collect(),
            context,
        })
    }
}

const MODES: [(char, EntryMode); 5] = [
    ('f', EntryMode::File),
    ('x', EntryMode::Executable),
    ('l', EntryMode::Symlink),
    ('d', EntryMode::Directory),
    ('s', EntryMode::Submodule),
];

fn entry_text(entry: &TreeEntry) -> String {
    let letter = MODES.iter().find(|(_, mode)| *mode == entry.mode).map_or('f', |(letter, _)| *letter);
    format!("{letter}{}", entry.id)
}

fn entry_of(text: &str) -> Option<TreeEntry> {
    let letter = text.chars().next()?;
    let mode = MODES.iter().find(|(known, _)| *known == letter)?.1;
    Some(TreeEntry { mode, id: entry_id(&text[letter.len_utf8()..])? })
}

fn entry_id(hex: &str) -> Option<EntryId> {
    EntryId::from_bytes(&bytes(hex)?)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use application_api::ApplicationSourceDirectory;

    use super::*;
    use crate::tests::mem_tree::MemTree;
    use crate::{Elsewhere, RenderContext, RenderRequest, RenderWorkers, WorkerOptions};

    fn stored(content: &str, recurse: bool) -> StoredRender {
        let tree = MemTree::new(&[("app/a.yaml", content), ("app/sub/b.yaml", "kind: x\n"), ("env/x.yaml", "a: b\n")]);
        let directory =
            ApplicationSourceDirectory { recurse, include: "{a.yaml,c.yaml}".to_owned(), ..Default::default() };
        let request = RenderRequest::directory("app", directory, "web");
        let workers = RenderWorkers::new(WorkerOptions::new("none".into()), |_| {});
        let context = RenderContext::default();
        let mut render = crate::render(&tree, &request, &context, &Elsewhere::default(), &workers).unwrap();
        let used = ContextUse { cluster: true, ..ContextUse::default() };
        render.lookups.context = Some(Box::new((used, context.digest(used))));
        render.refs.insert("env".to_owned(), render.lookups.clone());
        render.supplied.insert(Need::File("https://example.com/a".into()), Digest::of_bytes(b"a"));
        StoredRender {
            app_name: "web".to_owned(),
            commit: "c1".to_owned(),
            ref_commits: [("env".to_owned(), "c2".to_owned())].into(),
            render,
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for recurse in [false, true] {
            let before = stored("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", recurse);
            let after = StoredRender::decode(&before.encode().unwrap()).unwrap();
            assert_eq!((&after.commit, &after.ref_commits), (&before.commit, &before.ref_commits));
            let (before, after) = (before.render, after.render);
            assert_eq!(after.manifests, before.manifests);
            assert_eq!((after.lookups, after.refs, after.supplied), (before.lookups, before.refs, before.supplied));
        }
    }

    #[test]
    fn an_equal_source_of_another_application_shares_it() {
        let content = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        let shared = stored(content, false).for_application("db").unwrap();
        let tree = |file: &str| MemTree::new(&[("app/a.yaml", content), ("app/sub/b.yaml", "kind: x\n"), (file, "")]);
        for (file, expected) in [
            ("other.txt", true),
            ("app/.argocd-source-web.yaml", true),
            ("app/.argocd-source-db.yaml", false),
            ("app/.argocd-source.yaml", false),
        ] {
            // The first is of a name that does not end in `.yaml`; those of others change the listing, and are told by the digest.
            let lookups = LookUps { listings: Box::default(), ..shared.render.lookups.clone() };
            assert_eq!(lookups.unchanged_in(&tree(file)).unwrap(), expected, "{file}");
        }
        let mut overridden = stored(content, false);
        for (path, entry) in &mut overridden.render.lookups.entries {
            if path.ends_with("-web.yaml") {
                *entry = Some(TreeEntry { mode: EntryMode::File, id: EntryId::from_bytes(&[0; 20]).unwrap() });
            }
        }
        assert!(overridden.for_application("db").is_none());
    }

    #[test]
    fn secrets_are_not_written() {
        assert!(stored("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n", false).encode().is_none());
        let mut render = stored("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", false);
        render.render.supplied.insert(Need::File("https://me:secret@example.com/a".into()), Digest::of_bytes(b"a"));
        assert!(render.encode().is_none());
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_not_read() {
        let bytes =
            stored("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n", false).encode().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [("\"a\":\"b\"", "\"a\":\"c\""), (HELM_VERSION, "v0.0.0"), ("sha256:", "sha1:"), ("{", "")] {
            assert!(text.contains(from), "{from}");
            assert!(StoredRender::decode(text.replacen(from, to, 1).as_bytes()).is_none(), "{from}");
        }
    }
}
