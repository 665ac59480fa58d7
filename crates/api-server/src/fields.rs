use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The fields that a client asked for (`fields=a.b,c`) or asked to leave out (`fields=-a.b,c`).
///
/// Arrays are passed through: `status.resources.name` is the name of each resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    Keep(Tree),
    Drop(Tree),
}

/// Paths as a tree; a node without children stands for the whole field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<String, Tree>);

impl Fields {
    /// Reads the parameter; none where it names no field below `prefix`, the place of the application in the answer.
    pub(crate) fn parse(text: &str, prefix: &[&str]) -> Option<Self> {
        let (paths, drop) = match text.strip_prefix('-') {
            Some(paths) => (paths, true),
            None => (text, false),
        };
        let mut tree = Tree::default();
        for path in paths.split(',') {
            let mut parts = path.trim().split('.').filter(|part| !part.is_empty());
            if prefix.iter().all(|expected| parts.next() == Some(*expected)) {
                tree.add(parts);
            }
        }
        match (tree.0.is_empty(), drop) {
            (true, _) => None,
            (false, true) => Some(Self::Drop(tree)),
            (false, false) => Some(Self::Keep(tree)),
        }
    }

    /// Returns what of the JSON was asked for; JSON that cannot be read is returned as it is.
    pub(crate) fn apply(&self, json: Vec<u8>) -> Vec<u8> {
        let Ok(mut value) = serde_json::from_slice::<Value>(&json) else { return json };
        match self {
            Self::Keep(tree) => tree.keep(&mut value),
            Self::Drop(tree) => tree.drop_from(&mut value),
        }
        serde_json::to_vec(&value).unwrap_or(json)
    }
}

impl Tree {
    fn add<'a>(&mut self, path: impl Iterator<Item = &'a str>) {
        let mut node = self;
        for part in path {
            node = node.0.entry(part.to_owned()).or_default();
        }
    }

    fn keep(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.keep(item)),
            Value::Object(map) => {
                let mut kept = Map::new();
                for (key, tree) in &self.0 {
                    if let Some(mut field) = map.remove(key) {
                        tree.keep(&mut field);
                        kept.insert(key.clone(), field);
                    }
                }
                *map = kept;
            }
            _ => {}
        }
    }

    fn drop_from(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.drop_from(item)),
            Value::Object(map) => {
                for (key, tree) in &self.0 {
                    if tree.0.is_empty() {
                        map.remove(key);
                    } else if let Some(field) = map.get_mut(key) {
                        tree.drop_from(field);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_kept_or_left_out() {
        fn check(text: &str, prefix: &[&str], expected: &Value) {
            let app = json!({
                "metadata": {"name": "web", "uid": "u"},
                "status": {"resources": [{"name": "a", "kind": "b"}, {"name": "c", "kind": "d"}], "sync": {"status": "Synced"}},
            });
            let bytes = serde_json::to_vec(&app).unwrap();
            let shown = match Fields::parse(text, prefix) {
                Some(fields) => fields.apply(bytes),
                None => bytes,
            };
            assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), *expected, "{text}");
        }
        let all = json!({
            "metadata": {"name": "web", "uid": "u"},
            "status": {"resources": [{"name": "a", "kind": "b"}, {"name": "c", "kind": "d"}], "sync": {"status": "Synced"}},
        });
        check("", &[], &all);
        check("other.metadata", &["items"], &all);
        check("items", &["items"], &all);
        check(
            "metadata.name,status.sync",
            &[],
            &json!({"metadata": {"name": "web"}, "status": {"sync": {"status": "Synced"}}}),
        );
        check("items.metadata.name,metadata", &["items"], &json!({"metadata": {"name": "web"}}));
        check("status.resources.name", &[], &json!({"status": {"resources": [{"name": "a"}, {"name": "c"}]}}));
        check("-metadata.uid,status", &[], &json!({"metadata": {"name": "web"}}));
        check("missing", &[], &json!({}));
    }
}
