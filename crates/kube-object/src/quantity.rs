use std::fmt;

use thiserror::Error;

/// A resource quantity such as `500m`, `1Gi` or `1e3`, printed in its canonical form.
///
/// The API server stores a text that it takes for canonical as it was written (`+1`, `1.500`, `0.5Ki` becomes `512`),
/// so compare the canonical forms of both sides. Source of the rules: `k8s.io/apimachinery/pkg/api/resource`,
/// documented at `Quantity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    canonical: String,
    nanos: i128,
}

/// The text is not a quantity.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a quantity")]
pub struct QuantityError(pub String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    DecimalSi,
    BinarySi,
    DecimalExponent,
}

impl Quantity {
    /// Reads a quantity. Values finer than a nano unit are rounded away from zero; values wider than `i128` nano units
    /// are errors: the caller then has doubt.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError(text.to_owned());
        let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let (format, scale) = Scale::of(suffix).ok_or_else(error)?;
        let mut nanos = scaled(number, scale).ok_or_else(error)?;
        if format == Format::BinarySi {
            nanos = nanos.clamp(-MAX_BINARY, MAX_BINARY);
        }
        Ok(Self { canonical: canonical(nanos, format), nanos })
    }

    /// Returns the whole units, rounded up as Kubernetes does.
    pub fn whole(&self) -> i128 {
        self.nanos.div_euclid(NANO) + i128::from(self.nanos.rem_euclid(NANO) != 0)
    }

    /// Returns the canonical text of a quantity, or none when the text is not one.
    pub fn canonical(text: &str) -> Option<String> {
        Self::parse(text).ok().map(|quantity| quantity.canonical)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

#[derive(Clone, Copy)]
enum Scale {
    Ten(i32),
    Two(u32),
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Scale {
    fn of(suffix: &str) -> Option<(Format, Self)> {
        if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Some((Format::DecimalSi, Self::Ten(*exponent)));
        }
        if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            return Some((Format::BinarySi, Self::Two(*bits)));
        }
        let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        Some((Format::DecimalExponent, Self::Ten(exponent)))
    }
}

/// Reads `[+-]digits[.digits]` times the scale as whole nano units.
fn scaled(number: &str, scale: Scale) -> Option<i128> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let fraction_digits = i32::try_from(fraction.len()).ok()?;
    let (factor, ten) = match scale {
        Scale::Ten(exponent) => (1, exponent.checked_add(9)?.checked_sub(fraction_digits)?),
        Scale::Two(bits) => (1i128 << bits, 9 - fraction_digits),
    };
    let product = mantissa.checked_mul(factor)?;
    let nanos = if ten >= 0 {
        product.checked_mul(10i128.checked_pow(ten.unsigned_abs())?)?
    } else {
        // Asking for less than the smallest unit is still asking for something.
        10i128
            .checked_pow(ten.unsigned_abs())
            .map_or(i128::from(product > 0), |divisor| product / divisor + i128::from(product % divisor != 0))
    };
    Some(sign * nanos)
}

const NANO: i128 = 1_000_000_000;
/// The server caps binary quantities at `i64::MAX` units.
const MAX_BINARY: i128 = i64::MAX as i128 * NANO;

fn canonical(nanos: i128, format: Format) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    match format {
        // The server falls back to decimal below 1024 and for fractions.
        Format::BinarySi if nanos % NANO == 0 && (nanos / NANO).abs() >= 1024 => {
            let value = nanos / NANO;
            let (name, bits) = BINARY
                .iter()
                .rev()
                .find(|(_, bits)| value % (1i128 << bits) == 0)
                .map_or(("", 0), |(name, bits)| (*name, *bits));
            format!("{}{name}", value >> bits)
        }
        Format::BinarySi | Format::DecimalSi => {
            let (name, unit) = largest_unit(nanos);
            format!("{}{name}", nanos / unit)
        }
        Format::DecimalExponent => {
            let (mut value, mut exponent) = (nanos, -9);
            while value % 1000 == 0 {
                (value, exponent) = (value / 1000, exponent + 3);
            }
            if exponent == 0 { value.to_string() } else { format!("{value}e{exponent}") }
        }
    }
}

/// Returns the largest decimal unit that divides the value without rest, with its size in nano units.
fn largest_unit(nanos: i128) -> (&'static str, i128) {
    DECIMAL
        .iter()
        .rev()
        .map(|(name, exponent)| (*name, 10i128.pow(exponent.saturating_add(9).unsigned_abs())))
        .find(|(_, unit)| nanos % unit == 0)
        .unwrap_or(("n", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_their_canonical_form() {
        // Right column: what apimachinery 0.36 computes for the left one, when it does not keep the text as it is.
        for (text, expected) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("0.5Gi", "512Mi"),
            ("1024Mi", "1Gi"),
            ("1", "1"),
            ("100m", "100m"),
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("2000", "2k"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("1E", "1E"),
            ("0", "0"),
            ("0.0", "0"),
            ("-1", "-1"),
            ("+1", "1"),
            (".5", "500m"),
            ("1.", "1"),
            ("100Ki", "100Ki"),
            ("1000", "1k"),
            ("128974848", "128974848"),
            ("0.1Ki", "102400m"),
            ("512", "512"),
            ("1Ki", "1Ki"),
            ("500u", "500u"),
            ("1.500", "1500m"),
            ("001Ki", "1Ki"),
            ("0.1n", "1n"),
            ("1.5n", "2n"),
            ("-1.5n", "-2n"),
            ("1e-10", "1e-9"),
            ("1e-99", "1e-9"),
            ("5e-1", "500e-3"),
            ("1E+3", "1e3"),
            ("1e4", "10e3"),
            ("12345e2", "1234500"),
            ("1000e3", "1e6"),
            ("1e28", "10e27"),
            ("10Ei", "9223372036854775807"),
            ("100E", "100E"),
            ("9223372036854775808", "9223372036854775808"),
            ("1.5Ki", "1536"),
            ("2048", "2048"),
            ("-1024Ki", "-1Mi"),
            ("-0.5", "-500m"),
            ("0e5", "0"),
            ("1000000000n", "1"),
            ("3.1Gi", "3328599654400m"),
            ("1.25Gi", "1280Mi"),
        ] {
            assert_eq!(Quantity::canonical(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "m",
            "1x",
            "1 Gi",
            "--1",
            "1.2.3",
            "Gi",
            "1ki",
            "abc",
            "1e",
            "1K",
            "1e1.5",
            "1Kim",
            "1e999999999999",
            "1e40",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }
}
