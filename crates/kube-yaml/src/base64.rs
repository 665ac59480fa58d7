/// Decodes base64 with the standard alphabet and padding; line breaks are skipped, as Go does.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let chars: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let groups = chars.chunks(4).len();
    let mut bytes = Vec::with_capacity(3 * groups);
    for (at, group) in chars.chunks(4).enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if group.len() != 4 || padding > 2 || (padding > 0 && at + 1 != groups) {
            return None;
        }
        let bits = group[..4 - padding].iter().try_fold(0_u32, |bits, char| Some(bits << 6 | sextet(*char)?))?;
        let [_, first, second, third] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend(&[first, second, third][..3 - padding]);
    }
    Some(bytes)
}

fn sextet(char: u8) -> Option<u32> {
    Some(u32::from(match char {
        b'A'..=b'Z' => char - b'A',
        b'a'..=b'z' => char - b'a' + 26,
        b'0'..=b'9' => char - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_padded_standard_form() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(decode(text), expected.map(|text| text.as_bytes().to_vec()), "{text}");
        };
        check("", Some(""));
        check("aGk=", Some("hi"));
        check("aGVs\r\nbG8h\n", Some("hello!"));
        check("aA==", Some("h"));
        for text in ["aGk", "aGk=aGk=", "a===", "a b=", "====", "aG_-"] {
            check(text, None);
        }
    }
}
