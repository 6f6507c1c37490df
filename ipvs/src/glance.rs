//! A cheap look at whether the table is as it was.
//!
//! `/proc/net/ip_vs` is the whole table in a few reads, where generic netlink takes a question for each service. It shows
//! keys, schedulers, flags, persistence, forwarding and weights. Thresholds and tunnels it does not show: who must not miss
//! those reads the table now and then all the same.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;

use netlink::namespace;

/// What the table looks like: as long as nobody changes what the kernel lists, two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance(u64);

/// The kernel's list, as one looks at it.
#[derive(Debug)]
pub struct Listing {
    file: File,
    text: Vec<u8>,
}

impl Listing {
    /// Of the calling thread's network namespace. `ENOENT`: the kernel's module is not loaded.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            file: File::open("/proc/thread-self/net/ip_vs")?,
            text: Vec::new(),
        })
    }

    /// Of another one.
    pub fn open_in(namespace: impl AsFd) -> io::Result<Self> {
        namespace::run_in(namespace, Self::open).map_err(io::Error::other)?
    }

    /// Looks at all of it; what waits meanwhile waits. An error says that the module was unloaded since: open it anew.
    pub fn glance(&mut self) -> io::Result<Glance> {
        self.text.clear();
        self.file.rewind()?;
        self.file.read_to_end(&mut self.text)?;
        Ok(of(&self.text))
    }
}

fn of(text: &[u8]) -> Glance {
    let mut hasher = DefaultHasher::new();
    for line in text.split(|byte| *byte == b'\n') {
        hasher.write(without_counts(line));
        hasher.write_u8(b'\n');
    }
    Glance(hasher.finish())
}

/// A destination's line without its numbers of active and inactive connections, which stand last.
fn without_counts(line: &[u8]) -> &[u8] {
    if !line.starts_with(b"  ->") {
        return line;
    }
    let without_last = |line: &[u8]| {
        let end = line.trim_ascii_end();
        end.iter().rposition(|byte| *byte == b' ').unwrap_or_default()
    };
    let line = &line[..without_last(line)];
    line[..without_last(line)].trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A000001:0050 wrr  persistent 5000 FFFFFF00
  -> 7F000001:0050      Route   1      0          0
  -> 0A010101:0050      Masq    3      7          120
";

    #[test]
    fn connections_come_and_go_unseen_and_all_else_is_seen() {
        let now = |from: &str, to: &str| of(TABLE.replace(from, to).as_bytes());
        let before = of(TABLE.as_bytes());
        assert_eq!(now("7          120", "123456     0         "), before);
        for (from, to) in [
            ("Masq    3 ", "Masq    4 "),
            ("Masq ", "Route"),
            ("0A010101", "0A010102"),
            ("wrr", "rr"),
            ("5000", "6000"),
            ("TCP  0A000001:0050", "TCP  0A000001:0051"),
            ("  -> 7F000001:0050      Route   1      0          0\n", ""),
        ] {
            assert_ne!(now(from, to), before, "{from} to {to}");
        }
    }
}
