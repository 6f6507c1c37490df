//! The receive buffers of netlink sockets, as a configuration may want them (`vrrp_netlink_cmd_rcv_bufs` and the like).

use netlink::ReceiveBuffer;
use parser::config::global_defs;

/// What the configuration asks for; `default` where it says nothing, or 0.
pub(crate) fn or(wish: global_defs::ReceiveBuffer, default: ReceiveBuffer) -> ReceiveBuffer {
    let bytes = wish.bytes.and_then(|bytes| usize::try_from(bytes).ok());
    match bytes {
        None | Some(0) => default,
        Some(bytes) => ReceiveBuffer {
            bytes,
            force: wish.force,
        },
    }
}
