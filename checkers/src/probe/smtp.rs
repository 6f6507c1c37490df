//! `SMTP_CHECK`: the greeting, `HELO`, `QUIT`.
//!
//! A reply of several lines (RFC 5321 4.2) counts as one; keepalived takes `220-` for a failure.

use parser::config::checker::Smtp;

use super::{Reason, Step, Verdict};

/// A reply line without end, or a reply of so many bytes, is none (RFC 5321 4.5.3.1.5: 512 bytes a line).
const LONGEST_LINE: usize = 2048;
const LONGEST_REPLY: usize = 65_536;

/// Where the conversation stands.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    awaited: Awaited,
    /// The line so far.
    line: Vec<u8>,
    /// Bytes of the reply so far.
    length: usize,
}

/// The reply that is to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaited {
    /// 220.
    #[default]
    Greeting,
    /// 250.
    Helo,
    /// Any line at all.
    Quit,
}

impl Talk {
    pub(super) fn received(&mut self, smtp: &Smtp, bytes: &[u8]) -> Step {
        let mut send = Vec::new();
        for byte in bytes {
            self.length += 1;
            if *byte != b'\n' {
                self.line.push(*byte);
            }
            if self.line.len() > LONGEST_LINE || self.length > LONGEST_REPLY {
                return Step::bad(Reason::EndlessReply);
            }
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                match self.on_line(smtp, &line) {
                    Step::Send(bytes) => send = bytes,
                    Step::Wait | Step::Continue => {}
                    done @ Step::Done(_) => return done,
                }
            }
        }
        if send.is_empty() {
            Step::Continue
        } else {
            Step::Send(send)
        }
    }

    fn on_line(&mut self, smtp: &Smtp, line: &[u8]) -> Step {
        let (expected, reason) = match self.awaited {
            Awaited::Greeting => (b"220", Reason::Greeting),
            Awaited::Helo => (b"250", Reason::Helo),
            Awaited::Quit => return Step::Done(Verdict::Good),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.strip_prefix(expected) {
            Some([b'-', ..]) => return Step::Continue,
            Some([] | [b' ', ..]) => {}
            Some(_) | None => return Step::bad(reason),
        }
        self.length = 0;
        if self.awaited == Awaited::Greeting {
            self.awaited = Awaited::Helo;
            Step::Send(format!("HELO {}\r\n", smtp.helo_name).into_bytes())
        } else {
            self.awaited = Awaited::Quit;
            Step::Send(b"QUIT\r\n".to_vec())
        }
    }
}
