//! `vrrp_instance`: one virtual router on one interface.

use std::net::IpAddr;
use std::time::Duration;

use crate::Place;
use crate::config::address::VirtualAddress;
use crate::config::script::Script;
use crate::units::{Family, Priority, Version, Vrid};

/// One `vrrp_instance` block, defaults resolved from version, state and `global_defs`.
#[derive(Clone, Debug, PartialEq)]
pub struct VrrpInstance {
    /// The word after `vrrp_instance`; unique.
    pub name: String,
    /// `interface`: where adverts are sent and heard.
    pub interface: String,
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
    /// `authentication`.
    pub authentication: Authentication,
    /// `virtual_ipaddress`: carried in the adverts, in this order.
    pub virtual_ipaddress: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: owned while master, not carried in the adverts; any family.
    pub virtual_ipaddress_excluded: Vec<VirtualAddress>,
    /// `mcast_src_ip`: source of the adverts. `None` means the interface's primary address.
    pub mcast_src_ip: Option<IpAddr>,
    /// `track_script`, joined: every name is that of a `vrrp_script`.
    pub track_script: Vec<Tracked>,
    /// `track_interface`.
    pub track_interface: Vec<Tracked>,
    /// `dont_track_primary`: the instance's own interface going down is no fault.
    pub dont_track_primary: bool,
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
    /// Where the block starts.
    pub place: Place,
}

/// `state MASTER` or `state BACKUP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// Waits only one advert interval at start.
    Master,
    /// Waits the whole master down interval at start.
    Backup,
}

/// VRRPv2 authentication (RFC 2338 5.3.6; withdrawn by RFC 3768, kept by keepalived).
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// No authentication; the field of version 2 is zero.
    None,
    /// `auth_type PASS`: eight bytes in clear text, zero padded.
    Pass([u8; 8]),
    /// `auth_type AH`: HMAC-MD5-96 with this key.
    Ah([u8; 8]),
}

impl std::fmt::Debug for Authentication {
    /// Never shows the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(****)",
            Self::Ah(_) => "Ah(****)",
        })
    }
}

/// One line of `track_script`, `track_interface`, ...: what is watched and what it is worth here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Name of the script, interface, file or process.
    pub name: String,
    /// Added to the priority while good if positive, while bad if negative; 0 means that bad is a fault.
    pub weight: i16,
    /// Good and bad change places.
    pub reverse: bool,
}

/// Gratuitous ARP and unsolicited neighbour advertisements, per instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garp {
    /// `garp_master_delay` before the second burst; 5 s by default, zero means none.
    pub master_delay: Duration,
    /// `garp_master_repeat`: frames per address and burst; 5 by default, at least 1.
    pub master_repeat: u32,
    /// `garp_master_refresh`: period of the refresh; zero (off) by default.
    pub master_refresh: Duration,
    /// `garp_master_refresh_repeat`: frames per address and refresh; 1 by default.
    pub master_refresh_repeat: u32,
    /// `garp_lower_prio_delay` before the second burst after a lower advert.
    pub lower_prio_delay: Duration,
    /// `garp_lower_prio_repeat`: frames per address after a lower advert; may be 0.
    pub lower_prio_repeat: u32,
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            master_delay: Duration::from_secs(5),
            master_repeat: 5,
            master_refresh: Duration::ZERO,
            master_refresh_repeat: 1,
            lower_prio_delay: Duration::from_secs(5),
            lower_prio_repeat: 5,
        }
    }
}

/// The `notify*` scripts of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Script>,
    /// `notify_backup`.
    pub backup: Option<Script>,
    /// `notify_fault`.
    pub fault: Option<Script>,
    /// `notify_stop`.
    pub stop: Option<Script>,
    /// `notify`: run after the specific one with `INSTANCE NAME STATE PRIORITY` appended.
    pub any: Option<Script>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_pri: Option<Script>,
}
