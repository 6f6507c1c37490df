//! How long the kernel remembers connections.

use std::time::Duration;

/// Connection timeouts, in whole seconds up to 31 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Of TCP connections. Zero, when set, leaves it as it is; so too below.
    pub tcp: Duration,
    /// Of TCP connections after a FIN.
    pub tcp_fin: Duration,
    /// Of UDP.
    pub udp: Duration,
}
