//! `interface_up_down_delays`: how long a link must be down or up before that counts.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Place;
use crate::report::{Report, VrrpReason};
use crate::tree::Line;
use crate::value::number::Decimal;

/// One line of `interface_up_down_delays`.
///
/// The delays of an interface are effective only up to the time in which a backup would take over: `down_timer_adverts`
/// less one, times the advert interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpDownDelay {
    /// The interface; whether it exists is asked on the machine.
    pub interface: String,
    /// Before a link that is down counts as down; 0 to 255 s, to the microsecond.
    pub down: Duration,
    /// Before a link that is up counts as up; that of `down` where it is left out.
    pub up: Duration,
    /// Where it stands.
    pub place: Place,
}

const DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(255);

/// Reads `IFNAME DOWN_DELAY [UP_DELAY]`. keepalived takes a line without delays, which does nothing.
pub(super) fn line(line: Line<'_>, report: &mut Report) -> Option<UpDownDelay> {
    line.no_block(report);
    let interface = line.keyword_word().interface(report)?;
    let mut words = line.words();
    let Some(down) = words.next() else {
        report.add(line.at(), VrrpReason::NoDelay.into());
        return None;
    };
    let down = down.seconds(DELAY, Decimal::Micro, report)?;
    let up = match words.next() {
        Some(up) => up.seconds(DELAY, Decimal::Micro, report)?,
        None => down,
    };
    Some(UpDownDelay {
        interface,
        down,
        up,
        place: line.place(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn read(text: &str) -> (Option<(u128, u128)>, usize) {
        let mut report = Report::default();
        let tree = Tree::read(format!("interface_up_down_delays {{\n{text}\n}}\n"), &mut report);
        let block = tree.lines().next().unwrap();
        let delay = block.list(&mut report).next().and_then(|l| line(l, &mut report));
        (
            delay.map(|delay| (delay.down.as_micros(), delay.up.as_micros())),
            report.mistakes.len(),
        )
    }

    #[test]
    fn the_up_delay_is_the_down_delay_where_it_is_left_out() {
        for (text, delays, mistakes) in [
            ("eth0 1", Some((1_000_000, 1_000_000)), 0),
            ("eth0 1 0", Some((1_000_000, 0)), 0),
            ("eth0 0.000001 255", Some((1, 255_000_000)), 0),
            ("eth0 255.000001", None, 1),
            ("eth0 1 256", None, 1),
            ("eth0 foo", None, 1),
            ("eth0 1 2 3", Some((1_000_000, 2_000_000)), 0),
            ("eth0", None, 1),
        ] {
            assert_eq!(read(text), (delays, mistakes), "{text}");
        }
    }
}
