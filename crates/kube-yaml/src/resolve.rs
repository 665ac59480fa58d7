use crate::number::{Number, binary_integer, decimal_float, integer, point_float};
use crate::timestamp::is_timestamp;

/// The tags that go-yaml knows; a scalar with another one is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Str,
    Timestamp,
    Binary,
    Merge,
    Other,
}

impl Tag {
    pub(crate) fn of(tag: &str) -> Self {
        match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("null") => Self::Null,
            Some("bool") => Self::Bool,
            Some("int") => Self::Int,
            Some("float") => Self::Float,
            Some("str") => Self::Str,
            Some("timestamp") => Self::Timestamp,
            Some("binary") => Self::Binary,
            Some("merge") => Self::Merge,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Str => "!!str",
            Self::Timestamp => "!!timestamp",
            Self::Binary => "!!binary",
            Self::Merge => "!!merge",
            Self::Other => "another tag",
        }
    }
}

/// What a scalar's text means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Number(Number),
    /// The text itself.
    Text,
    /// The bytes that the text encodes in base64.
    Base64,
}

/// Resolves a scalar with a tag; the error says what the text is instead.
pub(crate) fn resolve_tagged(tag: Tag, text: &str) -> Result<Meaning, String> {
    if matches!(tag, Tag::Str | Tag::Merge | Tag::Other) {
        return Ok(Meaning::Text);
    }
    if tag == Tag::Binary {
        return Ok(Meaning::Base64);
    }
    if tag == Tag::Timestamp {
        return if is_timestamp(text) {
            Ok(Meaning::Text)
        } else {
            Err("found no timestamp under the tag !!timestamp".to_owned())
        };
    }
    let meaning = resolve_plain(text);
    let found = match meaning {
        Meaning::Null => Tag::Null,
        Meaning::Bool(_) => Tag::Bool,
        Meaning::Number(Number::Float(_)) => Tag::Float,
        Meaning::Number(_) => Tag::Int,
        Meaning::Text | Meaning::Base64 => Tag::Str,
    };
    match (tag, meaning) {
        (_, meaning) if found == tag => Ok(meaning),
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
        (Tag::Float, Meaning::Number(Number::Int(int))) => Ok(Meaning::Number(Number::Float(int as f64))),
        _ => Err(format!("found a {} value under the tag {}", found.name(), tag.name())),
    }
}

/// Resolves a plain scalar without a tag by the rules of YAML 1.1 as go-yaml v2 has them; a timestamp is text.
pub(crate) fn resolve_plain(text: &str) -> Meaning {
    match text.as_bytes().first() {
        None => Meaning::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        Some(b'.') => special_float(text)
            .or_else(|| point_float(text))
            .map_or(Meaning::Text, |float| Meaning::Number(Number::Float(float))),
        Some(b'0'..=b'9' | b'+' | b'-') => number(text).map_or(Meaning::Text, Meaning::Number),
        Some(_) => Meaning::Text,
    }
}

fn word(text: &str) -> Meaning {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Meaning::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Meaning::Bool(false),
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        _ => Meaning::Text,
    }
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(float) = special_float(text) {
        return Some(Number::Float(float));
    }
    let plain = if text.contains('_') { &text.replace('_', "") } else { text };
    integer(plain)
        .or_else(|| decimal_float(plain).map(Number::Float))
        .or_else(|| plain.strip_prefix("0b").and_then(binary_integer).map(Number::Int))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_those_of_yaml_1_1() {
        let check = |text: &str, expected: Meaning| assert_eq!(resolve_plain(text), expected, "{text}");
        for text in ["", "~", "null", "Null", "NULL"] {
            check(text, Meaning::Null);
        }
        for text in ["y", "Y", "yes", "on", "On", "true", "TRUE"] {
            check(text, Meaning::Bool(true));
        }
        for text in ["n", "N", "no", "off", "OFF", "False"] {
            check(text, Meaning::Bool(false));
        }
        for text in
            ["yEs", "nULL", "tRUE", "1:30", "12:30:45", "2001-12-14", "<<", "=", "0x", "1e999", "_1", "-", ".", "..."]
        {
            check(text, Meaning::Text);
        }
        for (text, int) in [("1_000", 1000), ("0_7", 7), ("0b+1", 1), ("+0x_f", 15), ("1__", 1)] {
            check(text, Meaning::Number(Number::Int(int)));
        }
        for (text, float) in [("08", 8.0), ("1e3", 1000.0), ("1_0.5", 10.5), (".5", 0.5), ("-.inf", f64::NEG_INFINITY)]
        {
            check(text, Meaning::Number(Number::Float(float)));
        }
    }

    #[test]
    fn tags_must_fit_their_text() {
        let ok = |tag, text, expected| assert_eq!(resolve_tagged(tag, text), Ok(expected), "{text}");
        ok(Tag::Str, "1", Meaning::Text);
        ok(Tag::Other, "1", Meaning::Text);
        ok(Tag::Int, "0x10", Meaning::Number(Number::Int(16)));
        ok(Tag::Float, "1", Meaning::Number(Number::Float(1.0)));
        ok(Tag::Bool, "yes", Meaning::Bool(true));
        ok(Tag::Null, "", Meaning::Null);
        ok(Tag::Timestamp, "2001-12-14", Meaning::Text);
        ok(Tag::Binary, "!", Meaning::Base64);
        for (tag, text) in [
            (Tag::Int, "1.5"),
            (Tag::Int, "2001-12-14"),
            (Tag::Float, "18446744073709551615"),
            (Tag::Bool, "1"),
            (Tag::Null, "x"),
            (Tag::Timestamp, "x"),
            (Tag::Int, ""),
        ] {
            assert!(resolve_tagged(tag, text).is_err(), "{tag:?} {text}");
        }
    }
}
