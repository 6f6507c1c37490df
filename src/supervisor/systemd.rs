//! What systemd wants to know (`sd_notify(3)`): datagrams to the socket that `NOTIFY_SOCKET` names, if it does.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";
const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";

/// The environment variables of `sd_notify(3)` and `sd_watchdog_enabled(3)`; a child process must not have them.
pub(super) const VARIABLES: [&str; 3] = [SOCKET_VARIABLE, WATCHDOG_VARIABLE, "WATCHDOG_PID"];

/// How soon it is seen that all is well again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The way to systemd, or to nowhere.
pub(super) struct Systemd {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
}

/// `WatchdogSec=` of the unit: systemd restarts what has not been heard for that long.
struct Watchdog {
    interval: Duration,
    feed_at: Instant,
}

impl Watchdog {
    /// Three signs of life in the time that systemd grants, which `sd_watchdog_enabled(3)` gives in microseconds.
    fn granted(microseconds: &str) -> Option<Self> {
        let granted = Duration::from_micros(microseconds.parse().ok().filter(|granted| *granted > 0)?);
        Some(Self {
            interval: granted / 3,
            feed_at: Instant::now(),
        })
    }
}

impl Systemd {
    /// Connects to the socket named in the environment.
    pub(super) fn from_environment() -> Systemd {
        let name = std::env::var_os(SOCKET_VARIABLE).filter(|name| !name.is_empty());
        let socket = name.and_then(|name| match connect(name.as_bytes()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!("Unable to reach systemd at {}: {error}", name.display());
                None
            }
        });
        let watchdog = std::env::var(WATCHDOG_VARIABLE)
            .ok()
            .and_then(|granted| Watchdog::granted(&granted));
        Systemd { socket, watchdog }
    }

    /// When [`Systemd::feed`] is due next.
    pub(super) fn feed_at(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.feed_at)
    }

    /// Shows systemd's watchdog a sign of life if one is due and all is `well`.
    pub(super) fn feed(&mut self, well: bool, now: Instant) {
        let Some(watchdog) = self.watchdog.as_mut().filter(|watchdog| watchdog.feed_at <= now) else {
            return;
        };
        if well {
            watchdog.feed_at = now + watchdog.interval;
            self.send("WATCHDOG=1");
        } else {
            watchdog.feed_at = now + watchdog.interval.min(LOOK_AGAIN);
        }
    }

    /// The configuration is in force; also after a reload.
    pub(super) fn ready(&self) {
        self.send(&format!("READY=1\nMAINPID={}", std::process::id()));
    }

    /// A reload has begun.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map(std::time::Duration::from)
            .unwrap_or_default();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// The daemon stops.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The daemon ends for this reason, an `errno` number.
    pub(super) fn failed(&self, errno: i32) {
        self.send(&format!("ERRNO={errno}"));
    }

    fn send(&self, state: &str) {
        // systemd being busy or gone must not disturb the work.
        let _ = self.socket.as_ref().map(|socket| socket.send(state.as_bytes()));
    }
}

fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(systemd: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = systemd.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn states_arrive_as_datagrams_at_a_path_or_an_abstract_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        let name = format!("holdfast-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        for (systemd, name) in [
            (
                UnixDatagram::bind(&path).unwrap(),
                path.to_str().unwrap().to_owned(),
            ),
            (
                UnixDatagram::bind_addr(&abstract_address).unwrap(),
                format!("@{name}"),
            ),
        ] {
            let mut holdfast = Systemd {
                socket: Some(connect(name.as_bytes()).unwrap()),
                watchdog: Watchdog::granted("3000000"),
            };
            holdfast.ready();
            assert_eq!(told(&systemd), format!("READY=1\nMAINPID={}", std::process::id()));
            holdfast.reloading();
            let reloading = told(&systemd);
            let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(time.parse::<u64>().unwrap() > 0);
            holdfast.stopping();
            assert_eq!(told(&systemd), "STOPPING=1");
            holdfast.failed(1);
            assert_eq!(told(&systemd), "ERRNO=1");

            let now = Instant::now();
            holdfast.feed(true, now);
            assert_eq!(told(&systemd), "WATCHDOG=1");
            assert_eq!(holdfast.feed_at(), Some(now + Duration::from_secs(1)));
            holdfast.feed(true, now); // not due
            let stuck = now + Duration::from_secs(1);
            holdfast.feed(false, stuck); // a process is stuck
            holdfast.stopping();
            assert_eq!(told(&systemd), "STOPPING=1");
            assert_eq!(holdfast.feed_at(), Some(stuck + LOOK_AGAIN));
            holdfast.feed(true, stuck + LOOK_AGAIN);
            assert_eq!(told(&systemd), "WATCHDOG=1");
        }
    }
}
