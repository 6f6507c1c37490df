//! What a `virtual_server` is given where it says nothing, and what is mended; each is reported.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::draft::{Draft, Head};
use super::persistence::DEFAULT_TIMEOUT;
use super::{Granularity, Persistence, Protocol, Service, SorryServer, VirtualServer};
use crate::config::checker::{Pool, Surroundings};
use crate::config::forwarding::Forwarding;
use crate::config::pace::Pace;
use crate::config::real_server::{self, Parent, RealServer, Target};
use crate::config::virtual_server_group::{GroupEntry, VirtualServerGroup};
use crate::report::{LvsReason, Report};
use crate::tree::Line;
use crate::units::Family;

/// Gives the defaults and mends what does not fit. A virtual server that cannot work is reported and dropped.
pub(in crate::config) fn resolve<'t>(
    drafts: Vec<Draft<'t>>,
    groups: &[Arc<VirtualServerGroup>],
    surroundings: &Surroundings<'_, 't>,
    report: &mut Report,
) -> Vec<VirtualServer> {
    let groups = groups.iter().map(|group| (group.name.as_str(), group)).collect();
    let mut pool = Pool::default();
    drafts
        .into_iter()
        .filter_map(|draft| draft.resolve(&groups, surroundings, &mut pool, report))
        .collect()
}

/// The groups by name.
type Groups<'a> = HashMap<&'a str, &'a Arc<VirtualServerGroup>>;

impl<'t> Draft<'t> {
    fn resolve(
        mut self,
        groups: &Groups<'_>,
        surroundings: &Surroundings<'_, 't>,
        pool: &mut Pool,
        report: &mut Report,
    ) -> Option<VirtualServer> {
        if self.real_servers.is_empty() {
            report.add(self.block.head.at(), LvsReason::NoRealServer.into());
            return None;
        }
        let family = self.family();
        let service = self.service(groups, family, report)?;
        self.check_one_packet(&service, report);
        let persistence = self.persistence(&service, family, report);
        let scheduler = self.or_default("lvs_sched", self.scheduler, LvsReason::NoScheduler, report);
        self.check_ha_suspend(&service, report);
        let forwarding = self.or_default("lvs_method", self.forwarding, LvsReason::NoMethod, report);
        let sorry_server = self.sorry_server(&service, forwarding, report);
        let pace = match &self.pace {
            Some(draft) => Pace::default().with(draft),
            None => Pace::default(),
        };
        let pace = pool.paces.get(pace);
        let weight = self.weight.unwrap_or(1);
        let real_servers = std::mem::take(&mut self.real_servers);
        let parent = Parent {
            pace: &pace,
            weight,
            inhibit_on_failure: self.inhibit_on_failure,
            alpha: self.alpha,
            virtual_host: self.virtualhost.as_deref(),
            surroundings,
        };
        let real_servers = real_servers_of(real_servers, &service, forwarding, &parent, pool, report);
        let (quorum, hysteresis) = self.quorum(&real_servers, report);
        Some(VirtualServer {
            service,
            family,
            scheduler,
            flags: self.flags,
            one_packet: self.one_packet,
            persistence,
            persistence_engine: self.persistence_engine,
            forwarding,
            weight,
            real_servers,
            sorry_server,
            quorum,
            hysteresis,
            quorum_up: self.quorum_up,
            quorum_down: self.quorum_down,
            drain_timeout: self.drain_timeout.unwrap_or_default(),
            alpha: self.alpha,
            omega: self.omega,
            ha_suspend: self.ha_suspend,
            inhibit_on_failure: self.inhibit_on_failure,
            smtp_alert: self.smtp_alert.or(surroundings.smtp_alert).unwrap_or(false),
            virtualhost: self.virtualhost,
            snmp_name: self.snmp_name,
            pace,
            place: self.block.head.place(),
        })
    }

    /// With tunnels only, and nothing else that says it, the family is that of all servers, else IPv4.
    fn family(&self) -> Family {
        let tunnelled = || {
            let sorry = self.sorry_server.map(|server| server.address);
            let mut addresses = self.real_servers.iter().map(|server| server.address).chain(sorry);
            addresses.all(|address| address.is_ipv6())
        };
        self.family
            .unwrap_or_else(|| if tunnelled() { Family::Ipv6 } else { Family::Ipv4 })
    }

    fn service(&self, groups: &Groups<'_>, family: Family, report: &mut Report) -> Option<Service> {
        match self.head {
            Head::Address(address, port) => {
                let protocol = self.protocol_or_udp(report);
                Some(Service::Address {
                    address,
                    port,
                    protocol,
                })
            }
            Head::Fwmark(mark) => {
                self.refuse_protocol(report);
                Some(Service::Fwmark(mark))
            }
            Head::Group(name) => {
                let group = self.group(name, groups, family, report)?;
                let protocol = if group.is_fwmarks_only() {
                    self.refuse_protocol(report);
                    None
                } else {
                    Some(self.protocol_or_udp(report))
                };
                Some(Service::Group { group, protocol })
            }
        }
    }

    fn group(
        &self,
        name: &str,
        groups: &Groups<'_>,
        family: Family,
        report: &mut Report,
    ) -> Option<Arc<VirtualServerGroup>> {
        let Some(group) = groups.get(name) else {
            let group = name.to_owned();
            report.add(self.block.head.at(), LvsReason::UnknownGroup { group }.into());
            return None;
        };
        let is_other = |entry: &GroupEntry| match *entry {
            GroupEntry::Addresses { first, .. } => Family::of(first) != family,
            GroupEntry::Fwmark { family: of_mark, .. } => of_mark.is_some_and(|of_mark| of_mark != family),
        };
        // Without a server that settles the family, all are tunnelled, and any family will do.
        if self.family.is_some() && group.entries.iter().any(is_other) {
            let group = name.to_owned();
            report.add(
                self.block.head.at(),
                LvsReason::FamilyOfGroup { group, family }.into(),
            );
            return None;
        }
        Some(Arc::clone(group))
    }

    fn protocol_or_udp(&self, report: &mut Report) -> Protocol {
        if self.protocol.is_none() {
            report.add(self.block.head.at(), LvsReason::NoProtocol.into());
        }
        self.protocol.unwrap_or(Protocol::Udp)
    }

    fn refuse_protocol(&self, report: &mut Report) {
        if self.protocol.is_some() {
            report.add(self.line_of("protocol").at(), LvsReason::ProtocolOfFwmark.into());
        }
    }

    fn check_one_packet(&mut self, service: &Service, report: &mut Report) {
        let is_udp = match service {
            Service::Address { protocol, .. } => *protocol == Protocol::Udp,
            Service::Group { protocol, .. } => protocol.is_none_or(|protocol| protocol == Protocol::Udp),
            Service::Fwmark(_) => true,
        };
        if self.one_packet && !is_udp {
            report.add(self.line_of("ops").at(), LvsReason::OpsNeedsUdp.into());
            self.one_packet = false;
        }
    }

    fn check_ha_suspend(&mut self, service: &Service, report: &mut Report) {
        let has_address = match service {
            Service::Address { .. } => true,
            Service::Group { protocol, .. } => protocol.is_some(),
            Service::Fwmark(_) => false,
        };
        if self.ha_suspend && !has_address {
            report.add(
                self.line_of("ha_suspend").at(),
                LvsReason::HaSuspendOfFwmark.into(),
            );
            self.ha_suspend = false;
        }
    }

    /// A granularity switches persistence on, and so does a service of every port.
    fn persistence(&self, service: &Service, family: Family, report: &mut Report) -> Option<Persistence> {
        let every_port = match service {
            Service::Address { port, .. } => *port == 0,
            Service::Group { group, .. } => group
                .entries
                .iter()
                .any(|entry| matches!(entry, GroupEntry::Addresses { port: 0, .. })),
            Service::Fwmark(_) => false,
        };
        let wanted = self
            .persistence_timeout
            .or(self.granularity.map(|_| DEFAULT_TIMEOUT));
        if every_port && wanted.is_none() {
            report.add(self.block.head.at(), LvsReason::PortNeedsPersistence.into());
        }
        let timeout = wanted.or(every_port.then_some(DEFAULT_TIMEOUT))?;
        let granularity = self.granularity.unwrap_or_else(|| Granularity::host(family));
        Some(Persistence { timeout, granularity })
    }

    fn sorry_server(
        &self,
        service: &Service,
        forwarding: Forwarding,
        report: &mut Report,
    ) -> Option<SorryServer> {
        let draft = self.sorry_server?;
        let forwarding = draft.forwarding.unwrap_or(forwarding);
        let target = service.target(draft.port, forwarding, self.line_of("sorry_server"), report);
        Some(SorryServer {
            address: draft.address,
            port: target.port,
            forwarding,
            inhibit: draft.inhibit,
        })
    }

    /// Quorum and hysteresis that can be reached.
    fn quorum(&self, real_servers: &[RealServer], report: &mut Report) -> (u32, u32) {
        let total: u64 = real_servers.iter().map(|server| u64::from(server.weight)).sum();
        // keepalived lowers it to 0 if there is no weight at all, and then has no quorum either.
        let most = u32::try_from(total).unwrap_or(u32::MAX).max(1);
        let mut quorum = self.quorum.unwrap_or(1);
        if u64::from(quorum) > total {
            report.add(
                self.line_of("quorum").at(),
                LvsReason::QuorumTooHigh { quorum, most }.into(),
            );
            quorum = most;
        }
        let mut hysteresis = self.hysteresis.unwrap_or(0);
        if hysteresis >= quorum {
            let most = quorum - 1;
            let line = self.line_of("hysteresis");
            report.add(
                line.at(),
                LvsReason::HysteresisTooHigh { hysteresis, most }.into(),
            );
            hysteresis = most;
        }
        (quorum, hysteresis)
    }

    /// A setting that keepalived misses if it is not there, though it has a default. One that was written but could not
    /// be read counts as not there.
    fn or_default<T: Default>(
        &self,
        keyword: &str,
        setting: Option<T>,
        missing: LvsReason,
        report: &mut Report,
    ) -> T {
        setting.unwrap_or_else(|| {
            report.add(self.line_of(keyword).at(), missing.into());
            T::default()
        })
    }

    fn line_of(&self, keyword: &str) -> Line<'t> {
        self.block.line_of(keyword)
    }
}

impl Service {
    /// Where a server of this service is, given the port that is written for it (0 for none).
    fn target(&self, written: u16, forwarding: Forwarding, line: Line<'_>, report: &mut Report) -> Target {
        let target = |port, check_port| Target {
            port,
            check_port,
            forwarding,
        };
        let warn = |reason: LvsReason, report: &mut Report| report.add(line.at(), reason.into());
        let rewrites = forwarding == Forwarding::Nat;
        match self {
            Self::Address { port, .. } if written == 0 => target(*port, *port),
            Self::Address { .. } if rewrites => target(written, written),
            Self::Address { port, .. } => {
                if written != *port {
                    warn(
                        LvsReason::PortMismatch {
                            got: written,
                            port: *port,
                        },
                        report,
                    );
                }
                target(*port, written)
            }
            _ if rewrites || written == 0 => target(written, written),
            Self::Fwmark(_) => {
                warn(LvsReason::PortOfFwmark { got: written }, report);
                target(0, written)
            }
            Self::Group { group, .. } => {
                let mut ports = group.entries.iter().filter_map(|entry| match entry {
                    GroupEntry::Addresses { port, .. } => Some(*port),
                    GroupEntry::Fwmark { .. } => None,
                });
                if group.is_fwmarks_only() {
                    warn(LvsReason::PortOfFwmark { got: written }, report);
                } else if ports.any(|port| port != written) {
                    let group = group.name.clone();
                    warn(LvsReason::PortMismatchInGroup { got: written, group }, report);
                }
                target(0, written)
            }
        }
    }
}

/// Settles the ports, drops what is there twice, fills in the rest.
fn real_servers_of<'t>(
    drafts: Vec<real_server::Draft<'t>>,
    service: &Service,
    forwarding: Forwarding,
    parent: &Parent<'_, 't>,
    pool: &mut Pool,
    report: &mut Report,
) -> Vec<RealServer> {
    let mut known: HashMap<(IpAddr, u16), u16> = HashMap::with_capacity(drafts.len());
    let mut servers = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let line = draft.block.head;
        let target = service.target(draft.port, draft.forwarding.unwrap_or(forwarding), line, report);
        let (address, port) = (draft.address, target.port);
        if let Some(written) = known.get(&(address, port)) {
            let as_written = *written == draft.port;
            report.add(
                line.at(),
                LvsReason::RealServerAgain {
                    address,
                    port,
                    as_written,
                }
                .into(),
            );
        } else {
            known.insert((address, port), draft.port);
            servers.push(draft.resolve(&target, parent, pool, report));
        }
    }
    servers
}
