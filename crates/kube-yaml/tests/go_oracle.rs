//! Compares kube-yaml with the Go decoder of Kubernetes, which `devcluster decode-yaml` serves.

#![expect(clippy::disallowed_methods, reason = "the oracle is another process, found through the environment")]

#[path = "go_oracle/cases.rs"]
mod cases;
#[path = "go_oracle/mutation.rs"]
mod mutation;

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kube_yaml::{Limits, decode, decode_json, to_yaml};
use serde_json::Value;

/// How a request is read, as `devcluster decode-yaml` spells it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Yaml = b'y' as isize,
    Json = b'j' as isize,
}

/// The documents of a file, or why there are none.
type Answer = Result<Vec<Value>, String>;

fn oracle_path() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/devcluster/devcluster");
    let path = std::env::var_os("DRIFTLESS_DEVCLUSTER").map_or(built, PathBuf::from);
    assert!(
        path.is_file(),
        "this test compares with Go's decoder in {}, which does not exist: run `make devcluster`, or set DRIFTLESS_DEVCLUSTER",
        path.display()
    );
    path
}

/// Asks Go about all files at once.
fn ask_go(kind: Kind, files: &[Vec<u8>]) -> Vec<Answer> {
    let mut go = Command::new(oracle_path())
        .arg("decode-yaml")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut requests = go.stdin.take().expect("stdin is piped");
    let mut answers = BufReader::new(go.stdout.take().expect("stdout is piped"));
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            for file in files {
                let length = u32::try_from(file.len()).expect("a test file is short");
                requests.write_all(&[kind as u8]).expect("the oracle reads");
                requests.write_all(&length.to_be_bytes()).expect("the oracle reads");
                requests.write_all(file).expect("the oracle reads");
            }
        });
        files.iter().map(|_| read_answer(&mut answers)).collect()
    });
    assert!(go.wait().expect("the oracle ends").success());
    result
}

fn read_answer(answers: &mut impl std::io::Read) -> Answer {
    let mut header = [0; 5];
    answers.read_exact(&mut header).expect("the oracle answers");
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let mut body = Vec::new();
    answers.take(u64::from(length)).read_to_end(&mut body).expect("the oracle answers");
    match header[0] {
        b'k' => Ok(serde_json::from_slice(&body).expect("the oracle answers with a JSON array")),
        _ => Err(String::from_utf8_lossy(&body).into_owned()),
    }
}

fn ask_us(kind: Kind, file: &[u8]) -> Answer {
    let documents = match kind {
        Kind::Yaml => decode("f", file, &Limits::default()),
        Kind::Json => decode_json("f", file, &Limits::default()).map(|document| vec![document]),
    };
    documents.map(|all| all.into_iter().map(|document| document.value).collect()).map_err(|error| error.to_string())
}

/// Reads numbers as Kubernetes' decoder does: what is not an integer of 64 bits is a float.
fn with_go_numbers(value: Value) -> Value {
    match value {
        // A server reads the -0 that Go prints for a negative zero as an integer.
        Value::Number(number) if number.as_f64() == Some(0.0) => Value::from(0),
        Value::Number(number) if number.as_i64().is_none() => Value::from(number.as_f64()),
        Value::Array(items) => items.into_iter().map(with_go_numbers).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_go_numbers(value))).collect(),
        other => other,
    }
}

fn same(ours: &Answer, go: &Answer) -> bool {
    match (ours, go) {
        (Ok(ours), Ok(go)) => with_go_numbers(Value::from(ours.clone())) == with_go_numbers(Value::from(go.clone())),
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

/// The known differences, each with the number of 20,000 mutated files that may show it. In the first four we refuse
/// what go-yaml reads: files that are not YAML by the standard, or mean something else there.
const KNOWN: &[(&str, usize)] = &[
    (TAG, 120),
    (BEHIND_DOCUMENT, 40),
    (INFINITY, 5),
    (NOT_UTF8, 5),
    (EQUAL_KEYS, 5),
    (SLASH, 5),
    (VERSION, 5),
    (MARKS, 5),
];
/// go-yaml takes commas and square brackets for parts of a tag.
const TAG: &str = "a comma or a bracket in a tag";
/// go-yaml does not look at what follows a document in brackets, unless it may make it a key.
const BEHIND_DOCUMENT: &str = "text behind a document that is complete";
/// go-yaml forgets a value that a later one with the same key replaces.
const INFINITY: &str = "an infinity or NaN under a key that occurs again";
/// Neither does it look at the bytes there, nor apimachinery at those of a separator's comment.
const NOT_UTF8: &str = "a byte that is not UTF-8 behind a document";
/// `true` and `"true"` are two keys until sigs.k8s.io/yaml makes both text, and then any of them wins.
const EQUAL_KEYS: &str = "keys of two types with the same text";
/// go-yaml refuses the escape also in text behind the document that it otherwise ignores.
const SLASH: &str = "the escape \\/ behind a document";
/// go-yaml skips the second, too, where its buffer starts with it.
const MARKS: &str = "two byte order marks";
/// go-yaml counts the digits.
const VERSION: &str = "a YAML version of many digits";

fn known_difference(file: &[u8], ours: &Answer, go: &Answer) -> Option<&'static str> {
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    match (ours, go) {
        (Err(error), Ok(documents)) => {
            let is = |known: &[&str]| known.iter().any(|known| error.contains(known));
            match () {
                () if is(&["scanning a tag", "parsing a tag", "a tag that runs"]) => Some(TAG),
                () if is(&["infinity"]) => Some(INFINITY),
                () if is(&["not UTF-8"]) => Some(NOT_UTF8),
                () if !documents.is_empty() && (holds("]") || holds("}")) => Some(BEHIND_DOCUMENT),
                () => None,
            }
        }
        (Ok(_), _) if holds("\u{feff}\u{feff}") => Some(MARKS),
        (Ok(_), Err(_)) if holds("\\/") => Some(SLASH),
        (Ok(_), Err(error)) if error.contains("long version number") => Some(VERSION),
        (Ok(ours), Ok(go)) if keys(ours) == keys(go) => Some(EQUAL_KEYS),
        _ => None,
    }
}

fn keys(documents: &[Value]) -> Vec<Vec<&String>> {
    documents.iter().map(|value| value.as_object().map(|map| map.keys().collect()).unwrap_or_default()).collect()
}

fn check_bounds(known: &BTreeMap<&'static str, usize>, files: usize) {
    for (name, most) in KNOWN {
        let found = known.get(name).copied().unwrap_or(0);
        assert!(found <= *most * files.div_ceil(20_000), "{name}: {found} files, expected at most {most} in 20,000");
    }
}

/// Compares all files; those with a known difference are counted and returned.
fn compare(kind: Kind, files: &[Vec<u8>]) -> BTreeMap<&'static str, usize> {
    let mut known = BTreeMap::new();
    let mut unknown = Vec::new();
    for (file, go) in files.iter().zip(ask_go(kind, files)) {
        let ours = ask_us(kind, file);
        if same(&ours, &go) {
            continue;
        }
        match known_difference(file, &ours, &go) {
            Some(name) => *known.entry(name).or_default() += 1,
            None => unknown.push(format!("{:?}\n  ours: {ours:?}\n  Go:   {go:?}", String::from_utf8_lossy(file))),
        }
    }
    assert!(
        unknown.is_empty(),
        "{} of {} files differ:\n{}",
        unknown.len(),
        files.len(),
        unknown[..unknown.len().min(40)].join("\n")
    );
    known
}

fn written_cases() -> Vec<Vec<u8>> {
    cases::CASES.iter().map(|case| case.as_bytes().to_vec()).collect()
}

#[test]
fn written_cases_decode_as_in_go() {
    let known = compare(Kind::Yaml, &written_cases());
    assert_eq!(known, BTreeMap::from([(TAG, 4)]));
}

#[test]
fn mutated_cases_decode_as_in_go() {
    let count = std::env::var("DRIFTLESS_MUTATIONS").map_or(20_000, |count| count.parse().expect("a number"));
    check_bounds(&compare(Kind::Yaml, &mutation::mutate(&written_cases(), 1, count)), count);
}

#[test]
fn json_files_decode_as_in_go() {
    let cases: Vec<Vec<u8>> = cases::JSON_CASES.iter().map(|case| case.to_vec()).collect();
    let mut files = cases.clone();
    files.extend(mutation::mutate(&cases, 2, 10_000));
    assert_eq!(compare(Kind::Json, &files), BTreeMap::new());
    check_bounds(&compare(Kind::Yaml, &files), files.len());
}

#[test]
fn written_yaml_reads_back_as_the_same_json() {
    let mutated = mutation::mutate(&written_cases(), 3, 3_000);
    let mut values: Vec<Value> =
        written_cases().iter().chain(&mutated).flat_map(|file| ask_us(Kind::Yaml, file)).flatten().collect();
    values.extend(
        mutation::texts(4, 2_000)
            .into_iter()
            .map(|text| serde_json::json!({"data": {text.clone(): text}, "list": [text, [text]]})),
    );
    let files: Vec<Vec<u8>> = values.iter().map(|value| to_yaml(value).into_bytes()).collect();
    for ((value, file), go) in values.into_iter().zip(&files).zip(ask_go(Kind::Yaml, &files)) {
        let expected = if value.is_null() { Vec::new() } else { vec![value] };
        let file = String::from_utf8_lossy(file);
        assert!(same(&Ok(expected.clone()), &go), "{expected:?}\n{file}\nGo: {go:?}");
        assert_eq!(ask_us(Kind::Yaml, file.as_bytes()), Ok(expected), "{file}");
    }
}
