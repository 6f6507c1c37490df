//! `mtu`, `advmss`, `rtt` and the other metrics of a route (`RTAX_*`).

use std::time::Duration;

use crate::report::{Reason, Report, RoutingReason};
use crate::tree::{Options, Word};
use crate::value::number;

/// Metrics of a route. `None` leaves one to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// `mtu`, bytes.
    pub mtu: Option<Locked<u32>>,
    /// `advmss`: maximal segment size to advertise, bytes.
    pub advmss: Option<Locked<u32>>,
    /// `hoplimit`.
    pub hoplimit: Option<u8>,
    /// `rtt`: first estimate of the round trip time, 200 ms to 120 s. The kernel counts eighths of a millisecond.
    pub rtt: Option<Locked<Duration>>,
    /// `rttvar`: first estimate of its variance, 200 ms to 120 s. The kernel counts quarters of a millisecond.
    pub rttvar: Option<Locked<Duration>>,
    /// `rto_min`: least retransmission time, 200 ms to 120 s. The kernel counts milliseconds.
    pub rto_min: Option<Locked<Duration>>,
    /// `reordering`.
    pub reordering: Option<Locked<u32>>,
    /// `window`, bytes.
    pub window: Option<u32>,
    /// `cwnd`, segments.
    pub cwnd: Option<Locked<u32>>,
    /// `ssthresh`.
    pub ssthresh: Option<Locked<u32>>,
    /// `initcwnd`, segments.
    pub initcwnd: Option<u32>,
    /// `initrwnd`, segments.
    pub initrwnd: Option<u32>,
    /// `features ecn`: explicit congestion notification.
    pub ecn: bool,
    /// `quickack`.
    pub quickack: Option<bool>,
    /// `fastopen_no_cookie`.
    pub fastopen_no_cookie: Option<bool>,
    /// `congctl`: name of a congestion control algorithm.
    pub congctl: Option<Locked<String>>,
}

/// A metric, perhaps with `lock`: then the kernel does not change it by what it learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked<T> {
    /// The metric.
    pub value: T,
    /// `lock` was written.
    pub lock: bool,
}

/// Bounds of every time, as TCP has them (`TCP_RTO_MIN`, `TCP_RTO_MAX`).
const TIME_MIN: Duration = Duration::from_millis(200);
const TIME_MAX: Duration = Duration::from_mins(2);

impl Metrics {
    /// Every word that [`Metrics::read`] knows.
    pub(super) const OPTIONS: &'static [&'static str] = &[
        "mtu",
        "advmss",
        "hoplimit",
        "rtt",
        "rttvar",
        "rto_min",
        "reordering",
        "window",
        "cwnd",
        "ssthresh",
        "initcwnd",
        "initrwnd",
        "features",
        "quickack",
        "fastopen_no_cookie",
        "congctl",
    ];

    /// Reads the value of a metric. False if the word is none.
    pub(super) fn read(&mut self, option: Word<'_>, options: &mut Options<'_>, report: &mut Report) -> bool {
        match option.text() {
            "mtu" => self.mtu = locked(options, report, number),
            "advmss" => self.advmss = locked(options, report, number),
            "hoplimit" => {
                self.hoplimit = options
                    .value(report)
                    .and_then(|word| word.number(0..=u8::MAX, report));
            }
            "rtt" => self.rtt = locked(options, report, |word, report| time(word, 8, report)),
            "rttvar" => self.rttvar = locked(options, report, |word, report| time(word, 4, report)),
            "rto_min" => self.rto_min = locked(options, report, |word, report| time(word, 1, report)),
            "reordering" => self.reordering = locked(options, report, number),
            "window" => self.window = plain(options, report),
            "cwnd" => self.cwnd = locked(options, report, number),
            "ssthresh" => self.ssthresh = locked(options, report, number),
            "initcwnd" => self.initcwnd = plain(options, report),
            "initrwnd" => self.initrwnd = plain(options, report),
            "features" => self.ecn |= feature(options, report),
            "quickack" => self.quickack = zero_or_one(options, report),
            "fastopen_no_cookie" => self.fastopen_no_cookie = zero_or_one(options, report),
            "congctl" => {
                self.congctl = locked(options, report, |word, _| Some(word.text().to_owned()));
            }
            _ => return false,
        }
        true
    }
}

/// `[lock] VALUE`.
fn locked<'t, T>(
    options: &mut Options<'t>,
    report: &mut Report,
    read: impl Fn(Word<'t>, &mut Report) -> Option<T>,
) -> Option<Locked<T>> {
    let lock = options.take_if("lock");
    let value = read(options.value(report)?, report)?;
    Some(Locked { value, lock })
}

fn number(word: Word<'_>, report: &mut Report) -> Option<u32> {
    word.number(0..=u32::MAX, report)
}

fn plain(options: &mut Options<'_>, report: &mut Report) -> Option<u32> {
    number(options.value(report)?, report)
}

fn zero_or_one(options: &mut Options<'_>, report: &mut Report) -> Option<bool> {
    let word = options.value(report)?;
    word.number(0..=1u8, report).map(|number| number == 1)
}

fn feature(options: &mut Options<'_>, report: &mut Report) -> bool {
    let Some(word) = options.value(report) else {
        return false;
    };
    let ecn = word.text() == "ecn";
    if !ecn {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::UnknownFeature { got }.into());
    }
    ecn
}

/// A time: seconds with `s`, milliseconds with `ms`, a plain number in the unit of the kernel, of which `per_milli` make
/// a millisecond. keepalived draws estimates back to the bounds of TCP and refuses what is far beyond them.
fn time(word: Word<'_>, per_milli: u32, report: &mut Report) -> Option<Duration> {
    let text = word.text();
    let lower = text.to_ascii_lowercase();
    let with_unit = |endings: &[&str]| endings.iter().find_map(|&ending| lower.strip_suffix(ending));
    let milli = Duration::from_millis(1);
    let (number, unit, places, most) = if let Some(number) = with_unit(&["msecs", "msec", "ms"]) {
        (number, milli, 0, TIME_MAX * per_milli)
    } else if let Some(number) = with_unit(&["secs", "sec", "s"]) {
        (number, Duration::from_secs(1), 3, TIME_MAX * per_milli)
    } else {
        (lower.as_str(), milli / per_milli, 0, TIME_MAX)
    };
    let got = text.to_owned();
    let range = "a time up to 120s, such as 300ms or 1.5s".to_owned();
    let Some(time) = decimal(number, unit, places) else {
        report.add(word.at(), Reason::NotANumber { got, range });
        return None;
    };
    if time > most {
        report.add(word.at(), Reason::OutOfRange { got, range });
        return None;
    }
    if number
        .split_once('.')
        .is_some_and(|(_, fraction)| fraction.len() > places as usize)
    {
        report.add(
            word.at(),
            Reason::TooManyDecimals {
                got: got.clone(),
                digits: places,
            },
        );
    }
    Some(clamp(word, time, report))
}

/// Reads a decimal number of units, rounded to `places` digits after the point.
fn decimal(number: &str, unit: Duration, places: u32) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let value = u128::from(number::digits(&digits, 10)?);
    let grain = unit.as_nanos() / 10u128.pow(places);
    let divisor = 10u128
        .checked_pow(u32::try_from(fraction.len()).ok()?)?
        .checked_mul(grain)?;
    let grains = value.checked_mul(unit.as_nanos())?.checked_add(divisor / 2)? / divisor;
    Some(Duration::from_nanos(
        u64::try_from(grains.checked_mul(grain)?).ok()?,
    ))
}

fn clamp(word: Word<'_>, time: Duration, report: &mut Report) -> Duration {
    let clamped = time.clamp(TIME_MIN, TIME_MAX);
    if clamped != time {
        let got = word.text().to_owned();
        let bound = if time < TIME_MIN { "200ms" } else { "120s" };
        report.add(word.at(), RoutingReason::TimeClamped { got, bound }.into());
    }
    clamped
}
