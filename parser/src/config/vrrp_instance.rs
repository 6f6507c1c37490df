//! `vrrp_instance`: one virtual router on one interface.

mod authentication;
mod garp;
mod read;
mod resolve;
mod unicast;
mod vmac;

use std::net::IpAddr;
use std::time::Duration;

use crate::Place;
use crate::config::address::VirtualAddress;
use crate::config::global_defs::GlobalDefs;
use crate::config::script::Script;
use crate::config::{Route, Rule};
use crate::units::{Family, Priority, Version, Vrid};

pub use authentication::{AntiReplay, AuthHmac, Authentication, HmacKey, HmacMode, HmacSecret};
pub(crate) use authentication::{HMAC_KEYWORDS, KEYWORDS as AUTHENTICATION_KEYWORDS};
pub(super) use garp::GarpDraft;
pub use garp::{Garp, GarpExtraIf};
pub(crate) use read::KEYWORDS;
pub(super) use read::{Draft, parse, version};
pub(super) use resolve::{Known, clash};
pub use unicast::{OldUnicastChecksum, UnicastPeer};
pub use vmac::{Ipvlan, IpvlanMode, Vmac};

pub use crate::config::tracked::Tracked;

/// One `vrrp_instance` block, defaults resolved from version, state and `global_defs`.
#[derive(Clone, Debug, PartialEq)]
pub struct VrrpInstance {
    /// The word after `vrrp_instance`; unique.
    pub name: String,
    /// `interface`: where adverts are sent and heard. Empty for a unicast instance that has only a source address.
    pub interface: String,
    /// What `interface` is on top of where that was made for the instance (`use_vmac`, `use_ipvlan`); never said by a file,
    /// whose `interface` is the parent.
    pub parent: Option<String>,
    /// `vrf` of a unicast instance without an interface.
    pub vrf: Option<String>,
    /// `virtual_router_id`.
    pub virtual_router_id: Vrid,
    /// `version`.
    pub version: Version,
    /// Family of the adverts: that of the first virtual address.
    pub family: Family,
    /// `state`: what the instance would like to be at start.
    pub initial_state: InitialState,
    /// `priority` before any tracker's weight.
    pub priority: Priority,
    /// `advert_int`: whole seconds in version 2, 10 ms to 40.95 s in version 3.
    pub advert_int: Duration,
    /// `down_timer_adverts`: advert intervals of silence before a backup takes over, 1 to 100; 3 by default.
    pub down_timer_adverts: u8,
    /// `nopreempt`: never take over from a living master of lower priority.
    pub nopreempt: bool,
    /// `preempt_delay`: how long a lower master is endured before it is preempted; zero by default.
    pub preempt_delay: Duration,
    /// `timer_expired_backup`: a master that wakes up so late that a backup of this priority may have taken over steps
    /// down. Only with `nopreempt`.
    pub timer_expired_backup: Option<Priority>,
    /// `strict_mode`.
    pub strict_mode: bool,
    /// `accept`: packets to the virtual addresses are accepted, not only those of the protocol.
    pub accept: bool,
    /// `owner_ignore_adverts`: an address owner drops all adverts.
    pub owner_ignore_adverts: bool,
    /// `authentication`.
    pub authentication: Authentication,
    /// `auth_hmac`.
    pub auth_hmac: Option<AuthHmac>,
    /// `virtual_ipaddress`: carried in the adverts, in this order.
    pub virtual_ipaddress: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: owned while master, not carried in the adverts; any family.
    pub virtual_ipaddress_excluded: Vec<VirtualAddress>,
    /// `virtual_routes`: owned while master.
    pub virtual_routes: Vec<Route>,
    /// `virtual_rules`: owned while master.
    pub virtual_rules: Vec<Rule>,
    /// `promote_secondaries`: the kernel keeps secondary addresses when a primary one goes.
    pub promote_secondaries: bool,
    /// `mcast_src_ip`: source of the adverts. `None` means the interface's primary address.
    pub mcast_src_ip: Option<IpAddr>,
    /// `mcast_dst_ip`: group of the adverts; `vrrp_mcast_group4` or `vrrp_mcast_group6` by default.
    pub mcast_dst_ip: IpAddr,
    /// Adverts go to `unicast_peers` and not to the group. With `unicast_fault_no_peer` there may be no peer.
    pub unicast: bool,
    /// `unicast_src_ip`: source of unicast adverts. `None` means the interface's primary address.
    pub unicast_src_ip: Option<IpAddr>,
    /// `unicast_peer`.
    pub unicast_peers: Vec<UnicastPeer>,
    /// `unicast_ttl` of unicast adverts. `None` means 255 in IPv4 and the kernel's default in IPv6.
    pub unicast_ttl: Option<u8>,
    /// `unicast_fault_no_peer`: unicast without peers is a fault.
    pub unicast_fault_no_peer: bool,
    /// `check_unicast_src`: unicast adverts must come from a peer.
    pub check_unicast_src: bool,
    /// `old_unicast_checksum`.
    pub old_unicast_checksum: OldUnicastChecksum,
    /// `track_src_ip`: the configured source address missing from the machine is a fault.
    pub track_src_ip: bool,
    /// `use_vmac`.
    pub use_vmac: Option<Vmac>,
    /// `use_vmac_addr`: macvlans for addresses on other interfaces too.
    pub use_vmac_addr: bool,
    /// `vmac_xmit_base`: adverts travel on the parent interface.
    pub vmac_xmit_base: bool,
    /// `use_ipvlan`.
    pub use_ipvlan: Option<Ipvlan>,
    /// `track_script`, joined: every name is that of a `vrrp_script`.
    pub track_script: Vec<Tracked>,
    /// `track_interface`.
    pub track_interface: Vec<Tracked>,
    /// `track_file`, joined.
    pub track_file: Vec<Tracked>,
    /// `track_process`, joined.
    pub track_process: Vec<Tracked>,
    /// `track_bfd`, joined.
    pub track_bfd: Vec<Tracked>,
    /// `dont_track_primary`: the instance's own interface going down is no fault.
    pub dont_track_primary: bool,
    /// `v3_checksum_as_v2`: version 3 over IPv4 sums without the pseudo header.
    pub v3_checksum_as_v2: bool,
    /// `skip_check_adv_addr`: compare the address list only when the master changes.
    pub skip_check_adv_addr: bool,
    /// `lower_prio_no_advert`: stay silent when a lower router advertises.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: advertise once more before yielding to a higher router.
    pub higher_prio_send_advert: bool,
    /// `garp_master_delay` and its kin.
    pub garp: Garp,
    /// `notify*`.
    pub notify: Notify,
    /// `notify_priority_changes`: FIFO lines on a changed priority too. `None` means that of the sync group, else
    /// `vrrp_notify_priority_changes`.
    pub notify_priority_changes: Option<bool>,
    /// `smtp_alert`: mail on transitions.
    pub smtp_alert: bool,
    /// `kernel_rx_buf_size` in bytes: this instance's share of the receive buffer.
    pub kernel_rx_buf_size: Option<u32>,
    /// `lvs_sync_daemon_interface`: the old form of `lvs_sync_daemon`.
    pub lvs_sync_daemon_interface: Option<String>,
    /// `linkbeat_use_polling`: the link is polled.
    pub linkbeat_use_polling: bool,
    /// Where the block starts.
    pub place: Place,
}

impl VrrpInstance {
    /// An instance as a block makes it that says nothing but `interface` and `virtual_router_id`.
    pub fn new(name: &str, interface: &str, virtual_router_id: Vrid) -> Self {
        let global = GlobalDefs::default();
        Self {
            name: name.to_owned(),
            interface: interface.to_owned(),
            parent: None,
            vrf: None,
            virtual_router_id,
            version: Version::V2,
            family: Family::Ipv4,
            initial_state: InitialState::Backup,
            priority: Priority::DEFAULT,
            advert_int: Duration::from_secs(1),
            down_timer_adverts: 3,
            nopreempt: false,
            preempt_delay: Duration::ZERO,
            timer_expired_backup: None,
            strict_mode: false,
            accept: true,
            owner_ignore_adverts: false,
            authentication: Authentication::None,
            auth_hmac: None,
            virtual_ipaddress: Vec::new(),
            virtual_ipaddress_excluded: Vec::new(),
            virtual_routes: Vec::new(),
            virtual_rules: Vec::new(),
            promote_secondaries: false,
            mcast_src_ip: None,
            mcast_dst_ip: global.vrrp_mcast_group4.into(),
            unicast: false,
            unicast_src_ip: None,
            unicast_peers: Vec::new(),
            unicast_ttl: None,
            unicast_fault_no_peer: false,
            check_unicast_src: false,
            old_unicast_checksum: OldUnicastChecksum::Auto,
            track_src_ip: false,
            use_vmac: None,
            use_vmac_addr: false,
            vmac_xmit_base: false,
            use_ipvlan: None,
            track_script: Vec::new(),
            track_interface: Vec::new(),
            track_file: Vec::new(),
            track_process: Vec::new(),
            track_bfd: Vec::new(),
            dont_track_primary: false,
            v3_checksum_as_v2: false,
            skip_check_adv_addr: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            garp: global.garp,
            notify: Notify::default(),
            notify_priority_changes: None,
            smtp_alert: false,
            kernel_rx_buf_size: None,
            lvs_sync_daemon_interface: None,
            linkbeat_use_polling: false,
            place: Place::default(),
        }
    }
}

/// `state MASTER` or `state BACKUP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// Waits only one advert interval at start.
    Master,
    /// Waits the whole master down interval at start.
    Backup,
}

/// The `notify*` scripts of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Box<Script>>,
    /// `notify_backup`.
    pub backup: Option<Box<Script>>,
    /// `notify_fault`.
    pub fault: Option<Box<Script>>,
    /// `notify_stop`.
    pub stop: Option<Box<Script>>,
    /// `notify_deleted` was written: removal by a reload is told as DELETED, not as FAULT.
    pub report_deleted: bool,
    /// The script of `notify_deleted`, if it has one.
    pub deleted: Option<Box<Script>>,
    /// `notify`: run after the specific one with `INSTANCE NAME STATE PRIORITY` appended.
    pub any: Option<Box<Script>>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_pri: Option<Box<Script>>,
}
