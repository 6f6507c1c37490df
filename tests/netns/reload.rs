//! A new configuration reaches a running daemon without disturbing what it does not mention.

use std::time::{Duration, SystemTime};

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Frame, Host, Process, Seen, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{NODE1, SOON, Scene, VIRTUAL, expect, holdfast, ready};

#[test]
fn what_is_unchanged_is_not_touched_and_what_is_new_is_there() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = scene.start_pair(&holdfast(), &holdfast());
    scene.watch_adverts("a", 1);
    let before = SystemTime::now();

    let more = NODE1.replace("192.0.2.10/24\n", "192.0.2.10/24\n192.0.2.20/24\n");
    for (text, addresses) in [(NODE1, 1), (&more, 2), ("vrrp_instance {", 2), (NODE1, 1)] {
        scene.a.write(CONFIGURATION, text).unwrap();
        a.process.signal(Signal::SIGHUP);
        expect(&format!("{addresses} addresses are advertised"), || {
            scene
                .lab
                .capture
                .adverts("a")
                .pop()
                .is_some_and(|(_, advert)| advert.addresses.len() == addresses)
        });
        scene.watch_adverts("a", 1);
        assert_eq!(scene.a.addresses().len(), 1 + addresses);
    }

    let adverts = scene.lab.capture.adverts("a");
    for pair in adverts.windows(2) {
        let gap = pair[1].0.duration_since(pair[0].0).unwrap();
        assert!(
            gap < Duration::from_millis(1100),
            "an advertisement came {gap:?} after the one before"
        );
    }
    let mut changes = scene.lab.address_changes.since(0).into_iter();
    let touched = changes.find(|change| change.at > before && change.address == VIRTUAL);
    assert_eq!(touched, None, "the address that stays was touched");
    assert_eq!(a.said("Entering MASTER STATE"), 1);
    assert_eq!(b.said("Entering MASTER STATE"), 0);
}

#[test]
fn an_instance_that_a_reload_makes_another_one_lets_go_of_its_addresses() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, _b) = scene.start_pair(&holdfast(), &holdfast());
    // Unicast is another instance, and this one cannot be master.
    scene.a.write("/run/stop", "1").unwrap();
    let other = NODE1.replace(
        "    virtual_ipaddress {",
        "    unicast_peer {\n 192.0.2.12\n }\n track_file {\n stop\n }\n virtual_ipaddress {",
    );
    let other = format!("track_file stop {{\n file /run/stop\n weight 0\n}}\n{other}");
    scene.a.write(CONFIGURATION, &other).unwrap();
    a.process.signal(Signal::SIGHUP);
    scene.expect_owner("b");
    assert_eq!(scene.a.addresses().len(), 1);
}

/// Instances of every mode, of this priority, on this host opposite that one.
fn every_mode(priority: u8, own: &str, peer: &str) -> String {
    let instance = |name: &str, vrid: u8, lines: &str| {
        format!(
            "vrrp_instance {name} {{
                 interface eth0
                 virtual_router_id {vrid}
                 priority {priority}
                 garp_master_delay 1
                 notify \"/run/notify.sh\"
                 {lines}
             }}\n"
        )
    };
    let v4 = |last: u8| format!("virtual_ipaddress {{\n192.0.2.{last}/24\n}}\n");
    let auth = |kind: &str| format!("authentication {{\nauth_type {kind}\nauth_pass secret\n}}\n");
    let routes = "virtual_ipaddress_excluded {\n2001:db8::18/64\n}
        virtual_routes {\n10.80.0.0/24 via 192.0.2.99\n2001:db8:80::/64 via 2001:db8::1\n}
        virtual_rules {\nfrom 192.0.2.18 table 300 priority 90\n}\n";
    let tracks = "track_file {\nload weight 1\n}\ntrack_interface {\nlo weight 1 reverse\n}\n";
    [
        "global_defs {\nscript_user root\n}\n".to_owned(),
        "vrrp_script needed {\nscript /bin/true\ninterval 1\n}\ntrack_file load {\nfile /run/load\n}\n"
            .to_owned(),
        format!("bfd_instance session {{\nneighbor_ip {peer}\nmin_rx 200\nmin_tx 200\n}}\n"),
        "vrrp_sync_group G {\ngroup {\nGROUPED_1\nGROUPED_2\n}\nnotify \"/run/notify.sh\"\n}\n".to_owned(),
        instance("PASS", 11, &(v4(111) + &auth("PASS"))),
        instance("AH", 12, &(v4(112) + &auth("AH"))),
        instance("V3", 13, &format!("version 3\nadvert_int 0.5\n{}", v4(113))),
        instance(
            "UNICAST",
            14,
            &format!("unicast_src_ip {own}\nunicast_peer {{\n{peer}\n}}\n{}", v4(114)),
        ),
        instance("SIX", 15, "virtual_ipaddress {\nfe80::115\n2001:db8::115/64\n}\n"),
        instance("GROUPED_1", 16, &v4(116)),
        instance("GROUPED_2", 17, &(v4(117) + "track_script {\nneeded\n}\n")),
        instance("ROUTED", 18, &(v4(118) + routes + tracks)),
        instance(
            "SIGNED",
            19,
            &format!(
                "{}auth_hmac {{\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}}\n",
                v4(119)
            ),
        ),
        instance("REFUSING", 20, &format!("{}no_accept\n", v4(120))),
        instance("VMAC", 21, &(v4(121) + "use_vmac\n")),
        instance(
            "VMAC_6",
            22,
            "use_vmac\nvirtual_ipaddress {\nfe80::122\n2001:db8::122/64\n}\n",
        ),
        instance("VMAC_BASE", 23, &(v4(123) + "use_vmac\nvmac_xmit_base\n")),
        instance("WATCHING", 24, &(v4(124) + "track_bfd {\nsession\n}\n")),
    ]
    .concat()
}

const INSTANCES: usize = 14;

/// What a VRRP process asks of the kernel, as strace sees it, from now on.
struct Requests<'a> {
    host: &'a Host,
    _strace: Process,
}

impl<'a> Requests<'a> {
    fn of(host: &'a Host) -> Self {
        let process = host.read("/run/vrrp.pid").unwrap();
        let arguments = [
            "-f",
            "-yy",
            "-s",
            "256",
            "-e",
            "trace=%network,write,writev",
            "-o",
            "/run/strace",
            "-p",
            process.trim(),
        ];
        let strace = host.spawn("strace", "/usr/bin/strace", &arguments).unwrap();
        let requests = Self {
            host,
            _strace: strace,
        };
        expect("strace is attached", || !requests.lines().is_empty());
        requests
    }

    fn lines(&self) -> Vec<String> {
        let text = self.host.read("/run/strace").unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Those of `lines` that change something: addresses, routes, rules, links, nftables.
    fn writes(lines: &[String]) -> Vec<&String> {
        let asks = |line: &&String| line.contains("NETLINK") && !line.contains("recv");
        let changes = |line: &&String| {
            ["RTM_NEW", "RTM_DEL", "RTM_SET", "NFT_MSG", "NFNL"]
                .iter()
                .any(|word| line.contains(word))
        };
        lines.iter().filter(asks).filter(changes).collect()
    }
}

#[test]
fn in_every_mode_what_is_unchanged_misses_no_advert_and_writes_nothing() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let of = |priority, host: &Host, other: &Host| {
        every_mode(priority, &host.address.to_string(), &other.address.to_string())
    };
    let texts = [of(200, &scene.a, &scene.b), of(100, &scene.b, &scene.a)];
    let hosts = [&scene.a, &scene.b];
    for host in hosts {
        host.write_script("/run/notify.sh", "#!/bin/sh\necho $* >>/run/told\n")
            .unwrap();
        host.write("/run/load", "5").unwrap();
    }
    let nodes = [0, 1].map(|node| holdfast().start(hosts[node], &texts[node]).unwrap());
    let masters = || nodes[0].said("Entering MASTER STATE") == INSTANCES;
    let all = wait_until(6 * SOON, masters);
    assert!(all.is_some(), "a is master of all");
    // The second burst of announcements, and whatever else belongs to the start, is over then.
    scene.watch_adverts("a", 5 * INSTANCES);
    let requests = hosts.map(|host| Requests::of(host));

    // What is asked of the kernel is seen.
    let taken = "/sbin/ip address del 192.0.2.111/24 dev eth0";
    scene
        .a
        .spawn("taken", "/bin/sh", &["-c", taken])
        .unwrap()
        .wait(SOON)
        .unwrap();
    expect("the repair is seen", || {
        Requests::writes(&requests[0].lines())
            .iter()
            .any(|line| line.contains("192.0.2.111"))
    });
    scene.watch_adverts("a", 2 * INSTANCES);
    let asked = [0, 1].map(|node: usize| requests[node].lines().len());
    let told: Vec<String> = hosts.iter().map(|host| host.read("/run/told").unwrap()).collect();
    let said = [0, 1].map(|node: usize| nodes[node].process.log.since(0).len());
    let before = SystemTime::now();

    for times in 1..=3 {
        for (node, host) in nodes.iter().zip(hosts) {
            let text = host.read(CONFIGURATION).unwrap();
            // A line more moves every place in the file.
            host.write(CONFIGURATION, &format!("# unchanged\n{text}"))
                .unwrap();
            node.process.signal(Signal::SIGHUP);
        }
        expect("both have reloaded", || {
            nodes.iter().all(|node| node.said("Reload complete") == times)
        });
        scene.watch_adverts("a", 3 * INSTANCES);
    }

    for (node, host) in hosts.iter().enumerate() {
        let lines = requests[node].lines();
        let writes = Requests::writes(&lines[asked[node]..]);
        assert!(writes.is_empty(), "{}: {writes:#?}", host.name);
        assert_eq!(
            host.read("/run/told").unwrap(),
            told[node],
            "{}: a script was told",
            host.name
        );
        let log = nodes[node].process.log.since(said[node]);
        let changes: Vec<_> = log.iter().filter(|line| line.text.contains("STATE")).collect();
        assert!(changes.is_empty(), "{changes:?}");
    }
    let announced = |frame: &Frame| frame.at > before && matches!(frame.seen, Seen::Gratuitous(_));
    assert_eq!(scene.lab.capture.pick(announced), [], "announced anew");
    let adverts = scene
        .lab
        .capture
        .pick(|frame| frame.at > before && vrid(frame).is_some());
    assert!(adverts.iter().all(|frame| &*frame.host == "a"), "b is silent");
    for router in 11..11 + u8::try_from(INSTANCES).unwrap() {
        let own: Vec<&Frame> = adverts
            .iter()
            .filter(|frame| vrid(frame) == Some(router))
            .collect();
        assert!(own.len() >= 9, "{router}: {} adverts", own.len());
        let interval = if router == 13 { 500 } else { 1000 };
        for pair in own.windows(2) {
            let gap = pair[1].at.duration_since(pair[0].at).unwrap();
            // One that is missed doubles the gap.
            assert!(
                gap < Duration::from_millis(interval * 19 / 10),
                "{router}: {gap:?}"
            );
            if let (Some(one), Some(next)) = (identification(pair[0]), identification(pair[1])) {
                assert_eq!(next, one.wrapping_add(1).max(1), "{router}: an advert was lost");
            }
        }
    }
}

/// The virtual router of an advert of any kind.
fn vrid(frame: &Frame) -> Option<u8> {
    let start = match (
        frame.bytes.get(12..14)?,
        frame.bytes.get(20)?,
        frame.bytes.get(23)?,
    ) {
        ([8, 0], _, 112) => 34,
        ([8, 0], _, 51) => 34 + 24,
        ([0x86, 0xdd], 112, _) => 54,
        _ => return None,
    };
    frame.bytes.get(start + 1).copied()
}

/// Of an IPv4 packet.
fn identification(frame: &Frame) -> Option<u16> {
    let number = frame
        .bytes
        .get(18..20)
        .filter(|_| frame.bytes[12..14] == [8, 0])?;
    Some(u16::from_be_bytes([number[0], number[1]]))
}
