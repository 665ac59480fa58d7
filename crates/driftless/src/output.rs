//! Results on standard output, messages on standard error.

use std::io::{self, IsTerminal, Write};

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
