//! The settings outside every block.

use super::text::Text;
use crate::config::Daemon;
use crate::config::daemon::IpvsNamespace;

pub(super) fn show(text: &mut Text, daemon: &Daemon) {
    text.word_some("instance", daemon.instance.as_deref());
    text.word_some("net_namespace", daemon.net_namespace.as_deref());
    match &daemon.net_namespace_ipvs {
        IpvsNamespace::Same => {}
        IpvsNamespace::Initial => text.line("net_namespace_ipvs"),
        IpvsNamespace::Named(name) => text.word("net_namespace_ipvs", name),
    }
    text.flag("namespace_with_ipsets", daemon.namespace_with_ipsets);
    text.flag("use_pid_dir", daemon.use_pid_dir);
    text.flag("linkbeat_use_polling", daemon.linkbeat_use_polling);
    text.seconds("child_wait_time", daemon.child_wait_time);
}
