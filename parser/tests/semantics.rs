//! What settings mean together: defaults by version, state and `global_defs`, and what gives way to what.

#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use parser::config::global_defs::{Fifo, ReceivePolicy};
use parser::config::vrrp_instance::{
    AntiReplay, Authentication, GarpExtraIf, HmacSecret, InitialState, OldUnicastChecksum,
};
use parser::config::{Config, VrrpInstance};
use parser::units::{Family, Priority, Version, Vrid};

/// The configuration of a text that may only have these mistakes, by parts of their messages.
fn config(text: &str, expected: &[&str]) -> Config {
    let mistakes = common::mistakes(text);
    let all = mistakes.len() == expected.len()
        && mistakes
            .iter()
            .zip(expected)
            .all(|(line, part)| line.contains(part));
    assert!(all, "{text}\n{mistakes:#?}\n{expected:#?}");
    common::read(text).config
}

/// An instance with these settings beside interface and VRID.
fn with(settings: &str, expected: &[&str]) -> Option<VrrpInstance> {
    let text = format!("vrrp_instance V {{\ninterface eth0\nvirtual_router_id 51\n{settings}\n}}\n");
    config(&text, expected)
        .vrrp_instances
        .pop()
        .map(Arc::unwrap_or_clone)
}

/// An instance with an IPv4 address and these settings.
fn v4(settings: &str, expected: &[&str]) -> VrrpInstance {
    with(
        &format!("virtual_ipaddress {{\n10.0.0.9\n}}\n{settings}"),
        expected,
    )
    .unwrap()
}

/// An instance with an IPv6 address and these settings.
fn v6(settings: &str, expected: &[&str]) -> VrrpInstance {
    with(
        &format!("virtual_ipaddress {{\nfe80::9\n}}\n{settings}"),
        expected,
    )
    .unwrap()
}

#[test]
fn the_least_instance_has_the_documented_defaults() {
    let instance = with("no_virtual_ipaddress", &[]).unwrap();
    assert_eq!(instance, VrrpInstance::new("V", "eth0", Vrid::new(51).unwrap()));
}

#[test]
fn the_first_address_decides_family_version_and_group() {
    let instance = v4("", &[]);
    assert_eq!((instance.family, instance.version), (Family::Ipv4, Version::V2));
    let instance = v6("", &[]);
    assert_eq!((instance.family, instance.version), (Family::Ipv6, Version::V3));
    assert_eq!(instance.mcast_dst_ip, "ff02::12".parse::<IpAddr>().unwrap());
    let instance = with("version 2\nvirtual_ipaddress {\nfe80::9\n}", &[]).unwrap();
    assert_eq!(
        instance.version,
        Version::V2,
        "version 2 carries IPv6 outside strict mode"
    );
    v6(
        "version 2",
        &["`version 2` does not go with IPv6 addresses above it"],
    );
    let global = "global_defs {\nvrrp_version 3\nvrrp_mcast_group4 224.0.0.30\n}\n";
    let text =
        format!("{global}vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\n}}");
    let instance = &config(&text, &[]).vrrp_instances[0];
    assert_eq!(
        (instance.version, instance.mcast_dst_ip),
        (Version::V3, Ipv4Addr::new(224, 0, 0, 30).into())
    );
}

#[test]
fn state_and_priority_give_each_other_s_default() {
    let election = |settings, expected: &[&str]| {
        let instance = v4(settings, expected);
        (instance.initial_state, instance.priority.get())
    };
    assert_eq!(election("", &[]), (InitialState::Backup, 100));
    assert_eq!(election("priority 255", &[]), (InitialState::Master, 255));
    assert_eq!(
        election("state MASTER", &["makes this the address owner"]),
        (InitialState::Master, 255)
    );
    assert_eq!(
        election("state MASTER\npriority 150", &[]),
        (InitialState::Master, 150)
    );
    assert_eq!(
        election("state MASTER\npriority 0", &["`0` is out of range"]),
        (InitialState::Master, 100)
    );
    assert_eq!(
        election(
            "state MASTER\nstate BACKUP\npriority 5",
            &["the first one is kept"]
        )
        .0,
        InitialState::Master
    );
    assert_eq!(
        election("state BACKUP\nstate MASTER\npriority 5", &[]).0,
        InitialState::Master
    );
}

#[test]
fn who_wants_to_be_master_cannot_decline_to_preempt() {
    assert!(v4("nopreempt", &[]).nopreempt);
    assert!(!v4("nopreempt\npreempt", &[]).nopreempt);
    assert!(
        !v4(
            "priority 255\nnopreempt",
            &["`nopreempt` does not go with priority 255"]
        )
        .nopreempt
    );
    let settings = "state MASTER\npriority 100\nnopreempt";
    assert!(!v4(settings, &["`nopreempt` does not go with `state MASTER`"]).nopreempt);
    let delayed = v4("preempt_delay 2.5", &[]);
    assert_eq!(delayed.preempt_delay, Duration::from_millis(2500));
    let delayed = v4(
        "nopreempt\npreempt_delay 5",
        &["`preempt_delay` does not go with `nopreempt`"],
    );
    assert_eq!(delayed.preempt_delay, Duration::ZERO);
    assert_eq!(
        v4("nopreempt\ntimer_expired_backup 9", &[]).timer_expired_backup,
        Priority::new(9)
    );
    assert_eq!(
        v4("timer_expired_backup", &["without `nopreempt`"]).timer_expired_backup,
        None
    );
}

#[test]
fn the_advert_interval_fits_the_version() {
    let milliseconds = |settings: &str, expected: &[&str]| v4(settings, expected).advert_int.as_millis();
    assert_eq!(milliseconds("advert_int 3", &[]), 3000);
    assert_eq!(milliseconds("advert_int 0.3", &["1 s is used"]), 1000);
    assert_eq!(milliseconds("advert_int 1.5", &["2 s is used"]), 2000);
    assert_eq!(milliseconds("version 3\nadvert_int 0.01", &[]), 10);
    assert_eq!(
        milliseconds("version 3\nadvert_int 0.123", &["0.12 s is used"]),
        120
    );
    assert_eq!(
        milliseconds("version 3\nadvert_int 41", &["40.95 s is used"]),
        40950
    );
}

#[test]
fn a_router_with_ah_listens_before_it_leads() {
    const AH: &str = "authentication {\nauth_type AH\nauth_pass x\n}\nstate MASTER";
    let cleared = "`state` does not go with AH authentication: the initial state is cleared";
    let listens = v4(&format!("{AH}\npriority 200\nnopreempt"), &[cleared]);
    assert_eq!(listens.initial_state, InitialState::Backup);
    assert!(listens.nopreempt, "which goes with BACKUP");
    let owner = v4(&format!("{AH}\npriority 255"), &[]);
    assert_eq!(owner.initial_state, InitialState::Master);
}

#[test]
fn strict_mode_keeps_to_the_letter() {
    let strict = v4("strict_mode", &[]);
    assert!(
        strict.strict_mode && !strict.accept && strict.lower_prio_no_advert && !strict.owner_ignore_adverts
    );
    assert_eq!(
        (strict.garp.lower_prio_repeat, strict.garp.lower_prio_delay),
        (0, Duration::ZERO)
    );
    let owner = v4("strict_mode\npriority 255", &[]);
    assert!(owner.accept && owner.owner_ignore_adverts);
    assert!(v4("strict_mode\nversion 3\naccept", &[]).accept);
    assert!(!v4("strict_mode\naccept", &["version 2 in strict mode"]).accept);
    assert_eq!(
        v4("strict_mode\ndown_timer_adverts 5", &["strict mode: 3 is used"]).down_timer_adverts,
        3
    );
    let backup = v4(
        "strict_mode\nstate MASTER\npriority 100",
        &["the priority decides"],
    );
    assert_eq!(backup.initial_state, InitialState::Backup);
    let plain = v4(
        "strict_mode\nauthentication {\nauth_type PASS\nauth_pass x\n}",
        &["`authentication` does not go"],
    );
    assert_eq!(plain.authentication, Authentication::None);
    assert_eq!(with("strict_mode", &["required in strict mode"]), None);
    let expected = [
        "`no_virtual_ipaddress` does not go with strict mode",
        "required in strict mode",
    ];
    let (first, second) = (expected[1], expected[0]);
    assert_eq!(with("strict_mode\nno_virtual_ipaddress", &[first, second]), None);
    v6("strict_mode", &[]);
    with(
        "virtual_ipaddress {\n2001:db8::9\n}\nstrict_mode",
        &["the first IPv6 address must be link-local"],
    )
    .unwrap();
}

#[test]
fn an_owner_s_priority_is_not_moved_by_trackers() {
    let text = "vrrp_script chk {\nscript /x\nweight 5\n}\nvrrp_instance V {\ninterface eth0\nvirtual_router_id 1\n\
                priority 255\nno_virtual_ipaddress\ntrack_script {\nchk\n}\ntrack_interface {\neth1\neth2 weight 3\n}\n}";
    let config = config(
        text,
        &[
            "a weight does not go with priority 255",
            "a weight does not go with priority 255",
        ],
    );
    let instance = &config.vrrp_instances[0];
    assert_eq!(
        (instance.track_script.len(), instance.track_interface.len()),
        (0, 1)
    );
}

#[test]
fn a_tracked_line_takes_from_its_script_what_it_does_not_say() {
    let tracked = |line: &str| {
        let text = format!(
            "vrrp_script chk {{\nscript /x\nweight 5 reverse\n}}\nvrrp_instance V {{\ninterface eth0\n\
             virtual_router_id 1\nno_virtual_ipaddress\ntrack_script {{\n{line}\n}}\n}}"
        );
        let tracked = config(&text, &[]).vrrp_instances[0].track_script[0].clone();
        (tracked.weight, tracked.reverse)
    };
    assert_eq!(tracked("chk"), (5, true));
    assert_eq!(tracked("chk weight -7"), (-7, true));
    assert_eq!(tracked("chk weight -7 noreverse"), (-7, false));
    assert_eq!(tracked("chk weight 0 reverse"), (0, true));
}

#[test]
fn addresses_have_the_prefix_and_flags_of_their_family() {
    let settings = "virtual_ipaddress {\n10.0.0.9\n10.0.0.10/24 brd + dev eth1 label eth1:v scope link no_track\n\
                    10.0.0.11 peer 10.1.0.1/16\n}\nvirtual_ipaddress_excluded {\nfe80::1\n2001:db8::1/64 home\n}";
    let instance = with(settings, &[]).unwrap();
    let [plain, full, peer] = &instance.virtual_ipaddress[..] else {
        panic!("{instance:#?}")
    };
    assert_eq!(
        (plain.prefix_len, plain.scope, plain.nodad, plain.preferred_lft),
        (32, 0, true, None)
    );
    assert_eq!(full.broadcast, Some(Ipv4Addr::new(10, 0, 0, 255)));
    assert_eq!(
        (full.dev.as_deref(), full.label.as_deref(), full.scope),
        (Some("eth1"), Some("eth1:v"), 253)
    );
    assert!(full.no_track && !plain.no_track);
    assert_eq!(peer.peer, Some((Ipv4Addr::new(10, 1, 0, 1).into(), 16)));
    let [host, net] = &instance.virtual_ipaddress_excluded[..] else {
        panic!("{instance:#?}")
    };
    assert_eq!(
        (host.prefix_len, host.preferred_lft),
        (128, Some(0)),
        "a /128 is deprecated: never a source"
    );
    assert_eq!((net.prefix_len, net.preferred_lft, net.home), (64, None, true));
}

#[test]
fn surplus_addresses_leave_the_adverts() {
    let addresses: Vec<_> = (0..300)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250))
        .collect();
    let instance = with(
        &format!("virtual_ipaddress {{\n{}\n}}", addresses.join("\n")),
        &["45 are moved"],
    )
    .unwrap();
    assert_eq!(
        (
            instance.virtual_ipaddress.len(),
            instance.virtual_ipaddress_excluded.len()
        ),
        (255, 45)
    );
}

#[test]
fn static_addresses_stand_on_the_default_interface() {
    let text = "global_defs {\ndefault_interface eth7\n}\ntrack_group g {\ngroup {\nV\n}\n}\n\
                static_ipaddress {\n10.0.0.1/24\nfe80::1 dev eth1 track_group g\n}\n\
                vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\n}";
    let config = config(text, &[]);
    let [plain, full] = &config.static_ipaddress[..] else {
        panic!("{config:#?}")
    };
    assert_eq!((plain.dev.as_deref(), plain.nodad), (Some("eth7"), false));
    assert_eq!(
        (full.dev.as_deref(), full.track_group.as_deref()),
        (Some("eth1"), Some("g"))
    );
}

#[test]
fn unicast_needs_peers_or_the_will_to_fail() {
    let peers = "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2 min_ttl 254\n10.0.0.3\n}\nunicast_ttl 9";
    let instance = v4(peers, &[]);
    assert!(instance.unicast && instance.check_unicast_src);
    assert_eq!(
        (
            instance.unicast_peers.len(),
            instance.unicast_peers[0].min_ttl,
            instance.unicast_ttl
        ),
        (2, 254, Some(9))
    );
    let alone = v4("unicast_src_ip 10.0.0.1", &["multicast is used"]);
    assert!(!alone.unicast);
    assert_eq!(
        alone.mcast_src_ip,
        Some(Ipv4Addr::new(10, 0, 0, 1).into()),
        "it is the source all the same"
    );
    assert!(v4("unicast_src_ip 10.0.0.1\nunicast_fault_no_peer", &[]).unicast);
    let old = v4("old_unicast_checksum\nunicast_peer {\n10.0.0.2\n}", &[]);
    assert_eq!(old.old_unicast_checksum, OldUnicastChecksum::Always);
}

#[test]
fn a_unicast_instance_with_a_source_needs_no_interface() {
    let settings =
        "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}\nvirtual_ipaddress {\n10.0.0.9 dev eth0\n}";
    let text = format!("vrrp_instance V {{\nvirtual_router_id 1\nvrf red\n{settings}\n}}");
    let instance = config(&text, &[]).vrrp_instances.remove(0);
    assert_eq!(
        (instance.interface.as_str(), instance.vrf.as_deref()),
        ("", Some("red"))
    );
}

#[test]
fn two_instances_clash_where_they_would_hear_each_other() {
    let pair = |first: &str, second: &str, expected: &[&str]| {
        let instance = |name: &str, settings: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n10.0.0.9\n}}\n{settings}\n}}\n"
            )
        };
        config(&(instance("V", first) + &instance("W", second)), expected)
            .vrrp_instances
            .len()
    };
    let clash = "`W` and `V` both use VRID 51 with IPv4 on interface eth0";
    assert_eq!(pair("", "", &[clash]), 1);
    assert_eq!(pair("", "mcast_dst_ip 224.0.0.5", &[]), 2);
    assert_eq!(pair("", "unicast_peer {\n10.0.0.7\n}", &[]), 2);
    assert_eq!(
        pair(
            "unicast_peer {\n10.0.0.7\n}",
            "unicast_peer {\n10.0.0.7\n}",
            &[clash]
        ),
        1
    );
    assert_eq!(
        pair("unicast_peer {\n10.0.0.7\n}", "unicast_peer {\n10.0.0.8\n}", &[]),
        2
    );
}

#[test]
fn passwords_are_eight_bytes_and_never_shown() {
    let instance = v4("authentication {\nauth_type PASS\nauth_pass secret\n}", &[]);
    assert_eq!(instance.authentication, Authentication::Pass(*b"secret\0\0"));
    let instance = v4(
        "authentication {\nauth_type AH\nauth_pass 123456789\n}",
        &["only the first 8 bytes"],
    );
    assert_eq!(instance.authentication, Authentication::Ah(*b"12345678"));
    assert!(!format!("{instance:?}").contains("1234"));
    v4(
        "authentication {\nauth_type PASS\n}",
        &["`authentication` has no `auth_pass`"],
    );
    let settings = "version 3\nauthentication {\nauth_type PASS\nauth_pass 1\n}";
    assert_eq!(
        v4(settings, &["`authentication` does not go with version 3"]).authentication,
        Authentication::None
    );
}

#[test]
fn hmac_keys_have_their_window() {
    let key = "0123456789abcdef0123456789abcdef";
    let settings = |more: &str| {
        format!("advert_int 3\nauth_hmac {{\nkey 7 {key}\nkey 8 file:/etc/key\nactive_key 7\n{more}\n}}")
    };
    let hmac = v4(&settings(""), &[]).auth_hmac.unwrap();
    assert_eq!(hmac.time_window, Duration::from_secs(9));
    assert_eq!(hmac.keys[0].secret, HmacSecret::Inline(key.into()));
    assert_eq!(hmac.keys[1].secret, HmacSecret::File("/etc/key".to_owned()));
    assert!(!format!("{hmac:?}").contains("0123"));
    let hmac = v4(
        &settings("anti_replay monotonic\ntime_window 7"),
        &["`time_window` does not go"],
    )
    .auth_hmac;
    assert_eq!(hmac.unwrap().anti_replay, AntiReplay::Monotonic);
    assert_eq!(
        v4(&settings("active_key 9"), &["there is no key `9`"]).auth_hmac,
        None
    );
    assert_eq!(
        v4("auth_hmac {\n}", &["`auth_hmac` has no `active_key`"]).auth_hmac,
        None
    );
}

#[test]
fn a_vmac_takes_the_vrid_for_its_last_octet() {
    let vmac = v4("use_vmac vr1 02:11:22:33:44 netlink_notify_msg group 5", &[])
        .use_vmac
        .unwrap();
    assert_eq!(
        (vmac.name.as_deref(), vmac.mac),
        (Some("vr1"), Some([2, 0x11, 0x22, 0x33, 0x44, 51]))
    );
    assert!(vmac.netlink_notify_msg && vmac.group == Some(5));
    assert!(
        v4("use_vmac\nunicast_peer {\n10.0.0.2\n}", &[]).vmac_xmit_base,
        "unicast needs the parent's address"
    );
    v4("use_vmac vr1 00:00:5e:00:01:05", &["cannot be used"]);
    v4("use_ipvlan", &["needs an address"]);
    let ipvlan = v4("use_ipvlan name ip1 10.0.0.3/24 vepa", &[])
        .use_ipvlan
        .unwrap();
    assert_eq!(ipvlan.address, Some((Ipv4Addr::new(10, 0, 0, 3).into(), 24)));
}

#[test]
fn gratuitous_arp_is_inherited_step_by_step() {
    let garp = |global: &str, instance: &str| {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\n{instance}\n}}"
        );
        config(&text, &[]).vrrp_instances.remove(0).garp.clone()
    };
    let inherited = garp("vrrp_garp_master_delay 7\nvrrp_garp_master_repeat 2", "");
    assert_eq!(
        (inherited.lower_prio_delay, inherited.lower_prio_repeat),
        (Duration::from_secs(7), 2)
    );
    let own = garp(
        "vrrp_garp_master_delay 7",
        "garp_master_delay 1\ngarp_lower_prio_repeat 0",
    );
    assert_eq!(
        (own.master_delay, own.lower_prio_delay),
        (Duration::from_secs(1), Duration::from_secs(7))
    );
    assert_eq!(own.lower_prio_repeat, 0);
    let least = garp("vrrp_min_garp\nvrrp_garp_lower_prio_repeat 3", "");
    assert_eq!(
        (least.master_repeat, least.master_delay, least.lower_prio_repeat),
        (1, Duration::ZERO, 3)
    );
    let extra = garp("vrrp_garp_extra_if all 60", "");
    assert_eq!(
        extra.extra_if,
        GarpExtraIf {
            all: true,
            period: Duration::from_mins(1)
        }
    );
    assert_eq!(
        garp("vrrp_garp_extra_if all 60", "garp_extra_if 0")
            .extra_if
            .period,
        Duration::ZERO
    );
}

#[test]
fn global_settings_add_up_over_their_blocks() {
    let text = "global_defs {\nrouter_id a\nnotify_fifo /run/f root\nvmac_prefix v\nsnmp_vs_stats_update_interval 9\n}\n\
                instance one\n\
                global_defs {\nrouter_id b\nnotify_fifo /run/g\nnotify_fifo_script \"/usr/bin/r 'a b'\"\n\
                vrrp_rx_bufs_policy advert\nvrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_policy Advert\numask IRWXG|IXOTH\n}\n";
    let config = config(text, &["`notify_fifo` is already specified"]);
    let global = &config.global;
    assert_eq!(global.router_id.as_deref(), Some("b"));
    let Fifo { path, owner, script } = &global.notify_fifo;
    assert_eq!(
        (path.as_deref(), owner.as_ref().unwrap().user.as_str()),
        (Some("/run/f"), "root")
    );
    assert_eq!(script.as_ref().unwrap().words, ["/usr/bin/r", "a b"]);
    assert_eq!((global.vmac_addr_prefix.as_str(), global.umask), ("v", 0o071));
    assert_eq!(global.snmp_rs_stats_update_interval, Duration::from_secs(9));
    assert_eq!(global.vrrp_rx_bufs.policy, ReceivePolicy::Mtu);
    assert!(config.daemon.use_pid_dir, "an instance name implies it");
}

#[test]
fn scripts_that_cannot_be_found_by_name_are_dropped() {
    let text = "vrrp_script a {\nscript \"/x y\"\nuser nobody :\n}\nvrrp_script a {\nscript /z\n}\nvrrp_script b {\n}\n\
                vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\ntrack_script {\nb\n}\n}";
    let config = config(
        text,
        &[
            "only the first can be tracked",
            "`vrrp_script` has no `script`",
            "there is no vrrp_script `b`",
        ],
    );
    let [script] = &config.vrrp_scripts[..] else {
        panic!("{config:#?}")
    };
    assert_eq!(
        (script.script.words.join("|"), script.script.text.as_str()),
        ("/x|y".to_owned(), "/x y")
    );
    let user = script.script.run_as.as_ref().unwrap();
    assert!(user.user == "nobody" && user.group.is_none() && user.supplementary_groups);
}

#[test]
fn an_instance_that_cannot_run_has_its_other_mistakes_reported_too() {
    let mistakes = common::mistakes(
        "vrrp_instance V {\ninterface eth0\nvirtual_router_id 300\nvirtual_ipaddress {\n10.0.0.9\n}\n\
         track_script {\nchk_never\n}\n}\n",
    );
    assert!(mistakes.iter().any(|line| line.contains("300")), "{mistakes:?}");
    assert!(
        mistakes.iter().any(|line| line.contains("chk_never")),
        "{mistakes:?}"
    );
}

#[test]
fn a_block_that_is_dropped_tells_its_other_mistakes_in_the_same_run() {
    let text = "virtual_server 10.0.0.300 80 {\ndelay_loopp 6\nreal_server 10.0.0.2 80 {\nweightt 4\n}\n}\n\
                virtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server 10.0.0.999 80 {\nTCP_CHECK {\nconnect_timeoutt 3\n}\n}\n}\n\
                vrrp_sync_group G {\ntrack_script {\nnope\n}\n}\n\
                vrrp_script s {\ninterval x\n}\n";
    config(
        text,
        &[
            "`10.0.0.300` is not an IP address",
            "unknown keyword `delay_loopp`",
            "unknown keyword `weightt`",
            "the virtual server is ignored",
            "`10.0.0.999` is not an IP address",
            "unknown keyword `connect_timeoutt`",
            "the group has no instance",
            "nope",
            "`vrrp_script` has no `script`",
            "`x` is not a number",
        ],
    );
}
