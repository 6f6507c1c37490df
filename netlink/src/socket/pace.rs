//! How batches are cut into chunks.

use std::time::Duration;

use super::Request;

/// How much of a batch is sent before the runtime gets its turn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests in one send at most. More gain little time; the refusals of more than 200 at once can overflow a receive
    /// buffer of the system's default size.
    pub most: usize,
    /// The time that one send should take; the number of requests is adapted to it. One request cannot be divided: a
    /// slow one (IPv6 multicast joins) takes what it takes.
    pub slice: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            most: 64,
            slice: Duration::from_millis(2),
        }
    }
}

/// Where the chunk that begins at `from` ends: after `size` requests, or later where one holds the next.
pub(super) fn chunk_end<R: Request>(requests: &[R], from: usize, size: usize) -> usize {
    let mut end = requests.len().min(from + size.max(1));
    while end < requests.len() && requests[end - 1].holds(&requests[end]) {
        end += 1;
    }
    end
}

/// How many requests fit the time slice, judging by a chunk of `sent` that took `took`; at most twice as many.
pub(super) fn next_size(pace: Pace, sent: usize, took: Duration) -> usize {
    let fitting = pace.slice.as_nanos().saturating_mul(sent as u128) / took.as_nanos().max(1);
    usize::try_from(fitting)
        .unwrap_or(usize::MAX)
        .min(sent * 2)
        .clamp(1, pace.most.max(1))
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use netlink_packet_core::NetlinkSerializable;

    use super::*;

    const PACE: Pace = Pace {
        most: 200,
        slice: Duration::from_millis(2),
    };

    #[test]
    fn a_slow_kernel_gets_smaller_chunks_and_a_quick_one_larger() {
        assert_eq!(next_size(PACE, 100, Duration::from_millis(20)), 10);
        assert_eq!(next_size(PACE, 50, Duration::from_micros(100)), 100);
        assert_eq!(next_size(PACE, 150, Duration::from_micros(100)), 200);
        assert_eq!(next_size(PACE, 1, Duration::from_secs(1)), 1);
        assert_eq!(next_size(PACE, 1, Duration::ZERO), 2);
    }

    struct Step(u32, bool);

    impl fmt::Display for Step {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "step {}", self.0)
        }
    }

    impl Request for Step {
        fn flags(&self) -> u16 {
            0
        }

        fn message(&self) -> impl NetlinkSerializable {
            netlink_packet_route::RouteNetlinkMessage::GetLink(
                netlink_packet_route::link::LinkMessage::default(),
            )
        }

        fn holds(&self, _next: &Self) -> bool {
            self.1
        }
    }

    #[test]
    fn a_chunk_never_ends_between_requests_that_belong_together() {
        let steps: Vec<_> = [false, true, false, false]
            .into_iter()
            .zip(0..)
            .map(|(h, n)| Step(n, h))
            .collect();
        assert_eq!(chunk_end(&steps, 0, 1), 1);
        assert_eq!(chunk_end(&steps, 0, 2), 3);
        assert_eq!(chunk_end(&steps, 3, 200), 4);
    }
}
