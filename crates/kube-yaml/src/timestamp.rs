/// Tells whether go-yaml takes a text for a timestamp: a date, or a date and a time with `T` and a zone, or with a space and
/// no zone, as Go's `time.Parse` reads them.
pub(crate) fn is_timestamp(text: &str) -> bool {
    date(text).is_some_and(|rest| match rest.as_bytes() {
        [] => true,
        [b'T' | b't', ..] => time(&rest[1..]).is_some_and(zone),
        [b' ', ..] => time(rest.trim_start_matches(' ')).is_some_and(str::is_empty),
        _ => false,
    })
}

fn date(text: &str) -> Option<&str> {
    let year = text.get(..4).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (month, rest) = short_number(text[4..].strip_prefix('-')?)?;
    let (day, rest) = short_number(rest.strip_prefix('-')?)?;
    let last = last_day(year.parse().ok()?, month)?;
    (1..=last).contains(&day).then_some(rest)
}

fn last_day(year: u32, month: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => Some(29),
        2 => Some(28),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

fn time(text: &str) -> Option<&str> {
    let (hour, rest) = short_number(text)?;
    let (minute, rest) = short_number(rest.strip_prefix(':')?)?;
    let (second, rest) = short_number(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = rest.strip_prefix(['.', ',']).map_or("", |rest| &rest[..leading_digits(rest)]);
    Some(if fraction.is_empty() { rest } else { &rest[1 + fraction.len()..] })
}

fn zone(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let pair = |tens: u8, ones: u8| {
                (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0')
            };
            pair(*h1, *h2).is_some_and(|hours| hours <= 24) && pair(*m1, *m2).is_some_and(|minutes| minutes <= 60)
        }
        _ => false,
    }
}

/// Reads one or two digits.
fn short_number(text: &str) -> Option<(u32, &str)> {
    let length = leading_digits(text).min(2);
    Some((text[..length].parse().ok()?, &text[length..]))
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_those_of_go() {
        for text in [
            "2001-12-14",
            "2001-1-2",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14T21:59:43Z",
            "2001-12-14  1:2:3,5",
            "2000-02-29",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
        for text in [
            "",
            "2001-13-01",
            "1900-02-29",
            "2001-12-14T21:59:43",
            "2001-12-14 21:59:43Z",
            "01-1-2",
            "2001-1-2x",
            "2001-12-14 24:00:00",
            "2001-12-14T21:59:43.Z",
            "2001-12-14T21:59:43+25:00",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
