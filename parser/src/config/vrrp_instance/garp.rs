//! Gratuitous ARP and unsolicited neighbour advertisements: `garp_*`, and `vrrp_garp_*` in `global_defs`.

use std::time::Duration;

use crate::report::{LvsReason, Reason, Report};
use crate::tree::Line;

/// Gratuitous ARP and unsolicited neighbour advertisements, per instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garp {
    /// `garp_master_delay` before the second burst; 5 s by default, zero means none.
    pub master_delay: Duration,
    /// `garp_master_repeat`: frames per address and burst; 5 by default, at least 1.
    pub master_repeat: u32,
    /// `garp_master_refresh`: period of the refresh; zero (off) by default.
    pub master_refresh: Duration,
    /// `garp_master_refresh_repeat`: frames per address and refresh; 1 by default.
    pub master_refresh_repeat: u32,
    /// `garp_lower_prio_delay` before the second burst after a lower advert.
    pub lower_prio_delay: Duration,
    /// `garp_lower_prio_repeat`: frames per address after a lower advert; may be 0.
    pub lower_prio_repeat: u32,
    /// `garp_extra_if`: on the other interfaces of the addresses; off by default.
    pub extra_if: GarpExtraIf,
}

/// `garp_extra_if [all] <SECS>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GarpExtraIf {
    /// `all`: on every interface, not only on macvlans.
    pub all: bool,
    /// The period, 1 s to one day; zero means never.
    pub period: Duration,
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            master_delay: Duration::from_secs(5),
            master_repeat: 5,
            master_refresh: Duration::ZERO,
            master_refresh_repeat: 1,
            lower_prio_delay: Duration::from_secs(5),
            lower_prio_repeat: 5,
            extra_if: GarpExtraIf::default(),
        }
    }
}

/// What was written of it.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct GarpDraft {
    master_delay: Option<Duration>,
    master_repeat: Option<u32>,
    master_refresh: Option<Duration>,
    master_refresh_repeat: Option<u32>,
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) lower_prio_repeat: Option<u32>,
    extra_if: Option<GarpExtraIf>,
}

impl GarpDraft {
    /// Reads a keyword of this family, without `vrrp_`; false if it is none. `least` is the least period of
    /// `garp_extra_if`.
    pub(in crate::config) fn read(
        &mut self,
        keyword: &str,
        line: Line<'_>,
        least: u32,
        report: &mut Report,
    ) -> bool {
        match keyword {
            "garp_master_delay" => self.master_delay = line.whole_seconds(0..=4294, report),
            "garp_master_repeat" => self.master_repeat = line.at_least_one(u32::MAX, report),
            "garp_master_refresh" => self.master_refresh = line.whole_seconds(0..=u32::MAX, report),
            "garp_master_refresh_repeat" => self.master_refresh_repeat = line.at_least_one(u32::MAX, report),
            "garp_lower_prio_delay" => self.lower_prio_delay = line.whole_seconds(0..=4294, report),
            "garp_lower_prio_repeat" => {
                self.lower_prio_repeat = line.number(0..=i32::MAX.unsigned_abs(), report);
            }
            "garp_extra_if" => self.extra_if = extra_if(line, least, report),
            _ => return false,
        }
        true
    }

    /// The defaults of all instances. `min_garp` replaces what is not written by a single frame.
    pub(in crate::config) fn resolve_global(self, min_garp: bool) -> Garp {
        let (delay, repeat) = if min_garp {
            (Duration::ZERO, 1)
        } else {
            (Duration::from_secs(5), 5)
        };
        let master_delay = self.master_delay.unwrap_or(delay);
        let master_repeat = self.master_repeat.unwrap_or(repeat);
        let base = Garp {
            master_delay,
            master_repeat,
            lower_prio_delay: master_delay,
            lower_prio_repeat: master_repeat,
            ..Garp::default()
        };
        self.resolve(&base)
    }

    /// Takes from `base` what is not written.
    pub(super) fn resolve(self, base: &Garp) -> Garp {
        Garp {
            master_delay: self.master_delay.unwrap_or(base.master_delay),
            master_repeat: self.master_repeat.unwrap_or(base.master_repeat),
            master_refresh: self.master_refresh.unwrap_or(base.master_refresh),
            master_refresh_repeat: self.master_refresh_repeat.unwrap_or(base.master_refresh_repeat),
            lower_prio_delay: self.lower_prio_delay.unwrap_or(base.lower_prio_delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(base.lower_prio_repeat),
            extra_if: self.extra_if.unwrap_or(base.extra_if),
        }
    }
}

/// `[all] <SECS>`; 0, where it is allowed, switches off.
fn extra_if(line: Line<'_>, least: u32, report: &mut Report) -> Option<GarpExtraIf> {
    let first = line.setting(report)?;
    let all = first.text() == "all";
    let Some(word) = line.words().nth(usize::from(all)) else {
        report.add(
            first.at(),
            Reason::OptionWithoutValue {
                option: "all".to_owned(),
            },
        );
        return None;
    };
    if let Some(extra) = line.words().nth(usize::from(all) + 1) {
        let keyword = line.keyword().to_owned();
        report.add(extra.at(), LvsReason::ExtraWord { keyword }.into());
        return None;
    }
    let seconds = word.number(least..=86400, report)?;
    let period = Duration::from_secs(seconds.into());
    Some(GarpExtraIf { all, period })
}
