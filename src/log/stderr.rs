//! Lines to stderr (`-l` in the foreground).
//!
//! stderr belongs to whoever started the daemon and cannot be made non-blocking without changing it for everyone, so it
//! is asked with `poll` whether it takes a line before one is written: a pipe that says yes takes `PIPE_BUF` bytes.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cli::Format;
use crate::log::{Destination, Line, Lost};

/// How long a reader who was quick so far is given, in milliseconds, once, before lines are dropped.
const PATIENCE: u8 = 20;

pub(super) struct Stderr<W = io::Stderr> {
    stream: W,
    format: Format,
    stuck: bool,
    lost: Lost,
}

impl Stderr {
    pub(super) fn new(format: Format) -> Stderr {
        Stderr::on(io::stderr(), format)
    }
}

impl<W: Write + AsFd> Stderr<W> {
    fn on(stream: W, format: Format) -> Stderr<W> {
        Stderr {
            stream,
            format,
            stuck: false,
            lost: Lost::default(),
        }
    }

    fn put(&mut self, line: &Line<'_>) -> bool {
        let whole = line.shown(self.format, line.time.console());
        whole.as_bytes().chunks(PIPE_BUF).all(|part| {
            let patience = if self.stuck {
                PollTimeout::ZERO
            } else {
                PollTimeout::from(PATIENCE)
            };
            self.stuck = !takes_bytes(self.stream.as_fd(), patience);
            !self.stuck && self.stream.write_all(part).is_ok()
        })
    }
}

impl<W: Write + AsFd + Send> Destination for Stderr<W> {
    fn write(&mut self, line: &Line<'_>) {
        if !self.put(line) {
            self.lost.count();
        } else if let Some(lost) = self.lost.tell() {
            self.put(&line.instead(&lost));
        }
    }
}

fn takes_bytes(stream: BorrowedFd<'_>, patience: PollTimeout) -> bool {
    let mut descriptors = [PollFd::new(stream, PollFlags::POLLOUT)];
    let ready = poll(&mut descriptors, patience);
    ready.is_ok()
        && descriptors[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLOUT))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tracing::Level;

    use super::*;
    use crate::log::tests::with_line;

    #[test]
    fn a_line_is_as_keepalived_shows_it() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut stderr = Stderr::on(writer, Format::Text);
        with_line(Level::INFO, "Starting Keepalived", |line| stderr.write(line));
        with_line(Level::INFO, &"long ".repeat(2000), |line| stderr.write(line));
        drop(stderr);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0].split_at("Sun Nov 22 14:45:19 2026".len()).1,
            ": Starting Keepalived"
        );
        assert!(lines[1].ends_with(&"long ".repeat(2000)) && lines.len() == 2);
    }

    #[test]
    fn a_reader_that_stops_reading_delays_nobody() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut stderr = Stderr::on(writer, Format::Text);
        let start = std::time::Instant::now();
        (0..5000).for_each(|_| {
            with_line(
                Level::INFO,
                "a line that nobody reads, of about a hundred bytes with its time",
                |line| stderr.write(line),
            );
        });
        assert!(stderr.lost.0 > 0);
        assert!(
            start.elapsed() < std::time::Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        // The reader comes back: new lines are written again, and the loss is told.
        let mut drained = vec![0; 1 << 20];
        let drained_length = reader.read(&mut drained).unwrap();
        assert!(drained_length > 0);
        with_line(Level::INFO, "after", |line| stderr.write(line));
        drop(stderr);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(": after\n") && rest.contains("log messages could not be written"));
    }
}
