use std::borrow::Cow;

use crate::error::{DecodeStep, Fault};

/// One YAML document as text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) text: &'a str,
    /// Lines before it.
    pub(crate) line: usize,
}

/// Ends every line with `\n`, also the last one, and turns `\r\n` into `\n`.
pub(crate) fn normalise(text: &str) -> Cow<'_, str> {
    let mut text = if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) };
    if !text.is_empty() && !text.ends_with('\n') {
        text.to_mut().push('\n');
    }
    text
}

/// Splits a normalised text at the lines that start with `---`, as apimachinery's `YAMLReader` does: by text alone, also
/// inside a block scalar. Separators after which nothing follows yet stay in front of their document.
pub(crate) fn split(text: &str) -> Splitter<'_> {
    Splitter { rest: text, line: 0 }
}

pub(crate) struct Splitter<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Iterator for Splitter<'a> {
    type Item = Result<Chunk<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, first) = (self.rest, self.line);
        let mut length = 0;
        for line in text.split_inclusive('\n') {
            if let Some(behind) = line.strip_prefix("---") {
                let behind = behind.trim();
                if !behind.is_empty() && !behind.starts_with('#') {
                    self.rest = "";
                    return Some(Err(bad_separator(self.line)));
                }
                if length > 0 {
                    self.line += 1;
                    self.rest = &text[length + line.len()..];
                    return Some(Ok(Chunk { text: &text[..length], line: first }));
                }
            }
            self.line += 1;
            length += line.len();
        }
        self.rest = "";
        (length > 0).then_some(Ok(Chunk { text, line: first }))
    }
}

fn bad_separator(line: usize) -> Fault {
    Fault::new(
        (line, 3),
        DecodeStep::Yaml,
        "found text after the document separator ---",
        "put the text on the next line; only a comment may follow the separator",
    )
}

impl Chunk<'_> {
    /// Tells, without parsing, that a document holds nothing but blanks and comments. `false` means that only a parser knows.
    pub(crate) fn is_blank(&self) -> bool {
        let body = match self.text.strip_prefix("---") {
            Some(body) if body.starts_with([' ', '\n']) => body,
            Some(_) => return false,
            None => self.text,
        };
        body.lines().map(|line| line.trim_start_matches(' ')).all(|line| {
            line.is_empty() || line.starts_with('#') && line.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, usize)]) {
        let text = normalise(text);
        let found: Vec<_> = split(&text).map(|chunk| chunk.unwrap()).map(|chunk| (chunk.text, chunk.line)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn documents_end_at_separator_lines() {
        check("", &[]);
        check("a", &[("a\n", 0)]);
        check("a: 1\r\n---\r\nb: 2\r\n", &[("a: 1\n", 0), ("b: 2\n", 2)]);
        check("---\na\n--- # next\nb\n---\n", &[("---\na\n", 0), ("b\n", 3)]);
        check("a\n---\n---\nb", &[("a\n", 0), ("---\nb\n", 2)]);
        check("a: |\n  x\n---\nb\n", &[("a: |\n  x\n", 0), ("b\n", 3)]);
        check(" ---\n", &[(" ---\n", 0)]);
    }

    #[test]
    fn text_after_a_separator_is_refused_at_its_line() {
        for text in ["a\n--- b\n", "a\n----\n", "x\n---a"] {
            let fault = split(&normalise(text)).find_map(Result::err).unwrap();
            assert_eq!(fault.line, 1, "{text}");
        }
    }

    #[test]
    fn blank_documents_need_no_parser() {
        let blank = |text: &str| Chunk { text, line: 0 }.is_blank();
        for text in ["\n", "# x\n\n  # y\n", "---\n", "--- # x\n\n"] {
            assert!(blank(text), "{text:?}");
        }
        for text in ["a\n", "---#\n", "\t\n", "# \u{e9}\n", "# \u{1}\n", "%YAML 1.1\n", "---\n---\n"] {
            assert!(!blank(text), "{text:?}");
        }
    }
}
