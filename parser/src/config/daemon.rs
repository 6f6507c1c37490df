//! Settings outside every block: namespaces, pid files, the instance of the daemon.

use std::time::Duration;

use crate::report::Report;
use crate::tree::{Line, Word};

/// The keywords outside every block that open none.
pub(crate) const KEYWORDS: &[&str] = &[
    "linkbeat_use_polling",
    "net_namespace",
    "net_namespace_ipvs",
    "namespace_with_ipsets",
    "use_pid_dir",
    "instance",
    "child_wait_time",
];

/// The settings outside every block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// `linkbeat_use_polling`: the links of all instances are polled.
    pub linkbeat_use_polling: bool,
    /// `net_namespace` the daemon runs in. `None` means that it stays where it was started.
    pub net_namespace: Option<String>,
    /// `net_namespace_ipvs`.
    pub net_namespace_ipvs: IpvsNamespace,
    /// `namespace_with_ipsets`: sets are used in a namespace even with kernels before 3.13.
    pub namespace_with_ipsets: bool,
    /// `use_pid_dir`: pid files are in their own directory; implied by `instance` and `net_namespace`.
    pub use_pid_dir: bool,
    /// `instance`: name of this daemon in pid files, log and dumps.
    pub instance: Option<String>,
    /// `child_wait_time`: how long the parent waits for its children to end; 5 s by default.
    pub child_wait_time: Duration,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            linkbeat_use_polling: false,
            net_namespace: None,
            net_namespace_ipvs: IpvsNamespace::Same,
            namespace_with_ipsets: false,
            use_pid_dir: false,
            instance: None,
            child_wait_time: Duration::from_secs(5),
        }
    }
}

/// `net_namespace_ipvs [<NAME>]`: where IPVS is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpvsNamespace {
    /// Where the daemon runs.
    Same,
    /// No name was written: the machine's own namespace.
    Initial,
    /// This one.
    Named(String),
}

impl Daemon {
    /// Reads a setting; false if it is none.
    pub(super) fn read(&mut self, line: Line<'_>, report: &mut Report) -> bool {
        match line.keyword() {
            "linkbeat_use_polling" => self.linkbeat_use_polling = line.flag(report),
            "net_namespace" => report.keep_first(line, &mut self.net_namespace, text),
            "net_namespace_ipvs" if self.net_namespace_ipvs != IpvsNamespace::Same => {
                report.first_is_kept(line);
            }
            "net_namespace_ipvs" => {
                let name = line.optional_word(report).map(str::to_owned);
                self.net_namespace_ipvs = name.map_or(IpvsNamespace::Initial, IpvsNamespace::Named);
            }
            "namespace_with_ipsets" => self.namespace_with_ipsets = line.flag(report),
            "use_pid_dir" => self.use_pid_dir = line.flag(report),
            "instance" => report.keep_first(line, &mut self.instance, text),
            "child_wait_time" => {
                let seconds = line.whole_seconds(0..=u32::MAX, report);
                self.child_wait_time = seconds.unwrap_or(self.child_wait_time);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn resolve(self) -> Self {
        Self {
            use_pid_dir: self.use_pid_dir || self.instance.is_some() || self.net_namespace.is_some(),
            ..self
        }
    }
}

fn text(line: Line<'_>, report: &mut Report) -> Option<String> {
    line.setting(report).map(Word::text).map(str::to_owned)
}
