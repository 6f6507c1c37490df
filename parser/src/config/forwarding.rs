//! `lvs_method` and its kin: how packets reach a real server.

use crate::report::{LvsReason, Report, TunnelError};
use crate::tree::{Line, Word};
use crate::value::number;

/// How the kernel forwards packets to a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// `NAT`: addresses and ports are rewritten both ways. The default.
    #[default]
    Nat,
    /// `DR`: only the link-layer address changes.
    Direct,
    /// `TUN`: inside another packet.
    Tunnel(Tunnel),
}

/// What a tunnelled packet is wrapped in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// IP in IP, the default.
    #[default]
    Ipip,
    /// Generic UDP encapsulation, Linux 5.2 and later.
    Gue {
        /// UDP port of the real server, never 0.
        port: u16,
        /// Checksum of the outer packet.
        checksum: TunnelChecksum,
    },
    /// Generic routing encapsulation, Linux 5.3 and later.
    Gre {
        /// Whether the GRE header has a checksum.
        checksum: bool,
    },
}

/// Checksum of a GUE packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelChecksum {
    /// `nocsum`, the default.
    #[default]
    None,
    /// `csum`.
    Full,
    /// `remcsum`: the inner checksum is left to the receiver.
    Remote,
}

impl Forwarding {
    /// Whether packets are wrapped, so that the real server may be of the other address family.
    pub fn is_tunnel(self) -> bool {
        matches!(self, Self::Tunnel(_))
    }
}

/// Reads `NAT | DR | TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]`. Where the options of a tunnel are not
/// understood, the tunnel stays what it was before.
pub(super) fn read(line: Line<'_>, before: Option<Forwarding>, report: &mut Report) -> Option<Forwarding> {
    let methods = [
        ("NAT", Forwarding::Nat),
        ("DR", Forwarding::Direct),
        ("TUN", Forwarding::Tunnel(Tunnel::Ipip)),
    ];
    let Some(method) = line
        .setting(report)
        .and_then(|word| word.one_of("lvs_method", &methods, report))
    else {
        return before;
    };
    match tunnel(line.words().skip(1)) {
        Ok(tunnel) if method.is_tunnel() => Some(Forwarding::Tunnel(tunnel)),
        Ok(_) => Some(method),
        Err(error) => {
            report.add(line.at(), LvsReason::Tunnel { error }.into());
            before
                .filter(|before| before.is_tunnel() && method.is_tunnel())
                .or(Some(method))
        }
    }
}

fn tunnel<'t>(mut words: impl Iterator<Item = Word<'t>>) -> Result<Tunnel, TunnelError> {
    let mut kind = "ipip";
    let mut port = None;
    let mut checksum = None;
    while let Some(word) = words.next() {
        match word.text() {
            "type" => {
                let word = words.next().ok_or(TunnelError::NoValue("type"))?.text();
                let known = ["ipip", "gue", "gre"].into_iter().find(|kind| *kind == word);
                kind = known.ok_or_else(|| TunnelError::UnknownType(word.to_owned()))?;
            }
            "port" => {
                let word = words.next().ok_or(TunnelError::NoValue("port"))?;
                let (value, reason) = number::integer(word.text(), 1..=u16::MAX);
                let value = value.filter(|_| reason.is_none());
                port = Some(value.ok_or_else(|| TunnelError::BadPort(word.text().to_owned()))?);
            }
            "nocsum" => checksum = Some(TunnelChecksum::None),
            "csum" => checksum = Some(TunnelChecksum::Full),
            "remcsum" => checksum = Some(TunnelChecksum::Remote),
            other => return Err(TunnelError::UnknownOption(other.to_owned())),
        }
    }
    match (kind, port, checksum) {
        ("gue", Some(port), checksum) => Ok(Tunnel::Gue {
            port,
            checksum: checksum.unwrap_or_default(),
        }),
        ("gue", None, _) | (_, Some(_), _) => Err(TunnelError::Port),
        ("gre", None, Some(TunnelChecksum::Remote)) => Err(TunnelError::Checksum("gre")),
        ("gre", None, checksum) => Ok(Tunnel::Gre {
            checksum: checksum == Some(TunnelChecksum::Full),
        }),
        (_, None, None | Some(TunnelChecksum::None)) => Ok(Tunnel::Ipip),
        (_, None, Some(_)) => Err(TunnelError::Checksum("ipip")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reason;
    use crate::tree::Tree;

    const IPIP: Forwarding = Forwarding::Tunnel(Tunnel::Ipip);
    const GRE: Forwarding = Forwarding::Tunnel(Tunnel::Gre { checksum: false });

    fn method(words: &str, before: Option<Forwarding>) -> (Option<Forwarding>, Vec<Reason>) {
        let mut report = Report::default();
        let tree = Tree::read(format!("lvs_method {words}"), &mut report);
        let method = read(tree.lines().next().unwrap(), before, &mut report);
        (
            method,
            report
                .mistakes
                .into_iter()
                .map(|mistake| mistake.reason)
                .collect(),
        )
    }

    #[test]
    fn every_method_and_tunnel_is_read() {
        let gue = |checksum| Forwarding::Tunnel(Tunnel::Gue { port: 5555, checksum });
        for (words, meant) in [
            ("NAT", Forwarding::Nat),
            ("DR", Forwarding::Direct),
            ("TUN", IPIP),
            ("TUN type ipip", IPIP),
            ("TUN nocsum", IPIP),
            ("TUN type gue port 5555", gue(TunnelChecksum::None)),
            ("TUN port 5555 nocsum type gue", gue(TunnelChecksum::None)),
            ("TUN type gue port 5555 csum", gue(TunnelChecksum::Full)),
            ("TUN type gue port 5555 remcsum", gue(TunnelChecksum::Remote)),
            ("TUN type gre", GRE),
            (
                "TUN type gre csum",
                Forwarding::Tunnel(Tunnel::Gre { checksum: true }),
            ),
            ("NAT type gre csum", Forwarding::Nat),
        ] {
            assert_eq!(method(words, None), (Some(meant), vec![]), "{words}");
        }
    }

    #[test]
    fn a_tunnel_that_is_not_understood_stays_what_it_was() {
        for words in [
            "TUN type",
            "TUN type foo",
            "TUN foo",
            "TUN type gue",
            "TUN type gue port",
            "TUN type gue port 0",
            "TUN type gue port 65536",
            "TUN type gue port 5 csum foo",
            "TUN type gre port 5",
            "TUN type gre remcsum",
            "TUN csum",
        ] {
            for (before, after) in [(None, IPIP), (Some(Forwarding::Nat), IPIP), (Some(GRE), GRE)] {
                let (method, reasons) = method(words, before);
                assert_eq!(method, Some(after), "{words}");
                assert!(
                    matches!(&reasons[..], [Reason::Lvs(LvsReason::Tunnel { .. })]),
                    "{words}: {reasons:?}"
                );
            }
        }
        assert!(matches!(
            &method("DR port 5", None),
            (Some(Forwarding::Direct), reasons) if reasons.len() == 1
        ));
    }

    #[test]
    fn an_unknown_method_changes_nothing() {
        for words in ["nat", "FOO"] {
            let (method, reasons) = method(words, Some(Forwarding::Direct));
            assert_eq!(method, Some(Forwarding::Direct));
            assert!(matches!(&reasons[..], [Reason::UnknownOption { .. }]));
        }
        assert!(
            matches!(&method("", None), (None, reasons) if matches!(&reasons[..], [Reason::MissingParameter { .. }]))
        );
    }
}
