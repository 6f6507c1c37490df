//! The arithmetic of elections: skew and master down interval, exact to keepalived's microsecond.

use std::time::Duration;

use parser::units::Version;

/// How much later than the best router this one takes over (RFC 3768 6.1, RFC 9568 6.1).
pub(crate) fn skew(version: Version, priority: u8, master_interval: Duration) -> Duration {
    let steps = 256 - u64::from(priority);
    Duration::from_micros(match version {
        // RFC 3768 6.1: ( (256 - Priority) / 256 ) seconds, whatever the interval.
        Version::V2 => steps * 1_000_000 / 256,
        // RFC 9568 6.1: (256 - Priority) * Active_Adver_Interval / 256, in keepalived's integers.
        Version::V3 => {
            let centis = u64::try_from(master_interval.as_millis() / 10).unwrap_or(u64::MAX);
            steps.saturating_mul(centis).saturating_mul(625) / 16
        }
    })
}

/// How long a backup waits for a silent master: `adverts` is `down_timer_adverts`, 3 in the RFCs.
pub(crate) fn master_down(
    version: Version,
    adverts: u8,
    priority: u8,
    master_interval: Duration,
) -> Duration {
    master_interval
        .saturating_mul(adverts.into())
        .saturating_add(skew(version, priority, master_interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of keepalived's dumps.
    #[test]
    fn the_timers_are_keepalived_s() {
        let second = Duration::from_secs(1);
        assert_eq!(
            master_down(Version::V2, 3, 100, second),
            Duration::from_micros(3_609_375)
        );
        assert_eq!(
            master_down(Version::V3, 3, 90, Duration::from_millis(500)),
            Duration::from_micros(1_824_218)
        );
        assert_eq!(skew(Version::V2, 255, second), Duration::from_micros(3906));
        assert_eq!(
            skew(Version::V2, 1, Duration::from_secs(9)),
            Duration::from_micros(996_093)
        );
    }
}
