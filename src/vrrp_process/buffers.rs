//! Which sockets the instances need, and how large a receive buffer each asks for.

use std::collections::BTreeMap;

use parser::config::global_defs::{ReceiveBuffers, ReceivePolicy};
use vrrp::{Endpoint, Instance};

/// Without a policy, in bytes: half a second of adverts from a thousand routers at 10 ms.
const GENEROUS: usize = 8 << 20;

/// The sockets, each with the bytes of its receive buffer: the sum of what its instances ask for.
pub(super) fn wanted<'a>(
    policy: &ReceiveBuffers,
    instances: impl Iterator<Item = &'a Instance>,
) -> BTreeMap<Endpoint, usize> {
    let mut wanted = BTreeMap::new();
    for instance in instances {
        if let Some(endpoint) = instance.endpoint {
            let bytes: &mut usize = wanted.entry(endpoint).or_default();
            *bytes = bytes.saturating_add(share(policy, instance)).min(MOST);
        }
    }
    wanted
}

/// More than this is a mistake, and no number that the kernel takes.
const MOST: usize = 1 << 30;

fn share(policy: &ReceiveBuffers, instance: &Instance) -> usize {
    let once: usize = match (instance.config.kernel_rx_buf_size, policy.policy) {
        (Some(bytes), _) => return to_usize(bytes),
        (None, ReceivePolicy::System) => return GENEROUS,
        (None, ReceivePolicy::Bytes(bytes)) => to_usize(bytes),
        (None, ReceivePolicy::Mtu) => to_usize(instance.mtu),
        (None, ReceivePolicy::Advert) => instance.advert_len(),
    };
    once.saturating_mul(to_usize(policy.multiplier))
}

fn to_usize(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
