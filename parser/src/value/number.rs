//! Integers and decimal seconds.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::report::Reason;

/// Integers that settings are made of.
pub trait Integer: Copy + Display + PartialOrd + TryFrom<i64> + Into<i64> {}

impl Integer for u8 {}
impl Integer for i8 {}
impl Integer for u16 {}
impl Integer for i16 {}
impl Integer for u32 {}
impl Integer for i32 {}

/// How many digits after the point a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// Seconds to the microsecond.
    Micro,
    /// Seconds to the millisecond.
    Milli,
    /// Milliseconds to the microsecond.
    OfMillis,
}

impl Decimal {
    fn digits(self) -> u32 {
        match self {
            Self::Micro => 6,
            Self::Milli | Self::OfMillis => 3,
        }
    }

    /// What a number without a fraction means.
    fn whole(self, count: u64) -> Duration {
        match self {
            Self::Micro | Self::Milli => Duration::from_secs(count),
            Self::OfMillis => Duration::from_millis(count),
        }
    }

    fn unit(self) -> Duration {
        self.whole(1)
    }

    fn describe(self, range: &RangeInclusive<Duration>) -> String {
        let unit = self.unit();
        let name = if self == Self::OfMillis {
            "milliseconds"
        } else {
            "seconds"
        };
        format!(
            "{} to {} {name}",
            range.start().div_duration_f64(unit),
            range.end().div_duration_f64(unit)
        )
    }
}

/// Reads a decimal integer. Digits before rubbish give a value beside the reason.
pub(crate) fn integer<T: Integer>(text: &str, range: RangeInclusive<T>) -> (Option<T>, Option<Reason>) {
    let allowed = || format!("a number from {} to {}", range.start(), range.end());
    let trimmed = text.trim_start();
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let number = &trimmed[..trimmed.len() - unsigned.len() + digits];
    let in_range = number
        .parse::<i64>()
        .ok()
        .and_then(|value| T::try_from(value).ok())
        .filter(|value| range.contains(value));
    let reason = if digits == 0 || digits < unsigned.len() {
        Some(Reason::NotANumber {
            got: text.to_owned(),
            range: allowed(),
        })
    } else if in_range.is_none() {
        Some(Reason::OutOfRange {
            got: text.to_owned(),
            range: allowed(),
        })
    } else {
        None
    };
    (in_range, reason)
}

/// Reads a decimal number of 64 bits.
pub(crate) fn long(text: &str) -> (Option<u64>, Option<Reason>) {
    let (got, range) = (text.to_owned(), format!("a number from 0 to {}", u64::MAX));
    match digits(text, 10) {
        Some(value) => (Some(value), None),
        None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            (None, Some(Reason::OutOfRange { got, range }))
        }
        None => (None, Some(Reason::NotANumber { got, range })),
    }
}

/// Reads digits and nothing else: no sign, no blank.
pub(crate) fn digits(text: &str, base: u32) -> Option<u64> {
    let all = text.chars().all(|digit| digit.is_digit(base));
    all.then(|| u64::from_str_radix(text, base).ok())?
}

/// Reads a number as C does: `0x` and a leading 0 choose the base.
pub(crate) fn any_base(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (base, digits) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (16, hex)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    let unsigned = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    i64::from_str_radix(digits, base)
        .ok()
        .filter(|_| unsigned)
        .map(|value| sign * value)
}

/// Reads decimal seconds or milliseconds. Digits before rubbish, and too many of them, give a value beside the reason.
pub(crate) fn seconds(
    text: &str,
    range: RangeInclusive<Duration>,
    decimal: Decimal,
) -> (Option<Duration>, Option<Reason>) {
    let allowed = || decimal.describe(&range);
    let rubbish = |(value, _)| {
        (
            value,
            Some(Reason::NotANumber {
                got: text.to_owned(),
                range: allowed(),
            }),
        )
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let trimmed = text.trim_start();
    let (whole, rest) = trimmed.split_at(digits(trimmed));
    let fraction = rest.strip_prefix('.').map_or("", |rest| &rest[..digits(rest)]);
    let point = usize::from(rest.starts_with('.'));
    if whole.len() + fraction.len() == 0 {
        return rubbish((None, None));
    }
    let result = exact_seconds(text, whole, fraction, range.clone(), decimal);
    if whole.len() + point + fraction.len() < trimmed.len() {
        rubbish(result)
    } else {
        result
    }
}

fn exact_seconds(
    text: &str,
    whole: &str,
    fraction: &str,
    range: RangeInclusive<Duration>,
    decimal: Decimal,
) -> (Option<Duration>, Option<Reason>) {
    let out_of_range = || Reason::OutOfRange {
        got: text.to_owned(),
        range: decimal.describe(&range),
    };
    let whole = if whole.is_empty() {
        Some(0)
    } else {
        whole.parse::<u64>().ok()
    };
    let Some(whole) = whole else {
        return (None, Some(out_of_range()));
    };
    let places = decimal.digits() as usize;
    // One digit more than counts, for rounding.
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(places + 1)
        .collect();
    let rounded = digits
        .parse::<u64>()
        .map_or(0, |tenths| tenths.div_ceil(10).min((tenths + 5) / 10));
    let grain = decimal.unit() / 10u32.pow(decimal.digits());
    let value = u32::try_from(rounded)
        .ok()
        .and_then(|units| decimal.whole(whole).checked_add(grain * units))
        .filter(|value| range.contains(value));
    let reason = if value.is_none() {
        Some(out_of_range())
    } else if fraction.len() > places {
        Some(Reason::TooManyDecimals {
            got: text.to_owned(),
            digits: decimal.digits(),
        })
    } else {
        None
    };
    (value, reason)
}
