use serde_json::Value;

/// A number as Go reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    /// Only values above `i64::MAX`.
    Uint(u64),
    Float(f64),
}

impl Number {
    /// Returns the JSON value that reads back from what Go prints; `None` for infinities and NaN, which JSON cannot hold.
    pub(crate) fn into_value(self) -> Option<Value> {
        match self {
            Self::Int(int) => Some(Value::from(int)),
            Self::Uint(uint) => Some(Value::from(uint)),
            Self::Float(float) => float_value(float),
        }
    }
}

/// Returns the JSON value that reads back from what Go's `json.Marshal` prints for a float: `1.0` is printed as `1`, so it
/// becomes an integer. From 1e21 on Go prints an exponent.
fn float_value(float: f64) -> Option<Value> {
    if !float.is_finite() {
        return None;
    }
    if float.fract() == 0.0 && float.abs() < 1e21 {
        let printed = format!("{float}");
        if let Ok(int) = printed.parse::<i64>() {
            return Some(Value::from(int));
        }
        if let Ok(uint) = printed.parse::<u64>() {
            return Some(Value::from(uint));
        }
    }
    Some(Value::from(float))
}

/// Reads an integer as Go's `ParseInt` and `ParseUint` do with base 0: `0x`, `0o`, `0b` and a leading `0` choose the base.
pub(crate) fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = signed(text);
    let magnitude = unsigned_with_prefix(digits)?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(int)) => Some(Number::Int(int)),
        // ParseUint takes no sign.
        (false, Err(_)) if digits.len() == text.len() => Some(Number::Uint(magnitude)),
        (false, Err(_)) => None,
        (true, Ok(int)) => Some(Number::Int(-int)),
        (true, Err(_)) => (magnitude == 1 << 63).then_some(Number::Int(i64::MIN)),
    }
}

/// Reads a signed binary number without a prefix, as go-yaml does after `0b`.
pub(crate) fn binary_integer(text: &str) -> Option<i64> {
    let (negative, digits) = signed(text);
    let magnitude = if digits.is_empty() { None } else { unsigned(digits, 2) }?;
    let int = i64::try_from(magnitude).ok()?;
    Some(if negative { -int } else { int })
}

fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    }
}

fn unsigned_with_prefix(digits: &str) -> Option<u64> {
    match digits.as_bytes() {
        [] => None,
        [b'0', b'b' | b'B', _, ..] => unsigned(&digits[2..], 2),
        [b'0', b'o' | b'O', _, ..] => unsigned(&digits[2..], 8),
        [b'0', b'x' | b'X', _, ..] => unsigned(&digits[2..], 16),
        [b'0', ..] => unsigned(&digits[1..], 8),
        _ => unsigned(digits, 10),
    }
}

/// Reads digits of a base; no digits are zero, as after the `0` of an octal number.
fn unsigned(digits: &str, base: u32) -> Option<u64> {
    digits.chars().try_fold(0_u64, |sum, digit| {
        let digit = digit.to_digit(base)?;
        sum.checked_mul(u64::from(base))?.checked_add(u64::from(digit))
    })
}

/// Reads a decimal float of the form `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` that is within range.
pub(crate) fn decimal_float(text: &str) -> Option<f64> {
    let (_, rest) = signed(text);
    let (whole, rest) = digits(rest);
    let rest = match rest.strip_prefix('.') {
        Some(rest) => {
            let (fraction, rest) = digits(rest);
            if whole.is_empty() && fraction.is_empty() {
                return None;
            }
            rest
        }
        None if whole.is_empty() => return None,
        None => rest,
    };
    let rest = match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let (power, rest) = digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
            if power.is_empty() {
                return None;
            }
            rest
        }
        None => rest,
    };
    if !rest.is_empty() {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite())
}

/// Reads a float that starts with a point as Go's `ParseFloat` does: underscores may stand between digits.
pub(crate) fn point_float(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return decimal_float(text);
    }
    let bytes = text.as_bytes();
    let between_digits = |at: usize| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        at > 0 && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1))
    };
    let placed_well = bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || between_digits(at));
    if placed_well { decimal_float(&text.replace('_', "")) } else { None }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Writes a float as Go's `FormatFloat(float, 'g', -1, 32)`, which is how `sigs.k8s.io/yaml` turns a float key into text.
pub(crate) fn float_key(float: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the key is printed with 32 bits of precision")]
    let float = float as f32;
    if float.is_nan() {
        return ".nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("Rust's `e` format always writes an exponent");
    let exponent: i32 = exponent.parse().expect("Rust's `e` format writes a decimal exponent");
    // Go's rule for the shortest form.
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_choose_their_base() {
        let check = |text: &str, expected: Option<Number>| assert_eq!(integer(text), expected, "{text}");
        for (text, expected) in
            [("0", 0), ("-0", 0), ("+12", 12), ("0777", 511), ("0o17", 15), ("0O17", 15), ("0x1F", 31), ("-0b101", -5)]
        {
            check(text, Some(Number::Int(expected)));
        }
        check("-9223372036854775808", Some(Number::Int(i64::MIN)));
        check("9223372036854775808", Some(Number::Uint(1 << 63)));
        check("0xffffffffffffffff", Some(Number::Uint(u64::MAX)));
        for text in [
            "",
            "-",
            "0x",
            "0b",
            "08",
            "0o8",
            "1e3",
            "+9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn floats_follow_the_yaml_form() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(decimal_float(text), expected, "{text}");
        for (text, expected) in [("1.", 1.0), (".5", 0.5), ("-1.5e+3", -1500.0), ("08", 8.0), ("1E2", 100.0)] {
            check(text, Some(expected));
        }
        for text in [".", "", "-", "1e", "1e+", "e1", "1.5.2", "1e999", "inf", "0x1p4", "1_0.5"] {
            check(text, None);
        }
        assert_eq!(point_float(".5_0"), Some(0.5));
        assert_eq!(point_float("._5"), None);
        assert_eq!(point_float(".5_"), None);
    }

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        let check = |float: f64, expected: &str| {
            assert_eq!(Number::Float(float).into_value().map(|value| value.to_string()), Some(expected.to_owned()));
        };
        check(1.0, "1");
        check(-0.0, "0");
        check(1e18, "1000000000000000000");
        check(4_611_686_018_427_387_904.0, "4611686018427388000");
        check(1e19, "10000000000000000000");
        check(0.1, "0.1");
        assert_eq!(Number::Float(1e21).into_value(), Some(Value::from(1e21)));
        assert_eq!(Number::Float(f64::NAN).into_value(), None);
    }

    #[test]
    fn float_keys_have_32_bits_of_precision() {
        for (float, expected) in [
            (1.5, "1.5"),
            (1.0, "1"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (21e6, "2.1e+07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.1 + 0.2, "0.3"),
            (1e39, ".inf"),
            (f64::NAN, ".nan"),
        ] {
            assert_eq!(float_key(float), expected);
        }
    }
}
