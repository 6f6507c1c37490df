//! What the engine has to say, as values; their `Display` is the log line, worded as keepalived words it where it has
//! words for it.

use std::fmt;
use std::time::Duration;

use parser::config::checker::Probe;

use crate::event::Failure;
use crate::probe::Reason;

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The virtual server, as `[10.0.0.1]:tcp:80`; empty where the whole configuration is meant.
    pub service: String,
    /// The real server, as `[10.0.0.2]:tcp:80`; empty where the virtual server is meant.
    pub server: String,
    /// What happened.
    pub what: Happening,
}

/// What can happen that is worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Checker: runs from now on.
    Activating,
    /// Checker: does not run at the start, the host does not have the virtual address.
    Deactivating,
    /// Checker: pauses, the host lost the virtual address.
    Suspending,
    /// Checker: came up, or was up from the start and now has proved it.
    Succeeded(Check),
    /// Checker: went down.
    Failed {
        /// Which.
        check: Check,
        /// Why.
        reason: Reason,
        /// So many failures were endured before; `None` in the first run.
        retries: Option<u32>,
    },
    /// Checker: failed, and that is endured (`log_all_failures`).
    Endured {
        /// Which.
        check: Check,
        /// Why.
        reason: Reason,
        /// How often it has failed in a row.
        failures: u32,
        /// `retry`; 0 while it is down anyway.
        retry: u32,
    },
    /// Checker: could not even try.
    PutOff {
        /// Which.
        check: Check,
        /// Why.
        failure: Failure,
    },
    /// Checker: a page is longer or shorter than its head says.
    LengthMismatch {
        /// `path` of the url.
        path: String,
        /// `Content-Length`.
        said: u64,
        /// Bytes that came.
        received: u64,
    },
    /// Checker: one url is good again, while others have to prove it.
    PageGood {
        /// `path` of the url.
        path: String,
        /// What was looked at last: the status, the digest, the expression.
        by: &'static str,
    },
    /// Real server: enters the pool.
    Adding {
        /// By getting its weight back.
        inhibit: bool,
    },
    /// Real server: leaves the pool.
    Removing {
        /// By losing its weight.
        inhibit: bool,
    },
    /// Real server: is gone.
    Withdrawn {
        /// Because the daemon stops, not by a reload.
        stopping: bool,
        /// It was not in the pool, but in the table without weight.
        inhibited: bool,
    },
    /// Real server: is gone from the configuration, and keeps its connections for a while.
    Draining {
        /// So long at most.
        limit: Duration,
    },
    /// Real server: drains no more.
    Drained(DrainEnd),
    /// Real server: weighs something else.
    WeightChanged {
        /// Before.
        from: u32,
        /// After.
        to: u32,
        /// It is in the pool.
        active: bool,
    },
    /// Virtual server: enough weight is there again.
    QuorumGained(Quorum),
    /// Virtual server: not enough weight is left.
    QuorumLost(Quorum),
    /// Virtual server: not enough weight is there at the start.
    StartingDown(Quorum),
    /// Virtual server: its sorry server is used from now on.
    SorryAdded {
        /// The sorry server.
        sorry: String,
        /// By getting its weight.
        inhibit: bool,
    },
    /// Virtual server: its sorry server is used no more.
    SorryRemoved {
        /// The sorry server.
        sorry: String,
        /// By losing its weight.
        inhibit: bool,
    },
    /// Virtual server: its real servers are used again.
    AliveAdded,
    /// Virtual server: its real servers make way for the sorry server.
    AliveRemoved,
    /// Virtual server: is configured no more.
    ServiceRemoved,
    /// Virtual server: its group names more addresses than can be served.
    TooManyAddresses {
        /// So many are served.
        served: usize,
    },
    /// Configuration: an expression that cannot be compiled; the url is checked without it.
    PatternRefused {
        /// The expression.
        pattern: String,
        /// Why.
        error: String,
    },
}

/// Why a real server drains no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainEnd {
    /// It has no connection.
    Empty,
    /// `drain_timeout` has passed.
    TimedOut {
        /// So many it has, if that is known.
        connections: Option<u32>,
    },
    /// The kernel does not have it.
    Gone,
    /// It is a destination again.
    InUse,
}

/// Which checker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the checker block of its name")]
pub enum Check {
    Tcp,
    Http,
    Ssl,
    Smtp,
    Dns,
    Udp,
    Ping,
    /// With its program.
    Misc(String),
    /// With its session.
    Bfd(String),
    /// With its `track_file`.
    File(String),
}

/// Weights at a change of quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// `quorum`.
    pub quorum: u32,
    /// `hysteresis`.
    pub hysteresis: u32,
    /// What the living real servers weigh.
    pub weight: u64,
}

impl Check {
    /// The name of a probe.
    pub(crate) fn of(probe: &Probe) -> Self {
        match probe {
            Probe::Tcp(_) => Self::Tcp,
            Probe::Http(http) if http.tls.is_some() => Self::Ssl,
            Probe::Http(_) => Self::Http,
            Probe::Smtp(_) => Self::Smtp,
            Probe::Dns(_) => Self::Dns,
            Probe::Udp(_) => Self::Udp,
            Probe::Ping(_) => Self::Ping,
            Probe::Misc(misc) => Self::Misc(misc.script.words.first().cloned().unwrap_or_default()),
            Probe::Bfd(bfd) => Self::Bfd(bfd.name.to_string()),
            Probe::File(file) => Self::File(file.track_file.to_string()),
        }
    }

    /// The body of the mail about a result.
    pub(crate) fn mail(&self, failure: Option<&Reason>) -> String {
        let good = failure.is_none();
        let result = if good { "succeed" } else { "failed" };
        match self {
            Self::Tcp => format!("=> TCP CHECK {result} on service <="),
            Self::Udp => format!("=> UDP CHECK {result} on service <="),
            Self::Ping => format!("=> ICMP CHECK {result} on service <="),
            Self::Dns => format!("=> DNS_CHECK: {result} on service <="),
            Self::Http | Self::Ssl | Self::Smtp if good => "=> CHECK succeed on service <=".to_owned(),
            Self::Http => "=> CHECK failed on service : HTTP request failed <=".to_owned(),
            Self::Ssl => "=> CHECK failed on service : SSL request failed <=".to_owned(),
            Self::Smtp => {
                let reason = failure.map(ToString::to_string).unwrap_or_default();
                format!("=> CHECK failed on service : {reason} <=")
            }
            Self::Misc(_) => {
                let result = match failure {
                    None => "succeeded",
                    Some(Reason::Script(clockwork::ScriptOutcome::TimedOut)) => "timed out",
                    Some(_) => "failed",
                };
                format!("=> MISC CHECK {result} on service <=")
            }
            Self::Bfd(name) => {
                let result = if good { "succeeded" } else { "failed" };
                format!("=> BFD CHECK {name} {result} on service <=")
            }
            Self::File(name) => {
                let result = if good { "succeeded" } else { "failed" };
                format!("=> FILE CHECK {name} {result} on service <=")
            }
        }
    }
}

impl Quorum {
    /// `Q+H=T <= W`.
    pub(crate) fn enough(self) -> String {
        let total = u64::from(self.quorum) + u64::from(self.hysteresis);
        format!("{}+{}={total} <= {}", self.quorum, self.hysteresis, self.weight)
    }

    /// `Q-H=T > W`.
    pub(crate) fn too_little(self) -> String {
        let total = self.quorum.saturating_sub(self.hysteresis);
        format!("{}-{}={total} > {}", self.quorum, self.hysteresis, self.weight)
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vs, rs) = (&self.service, &self.server);
        match &self.what {
            Happening::Activating => write!(f, "Activating healthchecker for service {rs} for VS {vs}"),
            Happening::Deactivating => write!(f, "Deactivating healthchecker for service {rs} for VS {vs}"),
            Happening::Suspending => write!(f, "Suspending healthchecker for service {rs} for VS {vs}"),
            Happening::Succeeded(check) => self.write_success(f, check),
            Happening::Failed {
                check,
                reason,
                retries,
            } => self.write_failure(f, check, reason, *retries),
            Happening::Endured {
                check,
                reason,
                failures,
                retry,
            } => self.write_endured(f, check, reason, *failures, *retry),
            Happening::PutOff { check, failure } => {
                let what = match failure {
                    Failure::Bind(_) => "socket bind failed",
                    Failure::NoSocket(_) | Failure::Network(_) | Failure::Tls(_) => {
                        "connect fail to create socket"
                    }
                };
                write!(f, "{} {what}. Rescheduling. ({rs}: {failure})", protocol(check))
            }
            Happening::LengthMismatch { path, said, received } => write!(
                f,
                "http_check for RS {rs} VS {vs} url {path}: content_length ({said}) does not match received bytes \
                 ({received})"
            ),
            Happening::PageGood { path, by } => write!(f, "{by} success to {rs} url({path})"),
            Happening::Adding { inhibit: false } => write!(f, "Adding service {rs} to VS {vs}"),
            Happening::Adding { inhibit: true } => write!(f, "Enabling service {rs} of VS {vs}"),
            Happening::Removing { inhibit: false } => write!(f, "Removing service {rs} from VS {vs}"),
            Happening::Removing { inhibit: true } => write!(f, "Disabling service {rs} of VS {vs}"),
            Happening::Withdrawn { stopping, inhibited } => {
                let verb = if *stopping { "Shutting down" } else { "Removing" };
                let inhibited = if *inhibited { "(inhibited) " } else { "" };
                write!(f, "{verb} {inhibited}service {rs} from VS {vs}")
            }
            Happening::Draining { limit } => write!(
                f,
                "Draining service {rs} of VS {vs}: it gets no new connections and goes when it has none left, after {} s at \
                 the latest",
                limit.as_secs()
            ),
            Happening::Drained(end) => write!(f, "Draining of service {rs} of VS {vs} has ended: {end}"),
            Happening::WeightChanged { from, to, active } => {
                let active = if *active { "active" } else { "inactive" };
                write!(
                    f,
                    "Changing weight from {from} to {to} for {active} service {rs} of VS {vs}"
                )
            }
            Happening::QuorumGained(quorum) => write!(f, "Gained quorum {} for VS {vs}", quorum.enough()),
            Happening::QuorumLost(quorum) => write!(f, "Lost quorum {} for VS {vs}", quorum.too_little()),
            Happening::StartingDown(quorum) => {
                write!(f, "Starting with quorum down {} for VS {vs}", quorum.too_little())
            }
            Happening::SorryAdded { sorry, inhibit } => {
                let verb = if *inhibit { "Enabling" } else { "Adding" };
                write!(f, "{verb} sorry server {sorry} to VS {vs}")
            }
            Happening::SorryRemoved { sorry, inhibit } => {
                let verb = if *inhibit { "Disabling" } else { "Removing" };
                write!(f, "{verb} sorry server {sorry} from VS {vs}")
            }
            Happening::AliveAdded => write!(f, "Adding alive servers to the pool for VS {vs}"),
            Happening::AliveRemoved => write!(f, "Removing alive servers from the pool for VS {vs}"),
            Happening::ServiceRemoved => write!(f, "Removing Virtual Server {vs}"),
            Happening::TooManyAddresses { served } => write!(
                f,
                "{vs}: the group names more addresses than can be served, the first {served} are"
            ),
            Happening::PatternRefused { pattern, error } => {
                write!(
                    f,
                    "Invalid regex: '{pattern}': {error}; the url is checked without it"
                )
            }
        }
    }
}

impl fmt::Display for DrainEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no connection is left"),
            Self::TimedOut {
                connections: None | Some(0),
            } => f.write_str("its time is over"),
            Self::TimedOut { connections: Some(1) } => {
                f.write_str("its time is over, 1 connection is cut off")
            }
            Self::TimedOut {
                connections: Some(count),
            } => write!(f, "its time is over, {count} connections are cut off"),
            Self::Gone => f.write_str("the kernel does not have it any more"),
            Self::InUse => f.write_str("it is in use again"),
        }
    }
}

impl News {
    fn write_success(&self, f: &mut fmt::Formatter<'_>, check: &Check) -> fmt::Result {
        let rs = &self.server;
        match check {
            Check::Tcp => write!(f, "TCP connection to {rs} success."),
            Check::Http | Check::Ssl => write!(f, "Remote Web server {rs} succeed on service."),
            Check::Smtp => write!(f, "Remote SMTP server {rs} succeed on service."),
            Check::Dns => write!(f, "DNS_CHECK ({rs}) succeeded"),
            Check::Udp => write!(f, "UDP connection to {rs} success."),
            Check::Ping => write!(f, "ICMP connection to {rs} success."),
            Check::Misc(path) => {
                write!(
                    f,
                    "Misc check for [{rs} VS {}] by [{path}] succeeded.",
                    self.service
                )
            }
            Check::Bfd(name) => write!(f, "BFD check of [{name}] RS({rs}) is UP"),
            Check::File(name) => write!(f, "File check of [{name}] RS({rs}) is UP"),
        }
    }

    fn write_failure(
        &self,
        f: &mut fmt::Formatter<'_>,
        check: &Check,
        reason: &Reason,
        retries: Option<u32>,
    ) -> fmt::Result {
        let (vs, rs) = (&self.service, &self.server);
        let after = retries
            .filter(|retries| *retries > 0)
            .map(|retries| format!(" after {retries} retries"))
            .unwrap_or_default();
        match check {
            Check::Tcp => write!(f, "TCP_CHECK on service {rs} failed{after}. ({reason})"),
            Check::Http => write!(f, "HTTP_CHECK on service {rs} failed{after}. ({reason})"),
            Check::Ssl => write!(f, "SSL_CHECK on service {rs} failed{after}. ({reason})"),
            Check::Udp => write!(f, "UDP_CHECK on service {rs} failed{after}. ({reason})"),
            Check::Ping if after.is_empty() => write!(f, "ICMP CHECK on service {rs} failed. ({reason})"),
            Check::Ping => write!(f, "ICMP CHECK on service {rs} of {vs} failed{after}. ({reason})"),
            Check::Smtp => write!(f, "SMTP_CHECK {reason} from server {rs}{after}"),
            Check::Dns => write!(f, "DNS_CHECK ({rs}) {reason}{after}"),
            Check::Misc(path) => {
                let disabled = if retries == Some(0) {
                    " with retry disabled"
                } else {
                    ""
                };
                write!(
                    f,
                    "Misc check for [{rs} VS {vs}] by [{path}] {}.",
                    misc(reason, &format!("{disabled}{after}"))
                )
            }
            Check::Bfd(name) => write!(f, "BFD check of [{name}] RS({rs}) is DOWN"),
            Check::File(name) => write!(f, "File check of [{name}] RS({rs}) is DOWN ({reason})"),
        }
    }

    fn write_endured(
        &self,
        f: &mut fmt::Formatter<'_>,
        check: &Check,
        reason: &Reason,
        failures: u32,
        retry: u32,
    ) -> fmt::Result {
        let (vs, rs) = (&self.service, &self.server);
        match (check, reason) {
            (Check::Tcp, Reason::ConnectTimeout) => write!(f, "TCP connection to {rs} timeout."),
            (Check::Tcp, _) => write!(f, "TCP connection to {rs} failed. ({reason})"),
            (Check::Udp, _) => write!(f, "UDP connection to {rs} failed. ({reason})"),
            (Check::Ping, _) => write!(f, "ICMP connection to {rs} failed. ({reason})"),
            (Check::Misc(path), _) => {
                let which = match failures {
                    _ if retry == 0 => String::new(),
                    1 => format!(", will do {retry} retries"),
                    more => format!(" on retry {}/{retry}", more - 1),
                };
                write!(
                    f,
                    "Misc check for [{rs} VS {vs}] by [{path}] {}.",
                    misc(reason, &which)
                )
            }
            (Check::Dns, _) => write!(f, "DNS_CHECK ({rs}) {reason}"),
            (Check::Smtp, _) => write!(f, "SMTP_CHECK {reason} from server {rs}"),
            (Check::Http | Check::Ssl, Reason::Status(_)) => {
                write!(f, "HTTP status code error to server {rs}. ({reason})")
            }
            (Check::Http | Check::Ssl, Reason::Digest(_)) => {
                write!(f, "MD5 digest error to server {rs}. ({reason})")
            }
            (Check::Http | Check::Ssl, _) => write!(f, "Check of server {rs} failed: {reason}"),
            (Check::Bfd(name) | Check::File(name), _) => {
                write!(f, "Check of [{name}] RS({rs}) failed: {reason}")
            }
        }
    }
}

/// `failed after 3 retries (exited with status 1)`, `timed out after 3 retries`.
fn misc(reason: &Reason, middle: &str) -> String {
    match reason {
        Reason::Script(clockwork::ScriptOutcome::TimedOut) => format!("timed out{middle}"),
        _ => format!("failed{middle} ({reason})"),
    }
}

fn protocol(check: &Check) -> &'static str {
    match check {
        Check::Tcp => "TCP",
        Check::Http | Check::Ssl => "WEB",
        Check::Smtp => "SMTP_CHECK",
        Check::Dns => "DNS_CHECK",
        Check::Udp => "UDP",
        Check::Ping => "ICMP",
        Check::Misc(_) => "MISC_CHECK",
        Check::Bfd(_) => "BFD_CHECK",
        Check::File(_) => "FILE_CHECK",
    }
}
