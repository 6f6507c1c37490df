//! How often checkers check and how long they wait: said by a virtual server, a real server or the checker itself, and
//! inherited in this order.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::report::Report;
use crate::tree::Line;
use crate::value::number::Decimal;

/// The pace that a virtual or real server gives its checkers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    /// `delay_loop` between two checks, at least 1 us; 60 s by default.
    pub delay_loop: Duration,
    /// `connect_timeout`, 1 us to 4294.967295 s; 5 s by default.
    pub connect_timeout: Duration,
    /// `retry`, at least 1. `None` leaves it to the kind of checker.
    pub retry: Option<u32>,
    /// `delay_before_retry`. `None` leaves it to the kind of checker.
    pub delay_before_retry: Option<Duration>,
    /// `warmup`. `None` means the `delay_loop` of the checker.
    pub warmup: Option<Duration>,
}

/// The pace of one checker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// `delay_loop` between two checks, at least 1 us.
    pub delay_loop: Duration,
    /// `connect_timeout` of each step of a check, 1 us to 4294.967295 s.
    pub connect_timeout: Duration,
    /// `retry`: failures in a row that are endured before the real server is down.
    pub retry: u32,
    /// `delay_before_retry` after a failure that is endured.
    pub delay_before_retry: Duration,
    /// `warmup`: the first check comes at random within it; zero means at once.
    pub warmup: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            delay_loop: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(5),
            retry: None,
            delay_before_retry: None,
            warmup: None,
        }
    }
}

impl Pace {
    /// The pace of a real server in a virtual server of this pace.
    pub(super) fn with(&self, draft: &Draft) -> Self {
        Self {
            delay_loop: draft.delay_loop.unwrap_or(self.delay_loop),
            connect_timeout: draft.connect_timeout.unwrap_or(self.connect_timeout),
            retry: draft.retry.or(self.retry),
            delay_before_retry: draft.delay_before_retry.or(self.delay_before_retry),
            warmup: draft.warmup.or(self.warmup),
        }
    }

    /// The pace of a checker in a real server of this pace; `retry` and `delay_before_retry` are what its kind has by
    /// default, where `None` means the `delay_loop`.
    pub(super) fn timing(&self, retry: u32, delay_before_retry: Option<Duration>) -> Timing {
        Timing {
            delay_loop: self.delay_loop,
            connect_timeout: self.connect_timeout,
            retry: self.retry.unwrap_or(retry),
            delay_before_retry: self
                .delay_before_retry
                .or(delay_before_retry)
                .unwrap_or(self.delay_loop),
            warmup: self.warmup.unwrap_or(self.delay_loop),
        }
    }
}

/// What one block says of the pace. Most say little, so that it is kept behind a pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    delay_loop: Option<Duration>,
    connect_timeout: Option<Duration>,
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    warmup: Option<Duration>,
}

impl Draft {
    /// Reads one of the settings that virtual servers, real servers and checkers share; `least_retry` is 0 in a
    /// checker, else 1. `false` if the keyword is none of them.
    pub(super) fn read(
        draft: &mut Option<Box<Self>>,
        line: Line<'_>,
        least_retry: u32,
        report: &mut Report,
    ) -> bool {
        let seconds = |range, report: &mut Report| line.seconds(range, Decimal::Micro, report);
        match line.keyword() {
            "delay_loop" => {
                let value = seconds(AT_LEAST_A_MICROSECOND, report);
                set(draft, |draft| &mut draft.delay_loop, value);
            }
            "connect_timeout" => {
                let value = seconds(CONNECT_TIMEOUT, report);
                set(draft, |draft| &mut draft.connect_timeout, value);
            }
            "retry" => {
                let value = line.number(least_retry..=u32::MAX, report);
                set(draft, |draft| &mut draft.retry, value);
            }
            "delay_before_retry" => {
                let value = seconds(Duration::ZERO..=LONGEST, report);
                set(draft, |draft| &mut draft.delay_before_retry, value);
            }
            "warmup" => {
                let value = seconds(Duration::ZERO..=LONGEST, report);
                set(draft, |draft| &mut draft.warmup, value);
            }
            _ => return false,
        }
        true
    }

    /// What an inner block says, and where it says nothing, the outer one.
    pub(super) fn over(outer: Option<&Self>, inner: Option<Box<Self>>) -> Option<Box<Self>> {
        let (Some(outer), Some(inner)) = (outer, &inner) else {
            return inner.or_else(|| outer.cloned().map(Box::new));
        };
        Some(Box::new(Self {
            delay_loop: inner.delay_loop.or(outer.delay_loop),
            connect_timeout: inner.connect_timeout.or(outer.connect_timeout),
            retry: inner.retry.or(outer.retry),
            delay_before_retry: inner.delay_before_retry.or(outer.delay_before_retry),
            warmup: inner.warmup.or(outer.warmup),
        }))
    }

    /// `nb_get_retry`, the old name of `retry`.
    pub(super) fn set_retry(draft: &mut Option<Box<Self>>, retry: Option<u32>) {
        set(draft, |draft| &mut draft.retry, retry);
    }
}

/// What keepalived can count: 64 bits of microseconds, the last value set aside.
const LONGEST: Duration = Duration::from_micros(u64::MAX - 1);
const AT_LEAST_A_MICROSECOND: RangeInclusive<Duration> = Duration::from_micros(1)..=LONGEST;
const CONNECT_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_micros(1)..=Duration::from_micros(u32::MAX as u64);

fn set<T>(draft: &mut Option<Box<Draft>>, field: impl Fn(&mut Draft) -> &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field(draft.get_or_insert_default()) = value;
    }
}
