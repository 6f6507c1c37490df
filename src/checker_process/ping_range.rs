//! `net.ipv4.ping_group_range`: which groups may open the datagram sockets of `PING_CHECK`. Ours is let in, and what was
//! there is put back at the end. It counts for IPv6 too.

use std::{fs, io};

use nix::unistd::getegid;
use tracing::warn;

const SETTING: &str = "/proc/sys/net/ipv4/ping_group_range";

/// The setting, and what it was before.
pub(super) struct PingRange {
    /// `None` while it is as we found it.
    pub(super) original: Option<String>,
}

impl PingRange {
    /// Lets our group in if it is not.
    pub(super) fn widen(&mut self) {
        let own = getegid().as_raw();
        let widened = fs::read_to_string(SETTING).and_then(|found| {
            let found = found.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            let Some(wider) = wider(&found, own)? else {
                return Ok(());
            };
            fs::write(SETTING, wider)?;
            self.original.get_or_insert(found);
            Ok(())
        });
        if let Err(error) = widened {
            warn!("Unable to let PING_CHECK open its sockets ({SETTING}): {error}");
        }
    }

    /// Puts back what was there.
    pub(super) fn restore(&mut self) {
        if let Some(original) = self.original.take()
            && let Err(error) = fs::write(SETTING, &original)
        {
            warn!("Unable to set {SETTING} to {original} again: {error}");
        }
    }
}

/// The range with `own` in it; `None` if it is in already.
fn wider(range: &str, own: u32) -> io::Result<Option<String>> {
    let numbers: Vec<u32> = range.split(' ').map_while(|word| word.parse().ok()).collect();
    match *numbers {
        // "1 0": nobody.
        [lowest, highest] if lowest > highest => Ok(Some(format!("{own} {own}"))),
        [lowest, highest] if (lowest..=highest).contains(&own) => Ok(None),
        [lowest, highest] => Ok(Some(format!("{} {}", lowest.min(own), highest.max(own)))),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it holds `{range}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_let_in_and_nobody_else_who_need_not_be() {
        for (range, wide) in [
            ("1 0", Some("0 0")),
            ("0 0", None),
            ("0 2147483647", None),
            ("100 200", Some("0 200")),
        ] {
            assert_eq!(wider(range, 0).unwrap().as_deref(), wide);
        }
        assert_eq!(wider("1 0", 7).unwrap().as_deref(), Some("7 7"));
        assert!(wider("", 0).is_err());
    }
}
