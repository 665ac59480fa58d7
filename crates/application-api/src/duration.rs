use jiff::SignedDuration;
use thiserror::Error;

/// The text is not a duration. Give up until the setting changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a duration: expected a number of seconds or numbers with units, such as `90s`, `2m` or `1h30m`")]
pub struct DurationError(pub String);

/// Reads a duration as Go does (`5s`, `1.5h`, `1h30m`, `-3ms`); a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let error = || DurationError(text.to_owned());
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(SignedDuration::from_secs(seconds));
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(error());
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let part = unit_nanos(unit).and_then(|unit| scaled(number, unit)).ok_or_else(error)?;
        nanos = nanos.checked_add(part).filter(|nanos| *nanos <= i128::from(i64::MAX)).ok_or_else(error)?;
        rest = tail;
    }
    i64::try_from(nanos).map(|nanos| SignedDuration::from_nanos(sign * nanos)).map_err(|_| error())
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Multiplies `digits[.digits]` with a unit; fractions of a nanosecond are dropped.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(18)];
    let parts: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10i128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_mul(unit)?.checked_add(parts.checked_mul(unit)? / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        for (text, millis) in [
            ("0", 0),
            ("5", 5_000),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("100ms", 100),
            ("-3s", -3_000),
            ("+3s", 3_000),
            ("1000us", 1),
            ("1000000ns", 1),
        ] {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_millis(millis)), "{text}");
        }
        for text in ["", "-", "s", "5x", "1.2.3s", "5 s", ".s", "1d", "9999999999999999999h", "1h30"] {
            assert_eq!(parse_duration(text), Err(DurationError(text.to_owned())));
        }
    }
}
