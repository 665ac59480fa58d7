//! Damaged charts and overlays: each costs its own render a clear error, and nothing else.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use application_api::ApplicationSourceDirectory;
use proptest::prelude::*;

use super::mem_tree::MemTree;
use super::workers::{pool, workspace};
use crate::*;

/// What is put into files: what templates, YAML and the two tools read in a way of their own.
const SNIPPETS: [&str; 18] = [
    "{{",
    "}}",
    "{{ .Values }}",
    "{{ range $i := until 100000 }}x{{ end }}",
    "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
    "{{ fail \"no\" }}",
    "{{ tpl .Template.Name . }}",
    "&a [*a, *a]",
    "!!binary x",
    "---\n",
    "\u{0}",
    "\u{feff}",
    "resources: [.]\n",
    "components: [..]\n",
    "namePrefix: {}\n",
    "- - - - - - - -",
    "9999999999999999999999999999",
    "\t",
];

/// The files of a case of the corpus, with the directory to render.
type Case = (String, Vec<(String, String)>);

/// Reads every case that renders: its directory, and its text files.
fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for tool in ["helm", "kustomize"] {
        let corpus = workspace().join("crates/manifest-render/tests/corpus").join(tool);
        let mut names: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        for case in names {
            let about = std::fs::read_to_string(case.join("case.yaml")).unwrap();
            let path = about.lines().find_map(|line| line.strip_prefix("path: ")).unwrap_or(".").trim().to_owned();
            let mut files = Vec::new();
            read(&case, "", &mut files);
            all.push((if path == "." { String::new() } else { path }, files));
        }
    }
    all
}

fn read(directory: &Path, below: &str, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            files.push((name, text));
        }
    }
}

/// How a file is damaged.
#[derive(Clone, Debug)]
enum Damage {
    Insert(&'static str),
    Cut(usize),
    Repeat(usize),
    Flip(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => proptest::sample::select(&SNIPPETS[..]).prop_map(Damage::Insert),
        1 => (1_usize..200).prop_map(Damage::Cut),
        1 => (2_usize..2000).prop_map(Damage::Repeat),
        1 => any::<u8>().prop_map(Damage::Flip),
    ]
}

fn damaged(text: &str, at: proptest::sample::Index, damage: &Damage) -> String {
    let at = (0..=at.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (before, after) = text.split_at(at);
    match damage {
        Damage::Insert(snippet) => format!("{before}{snippet}{after}"),
        Damage::Cut(length) => format!("{before}{}", after.chars().skip(*length).collect::<String>()),
        Damage::Repeat(times) => {
            let (line, rest) = after.split_once('\n').unwrap_or((after, ""));
            format!("{before}{}{rest}", format!("{line}\n").repeat(*times))
        }
        Damage::Flip(byte) => {
            let rest: String = after.chars().skip(1).collect();
            format!("{before}{}{rest}", char::from(*byte))
        }
    }
}

#[test]
fn damaged_charts_and_overlays_cost_their_own_render_only() {
    let cases = cases();
    let workers = pool();
    let outcomes = Mutex::new([0_usize; 2]);
    let cases_run = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400);
    let config = ProptestConfig { cases: cases_run, failure_persistence: None, ..ProptestConfig::default() };
    let inputs = (0..cases.len(), any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), damage());
    proptest!(config, |((case, file, at, damage) in inputs)| {
        let (path, files) = &cases[case];
        let damaged_file = file.index(files.len());
        let files: Vec<(&str, String)> = files.iter().enumerate().map(|(index, (name, text))| {
            let text = if index == damaged_file { damaged(text, at, &damage) } else { text.clone() };
            (name.as_str(), text)
        }).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let request = RenderRequest::directory(path, ApplicationSourceDirectory::default(), "web");
        let context = RenderContext { app_name: "web".to_owned(), ..RenderContext::default() };
        let rendered = render(&MemTree::new(&files), &request, &context, &Elsewhere::default(), &workers);
        let message = rendered.as_ref().err().map(ToString::to_string).unwrap_or_default();
        prop_assert!(message.len() < 20_000, "{} bytes of message", message.len());
        prop_assert!(!message.contains("which is a defect"), "{message}");
        outcomes.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(rendered.is_err())] += 1;
    });
    // Both happen, or nothing was tried.
    let [rendered, failed] = outcomes.into_inner().unwrap();
    assert!(rendered > 20 && failed > 20, "{rendered} rendered, {failed} failed");
}
