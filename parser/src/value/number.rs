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
    let text = text.strip_prefix('+').unwrap_or(text);
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
    let count_digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let trimmed = text.trim_start();
    let trimmed = trimmed.strip_prefix('+').unwrap_or(trimmed);
    let (whole, rest) = trimmed.split_at(count_digits(trimmed));
    let (point, fraction) = match rest.strip_prefix('.') {
        Some(rest) => (1, &rest[..count_digits(rest)]),
        None => (0, ""),
    };
    let read = whole.len() + point + fraction.len();
    let no_digits = read == point;
    let value = if no_digits {
        None
    } else {
        rounded(whole, fraction, decimal)
    };
    let value = value.filter(|value| range.contains(value));
    let got = text.to_owned();
    let reason = if no_digits || read < trimmed.len() {
        Some(Reason::NotANumber {
            got,
            range: decimal.describe(&range),
        })
    } else if value.is_none() {
        Some(Reason::OutOfRange {
            got,
            range: decimal.describe(&range),
        })
    } else if fraction.len() > decimal.digits() as usize {
        Some(Reason::TooManyDecimals {
            got,
            digits: decimal.digits(),
        })
    } else {
        None
    };
    (value, reason)
}

/// A time from the digits around the point, rounded to the grain.
fn rounded(whole: &str, fraction: &str, decimal: Decimal) -> Option<Duration> {
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // One digit more than counts decides the rounding.
    let places = decimal.digits() as usize + 1;
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(places)
        .collect();
    let units = (digits.parse::<u32>().ok()? + 5) / 10;
    let grain = decimal.unit() / 10u32.pow(decimal.digits());
    decimal.whole(whole).checked_add(grain * units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_decimal_and_may_stand_after_blanks() {
        let read = |text| integer::<i16>(text, -253..=253);
        assert_eq!(read("100"), (Some(100), None));
        assert_eq!(read(" +5"), (Some(5), None));
        assert_eq!(read("-253"), (Some(-253), None));
        assert_eq!(read("010"), (Some(10), None));
        for text in ["254", "-254", "99999999999999999999"] {
            assert!(
                matches!(read(text), (None, Some(Reason::OutOfRange { .. }))),
                "{text}"
            );
        }
        for text in ["", "-", "x", "0x10"] {
            assert!(matches!(read(text).1, Some(Reason::NotANumber { .. })), "{text}");
        }
    }

    #[test]
    fn digits_before_rubbish_count_at_run_time() {
        assert!(matches!(
            integer::<u8>("100x", 1..=255),
            (Some(100), Some(Reason::NotANumber { .. }))
        ));
        let range = Duration::ZERO..=Duration::from_secs(255);
        let (value, reason) = seconds("1.5s", range, Decimal::Micro);
        assert_eq!(value, Some(Duration::from_millis(1500)));
        assert!(matches!(reason, Some(Reason::NotANumber { .. })));
    }

    #[test]
    fn seconds_are_exact_to_their_grain() {
        let read = |text, decimal| seconds(text, Duration::ZERO..=Duration::from_secs(4294), decimal);
        for (text, nanoseconds) in [
            ("1", 1_000_000_000),
            ("0.000001", 1000),
            (".5", 500_000_000),
            ("2.", 2_000_000_000),
            ("+2", 2_000_000_000),
        ] {
            assert_eq!(
                read(text, Decimal::Micro),
                (Some(Duration::from_nanos(nanoseconds)), None),
                "{text}"
            );
        }
        assert_eq!(
            read("1.001", Decimal::Milli),
            (Some(Duration::from_millis(1001)), None)
        );
        let (value, reason) = read("1.9996", Decimal::Milli);
        assert_eq!(value, Some(Duration::from_secs(2)));
        assert!(matches!(reason, Some(Reason::TooManyDecimals { digits: 3, .. })));
        assert!(matches!(
            read("4295", Decimal::Milli),
            (None, Some(Reason::OutOfRange { .. }))
        ));
        for text in ["", ".", "x", "-1", "+-1", "1,5", "1.2.3"] {
            assert!(
                matches!(read(text, Decimal::Micro).1, Some(Reason::NotANumber { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn c_numbers_choose_their_base() {
        for (text, value) in [
            ("0x1F", Some(31)),
            ("-010", Some(-8)),
            ("10", Some(10)),
            ("0", Some(0)),
            ("08", None),
            ("--1", None),
        ] {
            assert_eq!(any_base(text), value, "{text}");
        }
    }
}
