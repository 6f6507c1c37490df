//! Metrics of a route (`RTA_METRICS`): what TCP and IP are told of the way.

use std::collections::BTreeMap;

use crate::attribute::Raw;
use crate::socket::frame::{attributes, number, text};

/// `RTAX_*` (`include/uapi/linux/rtnetlink.h`).
pub mod kinds {
    /// Path MTU, bytes.
    pub const MTU: u16 = 2;
    /// Largest window to advertise, bytes.
    pub const WINDOW: u16 = 3;
    /// First estimate of the round trip time, in eighths of a millisecond.
    pub const RTT: u16 = 4;
    /// Its variance, in quarters of a millisecond.
    pub const RTTVAR: u16 = 5;
    /// Slow start threshold, segments.
    pub const SSTHRESH: u16 = 6;
    /// Clamp of the congestion window, segments.
    pub const CWND: u16 = 7;
    /// Largest segment to advertise, bytes.
    pub const ADVMSS: u16 = 8;
    /// Reordering to expect, segments.
    pub const REORDERING: u16 = 9;
    /// Hop limit of what is sent.
    pub const HOPLIMIT: u16 = 10;
    /// First congestion window, segments.
    pub const INITCWND: u16 = 11;
    /// Bits of features: 1 is explicit congestion notification.
    pub const FEATURES: u16 = 12;
    /// Least retransmission time, milliseconds.
    pub const RTO_MIN: u16 = 13;
    /// First receive window, segments.
    pub const INITRWND: u16 = 14;
    /// Acknowledge at once.
    pub const QUICKACK: u16 = 15;
    /// Congestion control algorithm: a name, see [`super::Metrics::congestion_control`].
    pub const CC_ALGO: u16 = 16;
    /// TCP fast open without a cookie.
    pub const FASTOPEN_NO_COOKIE: u16 = 17;
}

/// `RTAX_LOCK`: bits of the metrics that the kernel may not change.
const LOCK: u16 = 1;

/// Metrics of a route, as the kernel keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metrics {
    /// [`kinds`] with their values, none of them 0: the kernel takes that for "not set".
    pub(super) values: BTreeMap<u16, u32>,
    /// Bits `1 << kind` of those that the kernel may not change by what it learns.
    pub locked: u32,
    /// Name of the TCP congestion control algorithm.
    pub congestion_control: Option<String>,
}

impl Metrics {
    /// Sets a metric of [`kinds`], within the bounds that the kernel draws (`ip_metrics_convert`).
    pub fn set(&mut self, kind: u16, value: u32) {
        let value = match kind {
            kinds::ADVMSS => value.min(65_535 - 40),
            kinds::MTU => value.min(65_535 - 15),
            kinds::HOPLIMIT => value.min(255),
            _ => value,
        };
        if value == 0 {
            self.values.remove(&kind);
        } else {
            self.values.insert(kind, value);
        }
    }

    /// Forbids the kernel to change a metric of [`kinds`].
    pub fn lock(&mut self, kind: u16) {
        self.locked |= 1 << kind;
    }

    /// What a metric of [`kinds`] is set to.
    pub fn get(&self, kind: u16) -> Option<u32> {
        self.values.get(&kind).copied()
    }

    /// Whether the kernel is told nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn write(&self, raw: &mut Raw) {
        if self.locked != 0 {
            raw.number(LOCK, self.locked);
        }
        for (kind, value) in &self.values {
            raw.number(*kind, *value);
        }
        if let Some(name) = &self.congestion_control {
            raw.text(kinds::CC_ALGO, name);
        }
    }

    pub(super) fn read(value: &[u8]) -> Self {
        let mut metrics = Self::default();
        for attribute in attributes(value) {
            match (attribute.kind(), number(attribute.value())) {
                (LOCK, Some(bits)) => metrics.locked = bits,
                (kinds::CC_ALGO, _) => metrics.congestion_control = text(attribute.value()),
                (kind, Some(value)) => metrics.set(kind, value),
                (_, None) => {}
            }
        }
        metrics
    }
}
