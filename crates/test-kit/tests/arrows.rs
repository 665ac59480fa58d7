//! The rules of ARCHITECTURE.md about the workspace as a whole: arrows, purity, size, documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What would bring I/O, a clock or randomness into a pure crate.
const IMPURE: [&str; 21] = [
    "anyhow",
    "axum",
    "backon",
    "fastrand",
    "futures",
    "getrandom",
    "gix",
    "hyper",
    "k8s-openapi",
    "kube",
    "notify",
    "opentelemetry",
    "rand",
    "reqwest",
    "rustls",
    "tempfile",
    "tokio",
    "tokio-util",
    "tower",
    "tracing",
    "uuid",
];

/// The longest a source file may be, in lines.
const MAX_LINES: usize = 700;

/// A crate of this workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Crate {
    /// Crates of the workspace it depends on, other than in tests.
    arrows: BTreeSet<String>,
    /// All others it depends on, other than in tests.
    others: BTreeSet<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).expect("the crate is in crates/")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| format!("{path}: {error}"))
}

/// Asks cargo for the crates below crates/ and what they depend on.
fn crates() -> BTreeMap<String, Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list(&metadata["packages"])
        .iter()
        .filter(|package| Path::new(&text(&package["manifest_path"])).starts_with(root().join("crates")))
        .map(|package| {
            let mut found = Crate::default();
            for dependency in list(&package["dependencies"]).iter().filter(|dependency| dependency["kind"].is_null()) {
                let names = if dependency["path"].is_null() { &mut found.others } else { &mut found.arrows };
                names.insert(text(&dependency["name"]));
            }
            (text(&package["name"]), found)
        })
        .collect()
}

/// A row of the table of arrows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    is_pure: bool,
    arrows: BTreeSet<String>,
}

/// Reads the table of arrows from ARCHITECTURE.md: crate, pure, may use.
fn table() -> BTreeMap<String, Row> {
    let document = read("ARCHITECTURE.md");
    let names = |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let section = document.split_once("\n## Arrows\n").map(|(_, rest)| rest).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, pure, arrows] = cells[..] else { return None };
            Some((names(name).first()?.clone(), Row { is_pure: pure == "yes", arrows: names(arrows) }))
        })
        .collect()
}

#[test]
fn arrows_are_those_of_the_architecture() {
    let shown = |name: &str, arrows: &BTreeSet<String>| {
        let arrows: Vec<String> = arrows.iter().map(|arrow| format!("`{arrow}`")).collect();
        format!("`{name}` uses {}", arrows.join(", "))
    };
    let found: Vec<String> = crates().iter().map(|(name, found)| shown(name, &found.arrows)).collect();
    let documented: Vec<String> = table().iter().map(|(name, row)| shown(name, &row.arrows)).collect();
    let wrong: Vec<&String> = found.iter().filter(|line| !documented.contains(line)).collect();
    let stale: Vec<&String> = documented.iter().filter(|line| !found.contains(line)).collect();
    assert!(
        wrong.is_empty() && stale.is_empty(),
        "the table of arrows in ARCHITECTURE.md is not what Cargo.toml says.\nCargo.toml: {wrong:#?}\nARCHITECTURE.md: {stale:#?}"
    );
}

#[test]
fn pure_crates_stay_pure() {
    let table = table();
    let crates = crates();
    let guard = read("crates/kube-object/clippy.toml");
    let pure: Vec<&String> = table.iter().filter(|(_, row)| row.is_pure).map(|(name, _)| name).collect();
    assert!(pure.len() > 5, "the table of arrows names few pure crates: {pure:?}");
    let mut wrong = Vec::new();
    for name in &pure {
        if read(&format!("crates/{name}/clippy.toml")) != guard {
            wrong.push(format!("{name}: its clippy.toml is not that of kube-object"));
        }
        let Some(found) = crates.get(*name) else { continue };
        let impure = found.others.iter().filter(|other| IMPURE.contains(&other.as_str()));
        wrong.extend(impure.map(|other| format!("{name}: depends on {other}")));
        let shells = found.arrows.iter().filter(|arrow| !pure.contains(arrow));
        wrong.extend(shells.map(|arrow| format!("{name}: depends on {arrow}, which is not pure")));
    }
    let unlisted = crates.keys().filter(|name| root().join("crates").join(name).join("clippy.toml").exists());
    wrong.extend(unlisted.filter(|name| !pure.contains(name)).map(|name| format!("{name}: guarded, but not pure")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lists the files below a directory whose names end in one of `ends`, leaving out hidden and built ones.
fn files(directory: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            files(&path, ends, found);
        } else if ends.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

#[test]
fn source_files_are_short() {
    let mut sources = Vec::new();
    files(root(), &[".rs", ".go", ".sh"], &mut sources);
    assert!(sources.len() > 100, "the sources are somewhere else");
    let long: Vec<String> = sources
        .iter()
        .filter_map(|path| {
            let lines = fs::read_to_string(path).unwrap_or_default().lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines} lines, more than {MAX_LINES}", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by decision: {long:#?}");
}

#[test]
fn every_crate_is_introduced() {
    let (architecture, overview) = (read("ARCHITECTURE.md"), read("crates/README.md"));
    let missing: Vec<String> = crates()
        .into_keys()
        .filter(|name| {
            !architecture.contains(&format!("**`{name}`**")) || !overview.contains(&format!("[`{name}`]({name})"))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md needs a paragraph and crates/README.md a line for each of {missing:?}"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = Vec::new();
    files(root(), &[".md"], &mut documents);
    assert!(documents.len() > 3, "the documents are somewhere else");
    let mut broken = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let is_local = !file.is_empty() && !file.contains(':');
            if is_local && !document.parent().is_some_and(|directory| directory.join(file).exists()) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
