//! What an instance counts, under the names of keepalived's statistics; kept over a reload.

/// Counters of one instance since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Adverts believed.
    pub advert_rcvd: u64,
    /// Adverts sent, resignations included.
    pub advert_sent: u64,
    /// Times that it became master.
    pub become_master: u64,
    /// Times that it stopped being master.
    pub release_master: u64,
    /// Packets too short or too long.
    pub packet_len_err: u64,
    /// Adverts at another interval than ours.
    pub advert_interval_err: u64,
    /// Packets whose TTL or hop limit was not 255.
    pub ip_ttl_err: u64,
    /// Packets that are no adverts.
    pub invalid_type_rcvd: u64,
    /// Adverts whose addresses are not ours.
    pub addr_list_err: u64,
    /// Packets of an authentication type that nobody defined.
    pub invalid_authtype: u64,
    /// Packets of an authentication type that is not ours.
    pub authtype_mismatch: u64,
    /// Packets with the wrong password.
    pub auth_failure: u64,
    /// `auth_hmac`: adverts without a trailer.
    pub auth_ext_missing: u64,
    /// `auth_hmac`: trailers of another type.
    pub auth_ext_malformed: u64,
    /// `auth_hmac`: adverts signed with a key that is not configured.
    pub auth_ext_unknown_key: u64,
    /// `auth_hmac`: digests that are wrong.
    pub auth_ext_invalid_hmac: u64,
    /// `auth_hmac`: adverts from outside the time window.
    pub auth_ext_stale: u64,
    /// `auth_hmac`: adverts that were believed before.
    pub auth_ext_replay: u64,
    /// Resignations received.
    pub pri_zero_rcvd: u64,
    /// Resignations sent.
    pub pri_zero_sent: u64,
    /// Packets of another version; keepalived does not count these.
    pub version_err: u64,
    /// Packets with a wrong checksum; keepalived does not count these.
    pub checksum_err: u64,
    /// Packets sent to another address than our group; keepalived does not count these.
    pub destination_err: u64,
    /// Unicast packets from others than the peers; keepalived does not count these.
    pub not_a_peer: u64,
    /// Adverts believed from a clock that drifts; keepalived does not count these.
    pub clock_skew: u64,
    /// Adverts with our own address and priority while master; keepalived does not count these.
    pub own_address_err: u64,
    /// Times that another program took away an address, route, rule, VMAC interface or the nftables of one while master;
    /// keepalived does not count these.
    pub objects_lost: u64,
}
