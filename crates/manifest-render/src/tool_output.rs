//! From what a tool printed to objects.

use std::sync::Arc;

use kube_object::RenderedObject;
use kube_yaml::{decode, expand_lists};

use crate::manifests::{check_count, object};
use crate::{RenderError, RenderLimits};

/// The comment that Helm puts before what a template came to.
const SOURCE: &str = "# Source: ";

/// Reads the objects of a tool's output; `file` is where they come from, unless Helm's comments say it better.
pub(crate) fn read(output: &str, file: &str, limits: &RenderLimits) -> Result<Vec<RenderedObject>, RenderError> {
    let sources = sources(output);
    let origin = |line: u32| -> (Arc<str>, u32) {
        let at = sources.partition_point(|(start, _)| *start <= line);
        match at.checked_sub(1).map(|at| &sources[at]) {
            Some((start, source)) => (Arc::clone(source), (line - start).max(1)),
            None => (file.into(), line),
        }
    };
    let documents = decode(file, output.as_bytes(), &limits.decoding_output()).map_err(|source| {
        let (file, line) = origin(source.line);
        RenderError::Output { file: file.to_string(), line, source }
    })?;
    let mut objects = Vec::new();
    for document in documents {
        let (file, line) = origin(document.line);
        let failed = |source| RenderError::Output { file: file.to_string(), line, source };
        for mut document in expand_lists(&file, document).map_err(failed)? {
            document.line = line;
            let (object, line) = object(&file, document)?;
            objects.push(RenderedObject::new(&object, Arc::clone(&file), line));
        }
        check_count(objects.len(), &file, limits)?;
    }
    objects.shrink_to_fit();
    Ok(objects)
}

/// Finds Helm's comments: the line of each, from 1, and the template.
fn sources(output: &str) -> Vec<(u32, Arc<str>)> {
    let mut found: Vec<(u32, Arc<str>)> = Vec::new();
    let mut previous = "---";
    for (line, text) in (1..).zip(output.lines()) {
        // A text of several lines inside an object may look the same.
        if previous == "---"
            && let Some(source) = text.strip_prefix(SOURCE)
        {
            let known = found.last().filter(|(_, last)| **last == *source);
            let source = known.map_or_else(|| source.into(), |(_, last)| Arc::clone(last));
            found.push((line, source));
        }
        previous = text;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, expected: &[&str]) {
        let objects = read(output, "overlay", &RenderLimits::default()).unwrap();
        let shown = objects.iter().map(|object| format!("{} {}:{}", object.name, object.file, object.line));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn objects_know_the_template_they_came_from() {
        let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n");
        check(&format!("{}---\n{}", map("a"), map("b")), &["a overlay:1", "b overlay:6"]);
        let helm = format!(
            "---\n# Source: web/templates/a.yaml\n{}---\n# Source: web/templates/b.yaml\n# a comment\n{}---\n{}",
            map("a"),
            map("b"),
            map("c")
        );
        check(&helm, &["a web/templates/a.yaml:1", "b web/templates/b.yaml:2", "c web/templates/b.yaml:7"]);
        check("---\n# Source: web/templates/a.yaml\n", &[]);
    }

    #[test]
    fn what_is_no_object_is_an_error_with_the_template() {
        for (output, expected) in [
            ("---\n# Source: web/templates/a.yaml\nkind: [\n", "web/templates/a.yaml"),
            ("---\n# Source: web/templates/a.yaml\nkind: A\n", "web/templates/a.yaml:1: apiVersion is missing"),
        ] {
            let error = read(output, "overlay", &RenderLimits::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
