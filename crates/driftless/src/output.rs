//! Results on standard output, messages on standard error.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

/// Writes a result.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells a person on a terminal what goes on; says nothing on a pipe.
pub(crate) fn progress(text: &str) {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        // A terminal that is gone is no reason to stop.
        let _ = writeln!(out, "{text}");
    }
}

/// Tells of something that does not stop the command.
pub(crate) fn warning(text: &str) {
    let _ = writeln!(io::stderr().lock(), "driftless: warning: {}", text.replace('\n', " "));
}

/// Writes an error as one line on standard error.
pub(crate) fn error(error: &anyhow::Error) {
    let text = format!("{error:#}").replace('\n', " ");
    let _ = writeln!(io::stderr().lock(), "driftless: {text}");
}

/// Answers arguments that no command can be made of: help where it was asked for, or where a command is missing; else what is
/// wrong, in one line on standard error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let kind = error.kind();
    if !error.use_stderr() || kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // A reader that is gone is no error.
        let _ = error.print();
        return ExitCode::from(code);
    }
    let _ = writeln!(io::stderr().lock(), "driftless: {}", usage_line(&error.render().to_string()));
    ExitCode::from(code)
}

/// Joins what clap says in paragraphs: the problem, tips, and where help is; the usage is left out.
fn usage_line(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(one_line).filter(|part| !part.is_empty() && !part.starts_with("Usage:"));
    let parts: Vec<String> = paragraphs
        .map(|part| part.trim_start_matches("error: ").trim_start_matches("tip: ").trim_end_matches('.').to_owned())
        .map(|part| part.replace("For more information, try", "for more information, try"))
        .collect();
    parts.join("; ")
}

/// Returns JSON for people.
pub(crate) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Puts each item on a line of its own.
pub(crate) fn lines(items: impl IntoIterator<Item = String>) -> String {
    let mut out = String::new();
    for item in items {
        out.push_str(&item);
        out.push('\n');
    }
    out
}

/// Lays out rows in columns; the last column is not padded.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Puts text of several lines into one table cell.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["web".to_owned(), "é".to_owned(), String::new()],
            vec!["a".to_owned(), "long".to_owned(), "x".to_owned()],
        ];
        assert_eq!(table(&["NAME", "B", "C"], &rows), "NAME  B     C\nweb   é\na     long  x\n");
    }
}
