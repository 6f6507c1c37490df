//! The sync daemon that follows an instance: `lvs_sync_daemon IFACE inst NAME`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::{Daemon, Host, Lab, Node};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pair::daemons;
use super::{SOON, holdfast, reload, soon};
use crate::stories::{run, stories};

stories![sociable:
    the_sync_daemon_follows_the_instance_as_with_keepalived,
    a_reload_and_a_crash_leave_the_sync_daemon_alone,
];

/// How often it is looked at when nothing may happen to it, and for how long.
const GLANCE: Duration = Duration::from_millis(5);
const STAYS: Duration = Duration::from_secs(3);

fn configuration(settings: &str, priority: u8) -> String {
    format!(
        "global_defs {{
            {settings}
        }}
        vrrp_instance web {{
            interface eth0
            virtual_router_id 51
            priority {priority}
            virtual_ipaddress {{
                192.0.2.10/24
            }}
        }}
        virtual_server 192.0.2.10 80 {{
            lvs_sched rr
            lvs_method DR
            protocol TCP
            real_server 192.0.2.21 80 {{
            }}
        }}"
    )
}

struct Pair {
    lab: Lab,
    a: Arc<Host>,
    b: Arc<Host>,
}

impl Pair {
    fn new() -> Self {
        run("/run/modprobe ip_vs");
        let lab = Lab::new().unwrap();
        let a = lab.host("a", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
        let b = lab.host("b", Ipv4Addr::new(192, 0, 2, 12)).unwrap();
        Self { lab, a, b }
    }

    fn expect(&self, host: &Host, what: &str, roles: &[(&str, u8)]) {
        let expected: Vec<_> = roles.iter().map(|(role, id)| ((*role).to_owned(), *id)).collect();
        let came = soon(|| daemons(host) == expected);
        assert!(
            came.is_some(),
            "{what}: {:?} at {}, not {roles:?}\n{}",
            daemons(host),
            host.name,
            self.lab.report()
        );
    }
}

fn the_sync_daemon_follows_the_instance_as_with_keepalived() {
    thread::scope(|scope| {
        for (first, second) in [(holdfast(), Daemon::Keepalived), (Daemon::Keepalived, holdfast())] {
            scope.spawn(move || follows(&first, &second));
        }
    });
}

/// The words of the settings reach the kernel, and each side is what its instance is.
fn follows(first: &Daemon, second: &Daemon) {
    let pair = Pair::new();
    let (a, b) = (&pair.a, &pair.b);
    let settings = "lvs_sync_daemon eth0 inst web maxlen 1300 port 9000 ttl 3 group 224.0.0.99";
    let other = second.start(b, &configuration(settings, 90)).unwrap();
    pair.expect(b, "alone it tells", &[("master", 51)]);
    let one = first.start(a, &configuration(settings, 100)).unwrap();
    pair.expect(a, "the better one tells", &[("master", 51)]);
    pair.expect(b, "the other one hears", &[("backup", 51)]);
    let told = |host: &Host| {
        let lines = host.run(|| run("ipvsadm -L --daemon")).unwrap();
        let (_, settings) = lines.split_once("syncid=").unwrap();
        settings.trim().to_owned()
    };
    assert_eq!(told(a), "51, maxlen=1300, group=224.0.0.99, port=9000, ttl=3)");
    assert_eq!(told(b), told(a));

    a.cable_out().unwrap();
    pair.expect(b, "it tells again", &[("master", 51)]);
    pair.expect(a, "in FAULT nobody is told", &[("backup", 51)]);
    a.cable_in().unwrap();
    pair.expect(a, "the better one is back", &[("master", 51)]);
    pair.expect(b, "and heard", &[("backup", 51)]);

    assert!(one.stop(SOON).is_some());
    pair.expect(a, "none is left", &[]);
    pair.expect(b, "the other one takes over", &[("master", 51)]);
    assert!(other.stop(SOON).is_some());
    pair.expect(b, "none is left", &[]);
}

fn a_reload_and_a_crash_leave_the_sync_daemon_alone() {
    let pair = Pair::new();
    let host = &pair.a;
    let following = configuration("lvs_sync_daemon eth0 inst web id 7", 100);
    let node = holdfast().start(host, &following).unwrap();
    pair.expect(host, "it follows", &[("master", 7)]);

    let begun = "sync daemon 7 on eth0 has begun";
    let before = node.said(begun);
    reload(host, &node, &following.replace("priority 100", "priority 101"));
    said(&pair, &node, "Reload complete", 1);
    for pid_file in ["/run/vrrp.pid", "/run/checkers.pid"] {
        kill(process(host, &node, pid_file), Signal::SIGKILL).unwrap();
        let end = Instant::now() + STAYS;
        while Instant::now() < end {
            assert_eq!(daemons(host), [("master".to_owned(), 7)], "{pid_file}");
            thread::sleep(GLANCE);
        }
    }
    said(&pair, &node, "Starting VRRP child process", 2);
    said(&pair, &node, "Starting Healthcheck child process", 2);
    assert_eq!(node.said(begun), before, "{}", pair.lab.report());

    host.run(|| run("ipvsadm --stop-daemon master")).unwrap();
    pair.expect(host, "what somebody stopped runs again", &[("master", 7)]);

    // The daemons of the whole host are the checker process's.
    reload(host, &node, &configuration("lvs_sync_daemon eth0 id 8", 100));
    pair.expect(host, "both roles", &[("master", 8), ("backup", 8)]);
    reload(host, &node, &following);
    pair.expect(host, "following again", &[("master", 7)]);
    reload(host, &node, &configuration("", 100));
    pair.expect(host, "none", &[]);
    let old =
        configuration("", 100).replace("interface eth0", "interface eth0\nlvs_sync_daemon_interface eth0");
    reload(host, &node, &old);
    pair.expect(host, "asked for in the old way", &[("master", 51)]);
    assert!(node.stop(SOON).is_some());
    pair.expect(host, "none is left", &[]);
}

fn said(pair: &Pair, node: &Node, words: &str, times: usize) {
    let came = soon(|| node.said(words) == times);
    assert!(came.is_some(), "{words}\n{}", pair.lab.report());
}

/// The process that a process file names, as it is known outside its host.
fn process(host: &Host, node: &Node, file: &str) -> Pid {
    let inside = host.read(file).unwrap();
    let is_it = |pid: &Pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status.lines().find(|line| line.starts_with("NSpid:"));
        numbers.and_then(|line| line.split_ascii_whitespace().last()) == Some(inside.trim())
    };
    node.process.descendants().into_iter().find(is_it).unwrap()
}
