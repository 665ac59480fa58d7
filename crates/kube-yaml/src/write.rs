use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::resolve::{Meaning, resolve_plain};

/// Writes a value as one YAML document that Go's decoder reads back to the same JSON, ending with a line break.
///
/// Maps and lists are in block style, text of several lines as a literal block; what YAML 1.1 would read as something
/// else than text is quoted.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => write_items(&mut out, items, 0),
        scalar => {
            write_scalar(&mut out, scalar);
            out.push('\n');
        }
    }
    out
}

/// Writes the entries of a map; the caller has written the indent of the first.
fn write_map(out: &mut String, map: &Map<String, Value>, indent: usize) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            write_indent(out, indent);
        }
        // A decoder looks for the colon of a simple key within 1024 characters.
        if key.len() > 500 {
            out.push_str("? ");
            write_quoted(out, key);
            out.push('\n');
            write_indent(out, indent);
        } else {
            write_text(out, key);
        }
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                write_indent(out, indent + 2);
                write_map(out, map, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                write_indent(out, indent);
                write_items(out, items, indent);
            }
            scalar => {
                out.push(' ');
                write_value(out, scalar, indent + 2);
            }
        }
    }
}

/// Writes the items of a list; the caller has written the indent of the first.
fn write_items(out: &mut String, items: &[Value], indent: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            write_indent(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => write_map(out, map, indent + 2),
            Value::Array(items) if !items.is_empty() => write_items(out, items, indent + 2),
            scalar => write_value(out, scalar, indent + 2),
        }
    }
}

/// Writes a scalar or an empty collection and the end of its line.
fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) if fits_literal_block(text) => write_literal_block(out, text, indent),
        scalar => {
            write_scalar(out, scalar);
            out.push('\n');
        }
    }
}

fn write_scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(out, text),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn write_text(out: &mut String, text: &str) {
    if is_plain(text) { out.push_str(text) } else { write_quoted(out, text) }
}

/// Tells whether a text may stand without quotes. Rather too few than too many.
fn is_plain(text: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || "_-./@+=%,()$~;*&!?^ ".contains(char);
    let colons_are_inside = !text.contains(": ") && !text.ends_with(':');
    text.starts_with(|first: char| first.is_ascii_alphanumeric() || "_/.".contains(first))
        && !text.starts_with("..")
        && !text.ends_with(' ')
        && text.chars().all(|char| inner(char) || char == ':')
        && colons_are_inside
        && resolve_plain(text) == Meaning::Text
        && !looks_like_a_time(text)
}

/// Tells whether other YAML 1.1 readers would find a date or a number of base 60.
fn looks_like_a_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0
        && text[digits..].starts_with(['-', ':'])
        && text.bytes().all(|byte| b"0123456789-:.+ TtZ".contains(&byte))
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_printable(char) => out.push(char),
            _ => {
                let _ = match u32::from(char) {
                    code @ ..=0xff => write!(out, "\\x{code:02X}"),
                    code @ ..=0xffff => write!(out, "\\u{code:04X}"),
                    code => write!(out, "\\U{code:08X}"),
                };
            }
        }
    }
    out.push('"');
}

/// Tells whether a YAML text may hold a character as it is, and as something else than a line break.
fn is_printable(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn fits_literal_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && text.chars().all(|char| matches!(char, '\n' | '\t') || is_printable(char))
}

fn write_literal_block(out: &mut String, text: &str, indent: usize) {
    let body = text.strip_suffix('\n').unwrap_or(text);
    out.push_str(match text.len() - body.len() {
        0 => "|-\n",
        _ if body.ends_with('\n') => "|+\n",
        _ => "|\n",
    });
    for line in body.split('\n') {
        if !line.is_empty() {
            write_indent(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn write_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}
