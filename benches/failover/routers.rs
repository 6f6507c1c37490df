//! Virtual routers by the thousand, and their configuration.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The same number of routers on each of some interfaces. Router `vrid` of interface `segment` has the addresses
/// `10.segment.vrid.1`, `.2` and so on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routers {
    /// Interfaces `eth0`, `eth1` and so on; at most 256.
    pub(crate) segments: u32,
    /// Routers on each; at most 255.
    pub(crate) vrids: u32,
    /// Addresses of each router; at most 254.
    pub(crate) addresses: u32,
    /// 2 or 3.
    pub(crate) version: u32,
    /// Time between two adverts.
    pub(crate) interval: Duration,
}

/// What else stands in a configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extra {
    /// Routers on the interface after those of [`Routers`] which change nothing while the others do: their adverts show
    /// whether they are held up.
    pub(crate) bystanders: u32,
    /// Scripts run once a second, tracked by the first bystander.
    pub(crate) scripts: u32,
    /// Real-time scheduling and locked memory for the VRRP process.
    pub(crate) realtime: bool,
}

/// Time between two adverts of a bystander.
pub(crate) const BYSTANDING: Duration = Duration::from_millis(50);

impl Routers {
    /// How many routers there are.
    pub(crate) fn count(&self) -> u32 {
        self.segments * self.vrids
    }

    /// How many addresses they have together.
    pub(crate) fn address_count(&self) -> u32 {
        self.count() * self.addresses
    }

    /// Whether an address is one of theirs.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        let [net, segment, ..] = address.octets();
        net == 10 && u32::from(segment) < self.segments
    }

    /// `Active_Down_Interval` at this priority: how long the routers wait before they take over.
    pub(crate) fn down_interval(&self, priority: u32) -> Duration {
        // RFC 9568 6.1: the skew is a part of the advert interval; RFC 3768 6.1: of a second.
        let unit = if self.version == 2 {
            Duration::from_secs(1)
        } else {
            self.interval
        };
        3 * self.interval + unit * (256 - priority) / 256
    }

    /// The configuration of a node where every router has this priority.
    pub(crate) fn configuration(&self, priority: u32, extra: Extra) -> String {
        let mut text = String::from("global_defs {\n    script_user root\n");
        if extra.realtime {
            // By default a process that computes for 10 ms without a wait is killed, and a thousand routers begin.
            text += "    vrrp_rt_priority 50\n    vrrp_rlimit_rttime 1000000\n    vrrp_no_swap\n";
        }
        text += "}\n\n";
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "$ROUTER=\\\n{}",
            router(self.version, self.interval, priority, self.addresses)
        );
        let (last, vrids) = (self.segments - 1, self.vrids);
        let _ = writeln!(text, "~SEQ(IF, 0, {last}) ~SEQ(VR, 1, {vrids}) $ROUTER\n");
        if extra.bystanders > 0 {
            let bystander = router(3, BYSTANDING, 150, 1);
            let _ = writeln!(text, "$IF={}\n$BYSTANDER=\\\n{bystander}", self.segments);
            let _ = writeln!(text, "~SEQ(VR, 1, {}) $BYSTANDER\n", extra.bystanders);
        }
        if extra.scripts > 0 {
            text += &scripts(self.segments, extra.scripts);
        }
        text
    }
}

/// The lines of a definition: an instance on `eth${IF}` with the VRID `${VR}`.
fn router(version: u32, interval: Duration, priority: u32, addresses: u32) -> String {
    let mut lines = vec![
        "vrrp_instance R_${IF}_${VR} {".to_owned(),
        "    state BACKUP".to_owned(),
        "    interface eth${IF}".to_owned(),
        "    virtual_router_id ${VR}".to_owned(),
        format!("    version {version}"),
        format!("    priority {priority}"),
        format!("    advert_int {}", interval.as_secs_f64()),
        "    virtual_ipaddress {".to_owned(),
    ];
    lines.extend(
        (1..=addresses).map(|number| format!("        10.${{IF}}.${{VR}}.{number}/32 dev eth${{IF}}")),
    );
    lines.extend(["    }", "}"].map(str::to_owned));
    lines.join(" \\\n") + "\n"
}

/// So many scripts, each run once a second, and a router that tracks them.
fn scripts(segment: u32, count: u32) -> String {
    format!(
        "$CHECK=\\\nvrrp_script s${{S}} {{ \\\n    script \"/usr/bin/true\" \\\n    interval 1 \\\n    weight 0 \\\n}}\n
~SEQ(S, 1, {count}) $CHECK\n
vrrp_instance TRACKS {{\n    state BACKUP\n    interface eth{segment}\n    virtual_router_id 250\n    version 3
    priority 100\n    advert_int 1\n    virtual_ipaddress {{\n        10.{segment}.250.1/32 dev eth{segment}\n    }}
    track_script {{\n        ~SEQ(S, 1, {count}) s${{S}}\n    }}\n}}\n"
    )
}
