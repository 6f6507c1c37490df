//! What results do to real servers and virtual servers: the pool, the weights, the quorum.

use std::net::IpAddr;

use clockwork::Instant;
use parser::config::checker::Probe;
use parser::config::virtual_server::Service as Served;
use parser::config::virtual_server_group::GroupEntry;

use crate::checker::Phase;
use crate::engine::Engine;
use crate::event::{CheckerId, ServerId, ServiceId};
use crate::label;
use crate::news::{Check, Happening, Quorum};
use crate::notice::{Mail, Notice};
use crate::probe::{Reason, Verdict, bfd, file};

impl Engine {
    /// A checker came to a result that is news: is its real server in the pool now?
    pub(crate) fn judge_server(&mut self, id: CheckerId, failure: Option<&Reason>) {
        let server = self.checkers[id.0 as usize].server;
        let body = Check::of(&self.checker_config(id).probe).mail(failure);
        let alive = self.all_up(server);
        let changed = alive != self.servers[server.0 as usize].alive;
        let mail = changed || !self.config.global.no_checker_emails;
        if changed {
            self.set_alive(server, alive, Some(body));
        } else if !alive && !self.servers[server.0 as usize].is_told {
            // keepalived: under alpha the first failure is told too.
            self.notify_server(server, false, Some(body));
        } else if mail {
            self.mail_only(server, body);
        }
    }

    pub(crate) fn all_up(&self, server: ServerId) -> bool {
        let mut checkers = self.servers[server.0 as usize].checkers.iter();
        checkers.all(|id| self.checkers[id.0 as usize].up)
    }

    /// A real server enters or leaves the pool.
    pub(crate) fn set_alive(&mut self, id: ServerId, alive: bool, mail: Option<String>) {
        let server = &mut self.servers[id.0 as usize];
        server.alive = alive;
        let service = server.service;
        let inhibit = self.inhibits(id);
        self.out.reconcile(service);
        let what = if alive {
            Happening::Adding { inhibit }
        } else {
            Happening::Removing { inhibit }
        };
        self.tell_server(id, what);
        self.notify_server(id, alive, mail);
        self.weigh_quorum(service);
        self.end_drains_in_use(service);
    }

    /// A real server that is the sorry server too goes by the sorry server's setting.
    pub(crate) fn inhibits(&self, id: ServerId) -> bool {
        let server = &self.servers[id.0 as usize];
        let service = self.virtual_of(&self.services[server.service.0 as usize]);
        let real = self.real(server);
        let sorry = service.sorry_server.as_ref();
        sorry
            .filter(|sorry| (sorry.address, sorry.port) == (real.address, real.port))
            .map_or(real.inhibit_on_failure, |sorry| sorry.inhibit)
    }

    /// A checker adds something else to the weight of its real server.
    pub(crate) fn contribute(&mut self, id: CheckerId, contribution: i64) {
        let checker = &mut self.checkers[id.0 as usize];
        let before = std::mem::replace(&mut checker.contribution, contribution);
        let server = checker.server;
        let configured = self.real(&self.servers[server.0 as usize]).weight;
        let server = &mut self.servers[server.0 as usize];
        let from = server.weight(configured);
        server.contribution = server
            .contribution
            .saturating_sub(before)
            .saturating_add(contribution);
        let to = server.weight(configured);
        let id = server.id;
        self.on_weight(id, from, to);
    }

    /// The weight of a real server may have changed.
    pub(crate) fn on_weight(&mut self, id: ServerId, from: u32, to: u32) {
        if from == to {
            return;
        }
        let server = &self.servers[id.0 as usize];
        let (service, active) = (server.service, server.alive);
        self.tell_server(id, Happening::WeightChanged { from, to, active });
        if active {
            self.out.reconcile(service);
            self.weigh_quorum(service);
        }
    }

    /// Something that checkers only listen to was told: those that `listens` picks look at it.
    pub(crate) fn on_told(&mut self, listens: impl Fn(&Probe) -> bool) {
        let present = self.checkers.iter().filter(|checker| checker.present);
        let listening: Vec<CheckerId> = present
            .filter(|checker| listens(&self.checker_config(checker.id).probe))
            .map(|checker| checker.id)
            .collect();
        for id in listening {
            self.listen(id);
        }
    }

    /// A checker of a file or session looks at what was last told of it.
    pub(crate) fn listen(&mut self, id: CheckerId) {
        let (verdict, contribution) = match &self.checker_config(id).probe {
            Probe::File(config) => match self.files.get(&config.track_file) {
                Some(number) => file::judge(config, *number),
                None => return,
            },
            Probe::Bfd(config) => match self.sessions.get(&config.name) {
                Some(up) => (bfd::judge(*up), 0),
                None => return,
            },
            _ => return,
        };
        let check = Check::of(&self.checker_config(id).probe);
        let checker = &mut self.checkers[id.0 as usize];
        let server = checker.server;
        let up = verdict == Verdict::Good;
        let changed = std::mem::replace(&mut checker.up, up) != up;
        checker.has_run = true;
        self.contribute(id, contribution);
        if !changed {
            return;
        }
        match verdict {
            Verdict::Good => {
                self.tell_server(server, Happening::Succeeded(check));
                self.judge_server(id, None);
            }
            Verdict::Bad(reason) => {
                let what = Happening::Failed {
                    check,
                    reason: reason.clone(),
                    retries: None,
                };
                self.tell_server(server, what);
                self.judge_server(id, Some(&reason));
            }
        }
    }

    /// The host got or lost an address: `ha_suspend`.
    pub(crate) fn on_address(&mut self, address: IpAddr, present: bool, now: Instant) {
        let changed = if present {
            self.addresses.insert(address)
        } else {
            self.addresses.remove(&address)
        };
        if !changed {
            return;
        }
        for id in self.order.clone() {
            let service = &self.services[id.0 as usize];
            let config = self.virtual_of(service);
            if config.ha_suspend && has_address(&config.service, address) {
                self.suspend_or_resume(id, now);
            }
        }
    }

    /// Whether the checks of a virtual server pause.
    pub(crate) fn is_suspended(&self, service: &Served) -> bool {
        !self
            .addresses
            .iter()
            .any(|address| has_address(service, *address))
    }

    pub(crate) fn suspend_or_resume(&mut self, id: ServiceId, now: Instant) {
        let service = &self.services[id.0 as usize];
        let config = self.virtual_of(service);
        let suspended = config.ha_suspend && self.is_suspended(&config.service);
        if suspended == service.suspended {
            return;
        }
        self.services[id.0 as usize].suspended = suspended;
        for server in self.services[id.0 as usize].servers.clone() {
            for checker in self.servers[server.0 as usize].checkers.clone() {
                let idle = matches!(self.checkers[checker.0 as usize].phase, Phase::Idle);
                if suspended && !idle {
                    self.silence(checker);
                    self.tell_server(server, Happening::Suspending);
                } else if !suspended && idle {
                    self.activate(checker, now);
                    self.tell_server(server, Happening::Activating);
                }
            }
        }
    }

    /// What the real servers in the pool weigh.
    pub(crate) fn living_weight(&self, service: ServiceId) -> u64 {
        let servers = self.services[service.0 as usize].servers.iter();
        let servers = servers.map(|id| &self.servers[id.0 as usize]);
        servers
            .filter(|server| server.alive)
            .map(|server| u64::from(server.weight(self.real(server).weight)))
            .sum()
    }

    pub(crate) fn quorum(&self, id: ServiceId) -> Quorum {
        let config = self.virtual_of(&self.services[id.0 as usize]);
        Quorum {
            quorum: config.quorum,
            hysteresis: config.hysteresis,
            weight: self.living_weight(id),
        }
    }

    /// Weights or the pool changed: is the quorum gained or lost?
    pub(crate) fn weigh_quorum(&mut self, id: ServiceId) {
        if !self.settling {
            self.judge_quorum(id);
        }
    }

    /// At the start: gained, or not there yet. keepalived tells both.
    pub(crate) fn first_quorum(&mut self, id: ServiceId) {
        let quorum = self.quorum(id);
        let up = quorum.is_gained();
        self.services[id.0 as usize].quorum_up = up;
        if up {
            self.tell_service(id, Happening::QuorumGained(quorum));
            let body = format!("=> Starting with quorum up {} <=", quorum.enough());
            self.notify_quorum(id, true, &body);
        } else {
            self.tell_service(id, Happening::StartingDown(quorum));
            self.swap_sorry(id, false);
            let body = format!("=> Starting with quorum down {} <=", quorum.too_little());
            self.notify_quorum(id, false, &body);
        }
    }

    pub(crate) fn judge_quorum(&mut self, id: ServiceId) {
        let quorum = self.quorum(id);
        let service = &mut self.services[id.0 as usize];
        if !service.quorum_up && quorum.is_gained() {
            service.quorum_up = true;
            self.tell_service(id, Happening::QuorumGained(quorum));
            self.swap_sorry(id, true);
            self.notify_quorum(id, true, &format!("=> Gained quorum {} <=", quorum.enough()));
        } else if service.quorum_up && quorum.is_lost() {
            service.quorum_up = false;
            self.tell_service(id, Happening::QuorumLost(quorum));
            self.swap_sorry(id, false);
            self.notify_quorum(id, false, &format!("=> Lost quorum {} <=", quorum.too_little()));
        }
    }

    /// The sorry server comes or goes.
    pub(crate) fn swap_sorry(&mut self, id: ServiceId, quorum_up: bool) {
        let config = self.virtual_of(&self.services[id.0 as usize]);
        let Some(sorry) = &config.sorry_server else { return };
        let inhibit = sorry.inhibit;
        let sorry = label::of_address(config, sorry.address, sorry.port);
        self.out.reconcile(id);
        if quorum_up {
            self.tell_service(id, Happening::SorryRemoved { sorry, inhibit });
            self.tell_service(id, Happening::AliveAdded);
        } else {
            self.tell_service(id, Happening::SorryAdded { sorry, inhibit });
            self.tell_service(id, Happening::AliveRemoved);
        }
        self.end_drains_in_use(id);
    }

    /// The outside is told of a real server.
    pub(crate) fn notify_server(&mut self, id: ServerId, up: bool, mail: Option<String>) {
        self.servers[id.0 as usize].is_told = true;
        let server = &self.servers[id.0 as usize];
        let (service, real) = (server.service, self.real(server));
        let script = if up { real.notify_up() } else { real.notify_down() };
        let notice = Notice {
            service,
            server: Some(id),
            up,
            script: script.cloned(),
            line: Some(format!(
                "RS {} {} {}",
                self.server_label(id),
                self.service_label(service),
                word(up)
            )),
            mail: mail.and_then(|body| self.mail_of(id, up, body)),
        };
        self.out.notify(notice);
    }

    /// A checker's result that changes nothing is worth a mail.
    fn mail_only(&mut self, id: ServerId, body: String) {
        let server = &self.servers[id.0 as usize];
        let (service, up) = (server.service, server.alive);
        if let Some(mail) = self.mail_of(id, up, body) {
            self.out.notify(Notice {
                service,
                server: Some(id),
                up,
                script: None,
                line: None,
                mail: Some(mail),
            });
        }
    }

    fn mail_of(&self, id: ServerId, up: bool, body: String) -> Option<Mail> {
        let server = &self.servers[id.0 as usize];
        self.real(server).smtp_alert.then(|| Mail {
            subject: format!(
                "Realserver {} of virtual server {} - {}",
                self.server_label(id),
                self.service_label(server.service),
                word(up)
            ),
            body,
        })
    }

    /// The outside is told of the quorum.
    pub(crate) fn notify_quorum(&mut self, id: ServiceId, up: bool, body: &str) {
        let config = self.virtual_of(&self.services[id.0 as usize]);
        let script = if up {
            &config.quorum_up
        } else {
            &config.quorum_down
        };
        let label = self.service_label(id);
        let notice = Notice {
            service: id,
            server: None,
            up,
            script: script.clone(),
            line: Some(format!("VS {label} {}", word(up))),
            mail: config.smtp_alert.then(|| Mail {
                subject: format!("Virtualserver {label} - {}", word(up)),
                body: body.to_owned(),
            }),
        };
        self.out.notify(notice);
    }

    /// A virtual server goes, by a reload or because the daemon stops.
    pub(crate) fn withdraw_service(&mut self, id: ServiceId, stopping: bool) {
        for server in self.services[id.0 as usize].servers.clone() {
            self.withdraw_server(server, stopping);
        }
        let service = &self.services[id.0 as usize];
        if self.virtual_of(service).omega && service.quorum_up {
            self.notify_quorum(id, false, leaving(stopping));
        }
    }

    /// A real server goes. At the stop the outside is told with `omega` only, as in keepalived.
    pub(crate) fn withdraw_server(&mut self, id: ServerId, stopping: bool) {
        let server = &self.servers[id.0 as usize];
        let alive = server.alive;
        let omega = self.virtual_of(&self.services[server.service.0 as usize]).omega;
        let inhibited = !alive && self.inhibits(id);
        self.tell_server(id, Happening::Withdrawn { stopping, inhibited });
        if alive && (omega || !stopping) {
            self.notify_server(id, false, Some(leaving(stopping).to_owned()));
        }
    }
}

impl Quorum {
    fn is_gained(self) -> bool {
        self.weight >= u64::from(self.quorum) + u64::from(self.hysteresis)
    }

    fn is_lost(self) -> bool {
        self.weight == 0 || self.weight < u64::from(self.quorum.saturating_sub(self.hysteresis))
    }
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn leaving(stopping: bool) -> &'static str {
    if stopping {
        "=> Shutting down <="
    } else {
        "=> Removing <="
    }
}

/// Whether a virtual server is reached by this address.
fn has_address(service: &Served, address: IpAddr) -> bool {
    match service {
        Served::Address { address: own, .. } => *own == address,
        Served::Fwmark(_) => false,
        Served::Group { group, .. } => group.entries.iter().any(|entry| match entry {
            GroupEntry::Addresses { first, last, .. } => {
                first.is_ipv4() == address.is_ipv4() && (*first..=*last).contains(&address)
            }
            GroupEntry::Fwmark { .. } => false,
        }),
    }
}
