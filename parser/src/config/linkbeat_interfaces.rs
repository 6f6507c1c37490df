//! `linkbeat_interfaces`: links whose state is polled instead of heard from the kernel.

use crate::Place;
use crate::report::Report;
use crate::tree::Line;

/// One line of `linkbeat_interfaces`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkbeatInterface {
    /// The interface; whether it exists is asked on the machine.
    pub interface: String,
    /// How it is asked.
    pub method: LinkbeatMethod,
    /// Where it stands.
    pub place: Place,
}

/// How the state of a link is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkbeatMethod {
    /// The first of the others that the driver answers.
    #[default]
    Auto,
    /// The registers of the transceiver.
    Mii,
    /// The driver.
    Ethtool,
    /// The flags of the interface.
    Ioctl,
}

const METHODS: &[(&str, LinkbeatMethod)] = &[
    ("MII", LinkbeatMethod::Mii),
    ("ETHTOOL", LinkbeatMethod::Ethtool),
    ("IOCTL", LinkbeatMethod::Ioctl),
];

/// Reads `IFNAME [MII|ETHTOOL|IOCTL]`. Anything else after the name is reported and passed over.
pub(super) fn line(line: Line<'_>, report: &mut Report) -> Option<LinkbeatInterface> {
    line.no_block(report);
    let interface = line.keyword_word().interface(report)?;
    let mut words = line.words();
    let mut method = LinkbeatMethod::Auto;
    if let Some(word) = words.next() {
        match METHODS.iter().find(|(name, _)| *name == word.text()) {
            Some(&(_, found)) => method = found,
            None => report.unknown_option(word, "a polled interface", &["MII", "ETHTOOL", "IOCTL"]),
        }
    }
    if let Some(extra) = words.next() {
        report.unknown_option(extra, "a polled interface", &[]);
    }
    Some(LinkbeatInterface {
        interface,
        method,
        place: line.place(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn read(text: &str) -> (Option<LinkbeatMethod>, usize) {
        let mut report = Report::default();
        let tree = Tree::read(format!("linkbeat_interfaces {{\n{text}\n}}\n"), &mut report);
        let block = tree.lines().next().unwrap();
        let found = block.list(&mut report).next().and_then(|l| line(l, &mut report));
        (found.map(|found| found.method), report.mistakes.len())
    }

    #[test]
    fn a_method_may_follow_the_interface() {
        for (text, method, mistakes) in [
            ("eth0", Some(LinkbeatMethod::Auto), 0),
            ("eth0 MII", Some(LinkbeatMethod::Mii), 0),
            ("eth0 ETHTOOL", Some(LinkbeatMethod::Ethtool), 0),
            ("eth0 IOCTL", Some(LinkbeatMethod::Ioctl), 0),
            ("eth0 mii", Some(LinkbeatMethod::Auto), 1),
            ("eth0 MII ETHTOOL", Some(LinkbeatMethod::Mii), 1),
            ("an_interface_name", None, 1),
        ] {
            assert_eq!(read(text), (method, mistakes), "{text}");
        }
    }
}
