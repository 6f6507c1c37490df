//! Lines to the local syslog daemon: RFC 3164 datagrams on `/dev/log`, as the C library sends them.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use tracing::Level;

use crate::cli::Facility;
use crate::log::{Destination, Line, Lost};
use crate::sys;

/// The socket of syslog, connected again whenever the daemon behind it was restarted.
pub(super) struct Syslog {
    path: PathBuf,
    facility: Facility,
    socket: Option<UnixDatagram>,
    lost: Lost,
}

impl Syslog {
    pub(super) fn new(path: &Path, facility: Facility) -> Syslog {
        Syslog {
            path: path.to_owned(),
            facility,
            socket: None,
            lost: Lost::default(),
        }
    }

    /// RFC 3164 4.1: priority, local time, process, message.
    fn datagram(&self, line: &Line<'_>) -> String {
        let priority = self.facility.0 * 8 + severity(line.level);
        let (time, ident, pid) = (sys::local_time(), line.ident, std::process::id());
        format!("<{priority}>{} {ident}[{pid}]: {}", time.syslog(), line.message)
    }

    fn send(&mut self, datagram: &str) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(datagram.as_bytes()) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
                Err(_) => self.socket = None, // the syslog daemon was restarted
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        socket.send(datagram.as_bytes())?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Destination for Syslog {
    fn write(&mut self, line: &Line<'_>) {
        let datagram = self.datagram(line);
        if self.send(&datagram).is_err() {
            self.lost.count();
        } else if let Some(lost) = self.lost.tell() {
            let datagram = self.datagram(&Line {
                level: Level::WARN,
                ..line.instead(&lost)
            });
            let _ = self.send(&datagram);
        }
    }
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
    use super::*;
    use crate::log::tests::with_line;

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
        assert!(syslog.lost.0 > 0);
        while daemon.set_nonblocking(true).is_ok() && daemon.recv(&mut [0; 8192]).is_ok() {}
        with_line(Level::INFO, "after", |line| syslog.write(line));
        assert!(received(&daemon).ends_with(": after"));
        assert!(received(&daemon).contains("log messages could not be written"));
    }
}
