//! `vrrp_instance`.

use std::time::Duration;

use super::address::{of_instance, with_prefix};
use super::text::{Text, hex, word};
use super::{route, rule};
use crate::Config;
use crate::config::vrrp_instance::{
    AntiReplay, AuthHmac, Authentication, Garp, GarpExtraIf, HmacMode, HmacSecret, InitialState, Ipvlan,
    IpvlanMode, Notify, OldUnicastChecksum, Tracked, UnicastPeer, Vmac,
};
use crate::config::{GlobalDefs, VrrpInstance, VrrpSyncGroup};
use crate::units::{Family, Version};

pub(super) fn show(text: &mut Text, instance: &VrrpInstance, config: &Config) {
    text.block(format_args!("vrrp_instance {}", word(&instance.name)), |text| {
        identity(text, instance);
        network(text, instance, &config.global);
        election(text, instance);
        authentication(text, instance);
        text.list("virtual_ipaddress", &instance.virtual_ipaddress, of_instance);
        text.list(
            "virtual_ipaddress_excluded",
            &instance.virtual_ipaddress_excluded,
            of_instance,
        );
        text.list("virtual_routes", &instance.virtual_routes, route::line);
        text.list("virtual_rules", &instance.virtual_rules, rule::line);
        text.flag("promote_secondaries", instance.promote_secondaries);
        let mut groups = config.vrrp_sync_groups.iter();
        let group = groups.find(|group| group.members.contains(&instance.name));
        tracking(text, instance, group);
        adverts(text, instance);
        garp(text, "", &instance.garp);
        notify(text, instance);
    });
}

/// What comes first because it says how the rest is read.
fn identity(text: &mut Text, instance: &VrrpInstance) {
    if !instance.interface.is_empty() {
        text.word("interface", &instance.interface);
    }
    text.word_some("vrf", instance.vrf.as_deref());
    text.set("virtual_router_id", instance.virtual_router_id);
    text.set("version", instance.version as u8);
    let has_address = !instance.virtual_ipaddress.is_empty()
        || !instance.unicast_peers.is_empty()
        || instance.unicast_src_ip.is_some();
    text.flag(
        "native_ipv6",
        instance.family == Family::Ipv6 && instance.version == Version::V3 && !has_address,
    );
}

fn network(text: &mut Text, instance: &VrrpInstance, global: &GlobalDefs) {
    let unicast = instance.unicast;
    let (own, other) = (instance.unicast_src_ip, instance.mcast_src_ip);
    // Either keyword sets the one source address; that of the other way of sending draws a warning.
    let by_unicast = unicast || instance.interface.is_empty();
    text.set_some("unicast_src_ip", own.filter(|_| by_unicast || own != other));
    text.set_some("mcast_src_ip", other.filter(|_| !by_unicast || own != other));
    if unicast {
        text.block("unicast_peer", |text| {
            instance.unicast_peers.iter().for_each(|one| text.line(peer(one)));
        });
    } else {
        text.set("mcast_dst_ip", instance.mcast_dst_ip);
    }
    text.set_some("unicast_ttl", instance.unicast_ttl);
    text.flag("unicast_fault_no_peer", instance.unicast_fault_no_peer);
    // Written by an instance it asks for unicast; `vrrp_check_unicast_src` does not.
    let checks = instance.check_unicast_src && (unicast || !global.vrrp_check_unicast_src);
    text.flag("check_unicast_src", checks);
    match instance.old_unicast_checksum {
        OldUnicastChecksum::Auto => {}
        OldUnicastChecksum::Never => text.line("old_unicast_checksum never"),
        OldUnicastChecksum::Always => text.line("old_unicast_checksum"),
    }
    text.flag("track_src_ip", instance.track_src_ip);
    text.set_some("use_vmac", instance.use_vmac.as_ref().map(vmac));
    text.flag("use_vmac_addr", instance.use_vmac_addr);
    // In strict mode nobody can ask for it, but unicast has it.
    text.flag("vmac_xmit_base", instance.vmac_xmit_base && !instance.strict_mode);
    text.set_some("use_ipvlan", instance.use_ipvlan.as_ref().map(ipvlan));
    text.set_some("kernel_rx_buf_size", instance.kernel_rx_buf_size);
    text.word_some(
        "lvs_sync_daemon_interface",
        instance.lvs_sync_daemon_interface.as_deref(),
    );
    text.flag("linkbeat_use_polling", instance.linkbeat_use_polling);
}

fn peer(peer: &UnicastPeer) -> String {
    // Any limit asks for `check_unicast_src`.
    if (peer.min_ttl, peer.max_ttl) == (0, 255) {
        return peer.address.to_string();
    }
    format!(
        "{} min_ttl {} max_ttl {}",
        peer.address, peer.min_ttl, peer.max_ttl
    )
}

fn vmac(vmac: &Vmac) -> String {
    let mac = vmac
        .mac
        .map(|bytes| bytes.map(|byte| format!("{byte:02x}")).join(":"));
    let name = vmac.name.as_deref().map(|name| format!("name {}", word(name)));
    let notify = vmac.netlink_notify_msg.then(|| "netlink_notify_msg".to_owned());
    let group = vmac.group.map(|group| format!("group {group}"));
    joined([name, mac, notify, group])
}

fn ipvlan(ipvlan: &Ipvlan) -> String {
    let mode = match ipvlan.mode {
        IpvlanMode::Bridge => "bridge",
        IpvlanMode::Private => "private",
        IpvlanMode::Vepa => "vepa",
    };
    let name = ipvlan.name.as_deref().map(|name| format!("name {}", word(name)));
    let group = ipvlan.group.map(|group| format!("group {group}"));
    joined([
        name,
        ipvlan.address.map(with_prefix),
        Some(mode.to_owned()),
        group,
    ])
}

fn joined<const N: usize>(words: [Option<String>; N]) -> String {
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn election(text: &mut Text, instance: &VrrpInstance) {
    text.set("strict_mode", instance.strict_mode);
    text.set(
        "state",
        match instance.initial_state {
            InitialState::Master => "MASTER",
            InitialState::Backup => "BACKUP",
        },
    );
    text.set("priority", instance.priority);
    text.seconds("advert_int", instance.advert_int);
    text.set("down_timer_adverts", instance.down_timer_adverts);
    text.line(if instance.nopreempt {
        "nopreempt"
    } else {
        "preempt"
    });
    text.seconds("preempt_delay", instance.preempt_delay);
    text.set_some("timer_expired_backup", instance.timer_expired_backup);
    match instance.accept {
        // RFC 3768 lets only an address owner accept; it does so by itself.
        true if instance.strict_mode && instance.version == Version::V2 => {}
        true => text.line("accept"),
        false => text.line("no_accept"),
    }
    // An address owner cannot switch it off.
    if instance.owner_ignore_adverts || !instance.priority.is_owner() {
        text.set("owner_ignore_adverts", instance.owner_ignore_adverts);
    }
}

fn authentication(text: &mut Text, instance: &VrrpInstance) {
    let written = match instance.authentication {
        Authentication::None => None,
        Authentication::Pass(password) => Some(("PASS", password)),
        Authentication::Ah(password) => Some(("AH", password)),
    };
    if let Some((kind, password)) = written {
        text.block("authentication", |text| {
            text.set("auth_type", kind);
            let password = text.secret(|| password_text(password), "****");
            text.word("auth_pass", &password);
        });
    }
    if let Some(hmac) = &instance.auth_hmac {
        auth_hmac(text, hmac, instance.advert_int);
    }
}

/// The password without the zeros at its end. If it was cut within a character, that is made whole: reading the text
/// cuts it again.
fn password_text(password: [u8; 8]) -> String {
    let length = password
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let bytes = &password[..length];
    let whole = (0x80..=0xbf_u8).flat_map(|byte| (0..=3).map(move |more| (byte, more)));
    whole
        .map(|(byte, more)| [bytes, &[byte; 3][..more]].concat())
        .find_map(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default()
}

fn auth_hmac(text: &mut Text, hmac: &AuthHmac, advert_int: Duration) {
    text.block("auth_hmac", |text| {
        for key in &hmac.keys {
            let secret = match &key.secret {
                HmacSecret::File(path) => word(&format!("file:{path}")),
                HmacSecret::Inline(bytes) => {
                    let hex = || format!("hex:{}", hex(bytes));
                    // As long as a key must be.
                    text.secret(hex, &"*".repeat(32))
                }
            };
            text.set("key", format_args!("{} {secret}", key.id));
        }
        text.set("active_key", hmac.active_key);
        let replay = match hmac.anti_replay {
            AntiReplay::Time => "time",
            AntiReplay::Monotonic => "monotonic",
        };
        // Without the time it is of no use, and draws a warning.
        let default = AuthHmac::default_window(advert_int);
        if hmac.anti_replay == AntiReplay::Time || hmac.time_window != default {
            text.seconds("time_window", hmac.time_window);
        }
        text.set("anti_replay", replay);
        text.set(
            "mode",
            match hmac.mode {
                HmacMode::Enforce => "enforce",
                HmacMode::Permissive => "permissive",
                HmacMode::ReceiveOnly => "receive-only",
            },
        );
    });
}

fn tracking(text: &mut Text, instance: &VrrpInstance, group: Option<&VrrpSyncGroup>) {
    text.flag("dont_track_primary", instance.dont_track_primary);
    for (block, lines, of_group) in [
        (
            "track_interface",
            &instance.track_interface,
            group.map(|group| &group.track_interface),
        ),
        (
            "track_script",
            &instance.track_script,
            group.map(|group| &group.track_script),
        ),
        (
            "track_file",
            &instance.track_file,
            group.map(|group| &group.track_file),
        ),
        (
            "track_process",
            &instance.track_process,
            group.map(|group| &group.track_process),
        ),
        (
            "track_bfd",
            &instance.track_bfd,
            group.map(|group| &group.track_bfd),
        ),
    ] {
        let own = group_apart(lines, of_group.map_or(&[], Vec::as_slice));
        text.list(block, own, tracked);
    }
}

/// The trackers without those at the end that the sync group hands down again.
fn group_apart<'a>(lines: &'a [Tracked], of_group: &[Tracked]) -> &'a [Tracked] {
    let own = lines.iter().rposition(|line| !of_group.contains(line));
    let own = &lines[..own.map_or(0, |last| last + 1)];
    let missing = |handed: &&Tracked| own.iter().all(|line| line.name != handed.name);
    let again = own.iter().chain(of_group.iter().filter(missing));
    if again.eq(lines) { own } else { lines }
}

/// One line of a track block.
pub(super) fn tracked(tracked: &Tracked) -> String {
    let reverse = if tracked.reverse { "reverse" } else { "noreverse" };
    format!("{} weight {} {reverse}", word(&tracked.name), tracked.weight)
}

fn adverts(text: &mut Text, instance: &VrrpInstance) {
    text.set("v3_checksum_as_v2", instance.v3_checksum_as_v2);
    text.set("skip_check_adv_addr", instance.skip_check_adv_addr);
    text.set("lower_prio_no_advert", instance.lower_prio_no_advert);
    text.set("higher_prio_send_advert", instance.higher_prio_send_advert);
}

/// `garp_*`, or with the prefix `vrrp_` those of `global_defs`.
pub(super) fn garp(text: &mut Text, prefix: &str, garp: &Garp) {
    let mut set = |name: &str, value: u64| text.set(&format!("{prefix}garp_{name}"), value);
    set("master_delay", garp.master_delay.as_secs());
    set("master_repeat", garp.master_repeat.into());
    set("master_refresh", garp.master_refresh.as_secs());
    set("master_refresh_repeat", garp.master_refresh_repeat.into());
    set("lower_prio_delay", garp.lower_prio_delay.as_secs());
    set("lower_prio_repeat", garp.lower_prio_repeat.into());
    let GarpExtraIf { all, period } = garp.extra_if;
    // `global_defs` has no word for never.
    if prefix.is_empty() || !period.is_zero() {
        let all = if all { "all " } else { "" };
        text.set(
            &format!("{prefix}garp_extra_if"),
            format_args!("{all}{}", period.as_secs()),
        );
    }
}

fn notify(text: &mut Text, instance: &VrrpInstance) {
    let Notify {
        master,
        backup,
        fault,
        stop,
        report_deleted,
        deleted,
        any,
        master_rx_lower_pri,
    } = &instance.notify;
    text.script("notify_master", master.as_deref());
    text.script("notify_backup", backup.as_deref());
    text.script("notify_fault", fault.as_deref());
    text.script("notify_stop", stop.as_deref());
    text.flag("notify_deleted", *report_deleted && deleted.is_none());
    text.script("notify_deleted", deleted.as_deref());
    text.script("notify", any.as_deref());
    text.script("notify_master_rx_lower_pri", master_rx_lower_pri.as_deref());
    text.set_some("notify_priority_changes", instance.notify_priority_changes);
    text.set("smtp_alert", instance.smtp_alert);
}
