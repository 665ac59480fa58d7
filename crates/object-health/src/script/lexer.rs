//! Text to words.

/// A word of a script, with the line it is on, from 1.
#[derive(Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) word: Word<'a>,
    pub(super) line: usize,
}

/// A word of a script.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word<'a> {
    /// A name or keyword.
    Name(&'a str),
    /// A quoted text, escapes resolved.
    Text(String),
    /// A number.
    Number(f64),
    /// Punctuation.
    Mark(&'static str),
}

/// The longer ones first, since the first that fits is taken.
const MARKS: [&str; 13] = ["==", "~=", "..", "=", ".", ",", ";", "{", "}", "(", ")", "[", "]"];

/// Splits a script into words; the error names the line of what is not understood.
pub(super) fn lex(text: &str) -> Result<Vec<Token<'_>>, String> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, word) = match first {
            c if c.is_whitespace() => (c.len_utf8(), None),
            '-' if rest.starts_with("--") => (comment(rest), None),
            '"' | '\'' => quoted(rest, first).map(|(length, text)| (length, Some(Word::Text(text))))?,
            c if c.is_ascii_alphabetic() || c == '_' => {
                let length = span(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (length, Some(Word::Name(&rest[..length])))
            }
            c if c.is_ascii_digit() => {
                let length = span(rest, |c| c.is_ascii_alphanumeric() || c == '.');
                let number = rest[..length].parse().map_err(|_| at(line, &rest[..length]))?;
                (length, Some(Word::Number(number)))
            }
            other => {
                let mark = MARKS.into_iter().find(|mark| rest.starts_with(mark));
                let mark = mark.ok_or_else(|| at(line, other.encode_utf8(&mut [0; 4])))?;
                (mark.len(), Some(Word::Mark(mark)))
            }
        };
        if let Some(word) = word {
            tokens.push(Token { word, line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn at(line: usize, what: &str) -> String {
    format!("line {line}: `{what}` is not understood")
}

fn span(text: &str, is_part: fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Returns the length of the comment that `text` starts with; one in brackets without end takes the rest.
fn comment(text: &str) -> usize {
    match text.strip_prefix("--[[") {
        Some(block) => block.find("]]").map_or(text.len(), |end| end + "--[[]]".len()),
        None => text.find('\n').unwrap_or(text.len()),
    }
}

/// Reads the quoted text that `text` starts with; returns its length with quotes, and what it stands for.
fn quoted(text: &str, quote: char) -> Result<(usize, String), String> {
    let mut read = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((index + 1, read)),
            '\n' => break,
            '\\' => read.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, same @ ('\\' | '"' | '\''))) => same,
                _ => return Err(format!("an escape in {} is not understood", shortened(text))),
            }),
            c => read.push(c),
        }
    }
    Err(format!("the text that starts with {} has no end", shortened(text)))
}

fn shortened(text: &str) -> String {
    text.chars().take_while(|c| *c != '\n').take(20).collect()
}
