//! Schedules in cron's five fields, as Go's `robfig/cron` reads them in its standard form.

use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::DateTime;

/// Months that are looked through for the next time: a day such as 29 February comes within them.
const MOST_MONTHS: usize = 12 * 8 + 1;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule: bits of the values that each field allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: Days,
    months: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Days {
    of_month: u64,
    of_week: u64,
    /// Whether either field begins with a star: then both have to fit, else one.
    both: bool,
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("`{text}` has {} fields: expected minute, hour, day, month and weekday", fields.len()));
        };
        let is_star = |field: &str| field.split(',').any(|part| part.starts_with(['*', '?']));
        Ok(Self {
            minutes: bits(minute, 0, 59, &[])?,
            hours: bits(hour, 0, 23, &[])?,
            days: Days {
                of_month: bits(day, 1, 31, &[])?,
                of_week: bits(weekday, 0, 6, &DAYS)?,
                both: is_star(day) || is_star(weekday),
            },
            months: bits(month, 1, 12, &MONTHS)?,
        })
    }
}

impl Schedule {
    /// Returns the next time of the schedule after a time; none when there is none for years.
    pub(crate) fn next(&self, after: DateTime) -> Option<DateTime> {
        let first = after.with().second(0).subsec_nanosecond(0).build().ok()?.checked_add(1.minute()).ok()?;
        let mut at = first;
        for _ in 0..MOST_MONTHS {
            if has(self.months, at.month())
                && let Some(found) = self.next_in_month(at)
            {
                return Some(found);
            }
            at = at.date().first_of_month().checked_add(1.month()).ok()?.at(0, 0, 0, 0);
        }
        None
    }

    fn next_in_month(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        loop {
            if self.has_day(date.day(), date.weekday().to_sunday_zero_offset()) {
                let is_first = date == from.date();
                let (hour, minute) = if is_first { (from.hour(), from.minute()) } else { (0, 0) };
                if let Some((hour, minute)) = self.next_in_day(hour, minute) {
                    return Some(date.at(hour, minute, 0, 0));
                }
            }
            date = date.tomorrow().ok().filter(|next| next.month() == date.month())?;
        }
    }

    fn next_in_day(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let minute_from = |from: i8| (from..60).find(|minute| has(self.minutes, *minute));
        if has(self.hours, hour)
            && let Some(minute) = minute_from(minute)
        {
            return Some((hour, minute));
        }
        let hour = (hour + 1..24).find(|hour| has(self.hours, *hour))?;
        Some((hour, minute_from(0)?))
    }

    fn has_day(&self, day: i8, weekday: i8) -> bool {
        let (of_month, of_week) = (has(self.days.of_month, day), has(self.days.of_week, weekday));
        if self.days.both { of_month && of_week } else { of_month || of_week }
    }
}

fn has(bits: u64, value: i8) -> bool {
    bits >> value & 1 == 1
}

/// Reads a field: values, ranges and steps, separated by commas; months and weekdays also by name.
fn bits(field: &str, least: u8, most: u8, names: &[&str]) -> Result<u64, String> {
    let error = || {
        format!("`{field}` is not a field of a schedule: expected values from {least} to {most}, such as 1,5-7 or */2")
    };
    let value = |text: &str| {
        let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let named = named.and_then(|at| u8::try_from(at).ok()).map(|at| at + least);
        named.or_else(|| text.parse::<u8>().ok()).ok_or_else(error)
    };
    let mut all = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u8>().ok().filter(|step| *step > 0).ok_or_else(error)?)),
            None => (part, None),
        };
        let (first, last) = match range {
            "*" | "?" => (least, most),
            range => match range.split_once('-') {
                Some((first, last)) => (value(first)?, value(last)?),
                // A step from a value on goes to the end.
                None => (value(range)?, if step.is_some() { most } else { value(range)? }),
            },
        };
        if first < least || last > most || first > last {
            return Err(error());
        }
        all |= (first..=last).step_by(step.unwrap_or(1).into()).fold(0, |bits, value| bits | 1 << value);
    }
    Ok(all)
}
