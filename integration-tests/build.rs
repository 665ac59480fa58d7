//! Makes a test of every directory below `scenarios/`, so that a scenario needs no Rust.

use std::fmt::Write as _;
use std::path::Path;

const DIRECTORY: &str = "scenarios";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={DIRECTORY}");
    let mut names: Vec<String> = std::fs::read_dir(DIRECTORY)
        .expect("scenarios/ can be listed")
        .map(|entry| entry.expect("scenarios/ can be listed"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("the name of a scenario is plain text"))
        .collect();
    names.sort();
    let mut code = format!("const TESTED: &[&str] = &{names:?};\n");
    for name in &names {
        let function = name.replace('-', "_");
        writeln!(code, "\n#[tokio::test(flavor = \"multi_thread\")]").expect("a string can be written to");
        writeln!(code, "async fn {function}() {{\n    run({name:?}).await;\n}}").expect("a string can be written to");
    }
    let out = std::env::var_os("OUT_DIR").expect("cargo tells where the generated code goes");
    std::fs::write(Path::new(&out).join("scenarios.rs"), code).expect("the generated code can be written");
}
