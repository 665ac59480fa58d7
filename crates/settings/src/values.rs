//! Readers of single values.

use jiff::SignedDuration;
use kube_object::Quantity;

/// Reads a duration: Go's notation, a bare number of seconds, or whole days as `7d`.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    if let Some(hours) = days.and_then(|days| days.checked_mul(24)) {
        return SignedDuration::try_from_hours(hours).ok_or_else(|| format!("`{text}` is too long"));
    }
    application_api::parse_duration(text).map_err(|error| error.to_string())
}

/// Reads a duration for which zero and less mean off.
pub(crate) fn optional_duration(text: &str) -> Result<Option<SignedDuration>, String> {
    Ok(Some(duration(text)?).filter(SignedDuration::is_positive))
}

/// Reads a duration that is not negative.
pub(crate) fn wait(text: &str) -> Result<SignedDuration, String> {
    match duration(text)? {
        duration if duration.is_negative() => Err(format!("`{text}` is negative")),
        duration => Ok(duration),
    }
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("`{text}` is neither `true` nor `false`")),
    }
}

/// Reads a number of bytes, written as a Kubernetes quantity such as `10M` or `1Gi`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let quantity = Quantity::parse(text).map_err(|error| error.to_string())?;
    u64::try_from(quantity.whole()).map_err(|_| format!("`{text}` is negative or too large"))
}

/// Reads a list with commas.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Reads YAML.
pub(crate) fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|error| format!("its YAML does not have the expected form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quantities() {
        for (text, expected) in [
            ("10M", Ok(10_000_000)),
            ("1Gi", Ok(1 << 30)),
            ("0", Ok(0)),
            ("1500m", Ok(2)),
            ("16E", Ok(16_000_000_000_000_000_000)),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert!(bytes("-1").is_err() && bytes("ten").is_err() && bytes("20E").is_err());
    }

    #[test]
    fn durations_may_be_off_but_waits_not_negative() {
        assert_eq!(duration("2d"), Ok(SignedDuration::from_hours(48)));
        assert!(duration("9223372036854775807d").is_err());
        assert_eq!(optional_duration("0s"), Ok(None));
        assert_eq!(optional_duration("-1"), Ok(None));
        assert_eq!(wait("0"), Ok(SignedDuration::ZERO));
        assert!(wait("-1s").is_err());
    }
}
