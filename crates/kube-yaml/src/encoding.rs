use std::borrow::Cow;

use crate::error::{DecodeStep, Fault, position};

const ADVICE: &str = "save the file as UTF-8";

/// Tells whether a file that does not parse has to be taken for a broken manifest: its text holds `apiVersion:`, `kind:` or
/// `metadata:`. Other files may be skipped.
pub fn looks_like_manifest(bytes: &[u8]) -> bool {
    let bytes = without_mark(bytes);
    [&b"apiVersion:"[..], b"kind:", b"metadata:"]
        .iter()
        .any(|word| bytes.windows(word.len()).any(|window| window == *word))
}

/// Removes a byte order mark; UTF-16 with a mark becomes UTF-8, as Argo CD opens files.
pub(crate) fn without_mark(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(from_utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(from_utf16(rest, u16::from_be_bytes)),
        _ => Cow::Borrowed(bytes),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.into_bytes()
}

/// Reads bytes as UTF-8.
pub(crate) fn as_text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = position(bytes, error.valid_up_to());
        Fault::new(at, DecodeStep::Read, "found a byte that is not UTF-8", ADVICE)
    })
}

/// Reads bytes as UTF-8; each byte that is not becomes one replacement character, as Go writes it.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Tells whether the decoder of Kubernetes tooling takes the file for a stream of JSON values: within the first 4096 bytes,
/// the first character that is not white space is a brace.
pub(crate) fn starts_like_json(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(4096)];
    let text = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.trim_start().starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_removed_and_utf16_becomes_utf8() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(without_mark(bytes), expected.as_bytes());
        check(b"a: 1", "a: 1");
        check(b"\xef\xbb\xbfa: 1", "a: 1");
        check(b"\xff\xfea\0:\0 \0\x31\0", "a: 1");
        check(b"\xfe\xff\0a\0:\0 \xd8\x3d\xde\x00", "a: \u{1f600}");
        check(b"\xff\xfe\x00\xd8a\0", "\u{fffd}a");
    }

    #[test]
    fn one_word_of_a_manifest_is_enough() {
        for (text, expected) in
            [("a: {{ b }}", false), ("kinds: {{", false), ("x:\n  kind: {{", true), ("apiVersion:", true)]
        {
            assert_eq!(looks_like_manifest(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_brace_after_white_space_means_json() {
        for (text, expected) in
            [("{", true), (" \n\t{", true), ("[1]", false), ("# x\n{", false), ("\u{a0}{", true), ("", false)]
        {
            assert_eq!(starts_like_json(text.as_bytes()), expected, "{text}");
        }
        assert!(!starts_like_json(format!("{}{{", " ".repeat(4096)).as_bytes()));
    }
}
