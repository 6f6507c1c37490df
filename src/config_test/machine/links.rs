//! What a configuration asks of the interfaces that are there: multicast, and room for the addresses in one packet.
//! Absent: interfaces that are not there, which the module above reports.

use netlink::{Link, Netlink};
use parser::config::{Config, VrrpInstance};
use parser::report::Class;

use super::Finding;

/// Adds what is wrong with the interfaces of the instances.
pub(super) fn judge(config: &Config, namespace: Option<&str>) -> Vec<Finding> {
    if config.vrrp_instances.is_empty() {
        return Vec::new();
    }
    let links = links(namespace);
    let with_links = config.vrrp_instances.iter().filter_map(|instance| {
        let link = links.iter().find(|link| link.name == instance.interface)?;
        Some((instance, link))
    });
    with_links
        .flat_map(|(instance, link)| [multicast(instance, link), room(instance, link)])
        .flatten()
        .collect()
}

/// Every interface; none if the kernel cannot be asked, or there is no such namespace.
fn links(namespace: Option<&str>) -> Vec<Link> {
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        runtime.block_on(async { Netlink::open().ok()?.links().await.ok() })
    };
    let links = match namespace {
        // The caller may be inside a runtime, which must not wait for another one on the same thread.
        None => std::thread::spawn(look).join().unwrap_or_default(),
        Some(namespace) => netlink::namespace::open(namespace)
            .and_then(|namespace| netlink::namespace::run_in(namespace, look))
            .unwrap_or_default(),
    };
    links.unwrap_or_default()
}

/// Adverts to a group need multicast, and strict mode lets an interface that has it send to a group only.
fn multicast(instance: &VrrpInstance, link: &Link) -> Option<Finding> {
    let (word, what) = match (instance.unicast, link.multicast) {
        (false, false) => (
            &*instance.interface,
            "does not support multicast, which adverts need without `unicast_peer`",
        ),
        (true, true) if instance.strict_mode => (
            "unicast_peer",
            "supports multicast, so that strict mode allows no unicast peers",
        ),
        _ => return None,
    };
    Some(Finding {
        place: instance.place,
        word: word.to_owned(),
        class: Class::General,
        what: format!(
            "({}) interface `{}` {what}; the instance is ignored",
            instance.name, link.name
        ),
    })
}

/// An advert is one packet.
fn room(instance: &VrrpInstance, link: &Link) -> Option<Finding> {
    let most = vrrp::address_room(instance, link.mtu);
    let count = instance.virtual_ipaddress.len();
    (count > most).then(|| Finding {
        place: instance.place,
        word: "virtual_ipaddress".to_owned(),
        class: Class::General,
        what: format!(
            "({}) an advert on `{}` holds {most} addresses in its MTU of {}; {} are moved to virtual_ipaddress_excluded",
            instance.name,
            link.name,
            link.mtu,
            count - most
        ),
    })
}
