//! Lines to the local syslog daemon: RFC 3164 datagrams on `/dev/log`, as the C library sends them.

use std::io::Write;
use std::path::{Path, PathBuf};

use tracing::Level;

use super::connection::Connection;
use super::courier::Courier;
use crate::cli::Facility;
use crate::log::{Destination, Line, Lost};

pub(super) struct Syslog {
    path: PathBuf,
    facility: Facility,
    way: Way,
}

enum Way {
    /// At once, or not at all.
    Direct(Connection, Lost),
    /// By a thread, which waits for the daemon.
    Carried(Courier),
}

impl Syslog {
    pub(super) fn new(path: &Path, facility: Facility) -> Syslog {
        Syslog {
            path: path.to_owned(),
            facility,
            way: Way::Direct(Connection::hasty(path.to_owned()), Lost::default()),
        }
    }
}

impl Destination for Syslog {
    fn write(&mut self, line: &Line<'_>) {
        let (connection, lost) = match &mut self.way {
            Way::Carried(courier) => return courier.take(self.facility, line),
            Way::Direct(connection, lost) => (connection, lost),
        };
        let mut send = |line: &Line<'_>| {
            let mut datagram = Vec::new();
            write_datagram(&mut datagram, self.facility, line, std::process::id());
            connection.send(&[&datagram]) > 0
        };
        if !send(line) {
            lost.count();
        } else if let Some(lost) = lost.tell() {
            send(&Line {
                level: Level::WARN,
                ..line.instead(&lost)
            });
        }
    }

    fn carry(&mut self) {
        // Where no thread can be had lines go as they went.
        if let Ok(courier) = Courier::start(self.path.clone(), self.facility) {
            self.way = Way::Carried(courier);
        }
    }

    fn finish(&mut self) {
        if let Way::Carried(courier) = &self.way {
            courier.finish();
        }
    }
}

/// Appends a datagram. RFC 3164 4.1: priority, local time, process, message.
pub(super) fn write_datagram(bytes: &mut Vec<u8>, facility: Facility, line: &Line<'_>, pid: u32) {
    let priority = facility.0 * 8 + severity(line.level);
    let (time, ident, message) = (line.time.syslog(), line.ident, line.message);
    // A vector takes all.
    let _ = write!(bytes, "<{priority}>{time} {ident}[{pid}]: {message}");
}

/// keepalived logs nearly everything at `LOG_INFO`, detail too; only what needs an operator is `LOG_ALERT`.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 4,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::log::tests::with_line;

    fn carried(path: &Path) -> Syslog {
        let mut syslog = Syslog::new(path, Facility::DAEMON);
        syslog.carry();
        assert!(matches!(syslog.way, Way::Carried(_)));
        syslog
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 8192];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_line_is_as_the_c_library_sends_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, Facility::from_name("local1").unwrap());
        for (level, priority) in [
            (Level::INFO, 17 * 8 + 6),
            (Level::WARN, 17 * 8 + 4),
            (Level::ERROR, 17 * 8 + 1),
        ] {
            with_line(level, "(VI_1) Entering MASTER STATE", |line| syslog.write(line));
            let line = received(&daemon);
            let rest = line.strip_prefix(&format!("<{priority}>")).unwrap();
            let (time, rest) = rest.split_at("Nov 22 14:45:19".len());
            assert!(
                time.as_bytes()[9] == b':' && time.as_bytes()[12] == b':',
                "{line}"
            );
            assert_eq!(
                rest,
                format!(
                    " Keepalived[{}]: (VI_1) Entering MASTER STATE",
                    std::process::id()
                )
            );
        }
    }

    #[test]
    fn a_restarted_daemon_is_found_again_and_the_loss_is_told() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let mut syslog = Syslog::new(&path, Facility::DAEMON);
        with_line(Level::INFO, "nobody listens", |line| syslog.write(line));
        with_line(Level::INFO, "nobody listens", |line| syslog.write(line));
        for round in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            with_line(Level::INFO, "hello", |line| syslog.write(line));
            assert!(received(&daemon).ends_with(": hello"));
            if round == 0 {
                assert!(received(&daemon).contains(": 2 log messages could not be written"));
            }
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_daemon_that_does_not_read_delays_nobody() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, Facility::DAEMON);
        (0..10_000).for_each(|_| with_line(Level::INFO, "flood", |line| syslog.write(line)));
        assert!(matches!(&syslog.way, Way::Direct(_, lost) if lost.0 > 0));
        while daemon.set_nonblocking(true).is_ok() && daemon.recv(&mut [0; 8192]).is_ok() {}
        with_line(Level::INFO, "after", |line| syslog.write(line));
        assert!(received(&daemon).ends_with(": after"));
        assert!(received(&daemon).contains("log messages could not be written"));
    }

    #[test]
    fn a_burst_reaches_a_slow_reader_line_by_line_and_in_order() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = carried(&path);
        for number in 0..10_000 {
            with_line(Level::INFO, &format!("line {number}"), |line| syslog.write(line));
        }
        let reader = std::thread::spawn(move || {
            (0..10_000).all(|number| received(&daemon).ends_with(&format!("]: line {number}")))
        });
        syslog.finish();
        assert!(reader.join().unwrap());
    }

    #[test]
    fn what_was_lost_while_nobody_listened_is_told_by_the_thread_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let mut syslog = carried(&path);
        for _ in 0..3 {
            with_line(Level::INFO, "nobody listens", |line| syslog.write(line));
        }
        syslog.finish();
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            with_line(Level::INFO, "hello", |line| syslog.write(line));
            assert!(received(&daemon).ends_with(": hello"));
            assert!(received(&daemon).contains("]: 3 log messages could not be written"));
            std::fs::remove_file(&path).unwrap();
            // What is connected to a daemon that is gone is refused, and connects anew.
            drop(daemon);
            for _ in 0..3 {
                with_line(Level::INFO, "nobody listens", |line| syslog.write(line));
            }
            syslog.finish();
        }
    }

    #[test]
    fn the_end_waits_for_nobody_who_stands_still() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = carried(&path);
        let long = "long ".repeat(200);
        (0..10_000).for_each(|_| with_line(Level::INFO, &long, |line| syslog.write(line)));
        syslog.finish();
        drop(daemon);
        syslog.finish();
    }
}
