//! Runs the command with an environment of its own.

use std::process::Command;

/// Makes a command that sees none of this process's settings.
pub(crate) fn driftless(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.env_clear().env("HOME", "/nonexistent").args(args);
    command
}

/// Runs the command to its end; returns exit code, standard output and standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
