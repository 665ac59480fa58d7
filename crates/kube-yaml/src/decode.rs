use serde_json::Value;

use crate::construct::{Budget, construct};
use crate::encoding::{as_text, starts_like_json, without_mark};
use crate::error::{DecodeStep, Fault, line_breaks, one_based, position};
use crate::json::JsonStream;
use crate::split::{Chunk, normalise, split};
use crate::tree::parse;
use crate::{DecodeError, Limits};

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The document; never null, but of any other JSON type. Numbers are those that read back from what Go prints: a float
    /// without a fraction becomes an integer.
    pub value: Value,
    /// Line where its content starts, from 1.
    pub line: u32,
}

/// Decodes a stream of YAML or JSON documents, as a `.yaml` file holds them; empty documents and null are skipped.
///
/// A file whose first character is a brace is read as JSON values that follow each other, and as YAML from the place
/// where that fails, unless two values were JSON before. `file` is only named in the error.
pub fn decode(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, DecodeError> {
    decode_stream(bytes, limits).map_err(|fault| fault.in_file(file))
}

/// Decodes a `.json` file: exactly one object, of which JSON is the only syntax.
pub fn decode_json(file: &str, bytes: &[u8], limits: &Limits) -> Result<Document, DecodeError> {
    decode_object(bytes, limits).map_err(|fault| fault.in_file(file))
}

fn decode_object(bytes: &[u8], limits: &Limits) -> Result<Document, Fault> {
    check_size(bytes, limits)?;
    let bytes = without_mark(bytes);
    let mut stream = JsonStream::new(&bytes, limits.depth(), limits.max_values);
    stream.has_more();
    let line = one_based(position(&bytes, stream.at).0);
    let before = stream.fault("found a value that is not an object where one object was expected");
    let value = stream.value()?;
    if !value.is_object() {
        return Err(before);
    }
    if stream.has_more() {
        return Err(stream.fault("found more after the object: a JSON file holds exactly one"));
    }
    Ok(Document { value, line })
}

fn decode_stream(bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, Fault> {
    check_size(bytes, limits)?;
    let bytes = without_mark(bytes);
    if !starts_like_json(&bytes) {
        return decode_yaml(&bytes, 0, limits, Vec::new());
    }
    let mut stream = JsonStream::new(&bytes, limits.depth(), limits.max_values);
    let mut documents = Vec::new();
    let (mut values, mut lines, mut counted) = (0, 0, 0);
    loop {
        let end_of_last = stream.at;
        if !stream.has_more() {
            return Ok(documents);
        }
        lines += line_breaks(&bytes[counted..stream.at]);
        counted = stream.at;
        match stream.value() {
            Ok(value) => {
                values += 1;
                push(&mut documents, value, lines, limits)?;
            }
            Err(fault) if fault.step == DecodeStep::Limit || values > 1 => return Err(fault),
            Err(fault) => {
                let Some(start) = yaml_start(&bytes, end_of_last) else { return Err(fault) };
                return decode_yaml(&bytes[start..], position(&bytes, start).0, limits, documents);
            }
        }
    }
}

/// Returns where YAML starts when JSON ends at `at`: behind the white space up to and with the first line break. `None` when
/// fewer than four bytes are left, which the decoder of Kubernetes tooling does not take for YAML.
fn yaml_start(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let next = bytes.get(at..at + 4)?;
        let char = next.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next())?;
        if !char.is_whitespace() {
            return Some(at);
        }
        at += char.len_utf8();
        if char == '\n' {
            return Some(at);
        }
    }
}

/// Adds the documents of a YAML text that starts below `above` lines.
fn decode_yaml(
    bytes: &[u8],
    above: usize,
    limits: &Limits,
    mut documents: Vec<Document>,
) -> Result<Vec<Document>, Fault> {
    let text = normalise(as_text(bytes).map_err(|fault| fault.below(above))?);
    let mut budget = Budget::of(limits);
    for chunk in split(&text) {
        let chunk = chunk.map_err(|fault| fault.below(above))?;
        if chunk.is_blank() {
            continue;
        }
        let line = above + chunk.line;
        let (value, inside) = decode_chunk(&chunk, limits, &mut budget).map_err(|fault| fault.below(line))?;
        push(&mut documents, value, line + inside, limits)?;
    }
    Ok(documents)
}

fn decode_chunk(chunk: &Chunk<'_>, limits: &Limits, budget: &mut Budget) -> Result<(Value, usize), Fault> {
    // A byte order mark may also start a later document.
    let text = chunk.text.strip_prefix('\u{feff}').unwrap_or(chunk.text);
    let tree = parse(text, limits, &mut budget.values)?;
    let line = tree.root.map_or(0, |root| tree.nodes[root].at.0);
    Ok((construct(tree, limits, budget)?, line))
}

fn push(documents: &mut Vec<Document>, value: Value, line: usize, limits: &Limits) -> Result<(), Fault> {
    if value.is_null() {
        return Ok(());
    }
    if documents.len() >= limits.max_documents {
        let problem = format!("found more than {} documents", limits.max_documents);
        return Err(Fault::new((line, 0), DecodeStep::Limit, problem, "split the file"));
    }
    documents.push(Document { value, line: one_based(line) });
    Ok(())
}

fn check_size(bytes: &[u8], limits: &Limits) -> Result<(), Fault> {
    if bytes.len() <= limits.max_bytes {
        return Ok(());
    }
    let problem = format!("found {} bytes where at most {} are allowed", bytes.len(), limits.max_bytes);
    Err(Fault::new((0, 0), DecodeStep::Limit, problem, "split the file"))
}
