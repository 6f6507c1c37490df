//! x
use holdfast::lab::*;
use std::net::Ipv4Addr;
use std::time::Duration;

#[test]
fn smoke() {
    let lab = Lab::new().unwrap();
    let vip = Ipv4Addr::new(192, 0, 2, 10);
    let a = lab.host("a", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
    let b = lab.host("b", Ipv4Addr::new(192, 0, 2, 12)).unwrap();
    let conf = |state: &str, prio: u8| {
        format!(
            "vrrp_instance VI_1 {{\n state {state}\n interface eth0\n virtual_router_id 51\n priority {prio}\n advert_int 1\n authentication {{\n auth_type PASS\n auth_pass 1111\n }}\n virtual_ipaddress {{\n 192.0.2.10\n }}\n}}\n"
        )
    };
    let _na = Daemon::Keepalived.start(&a, &conf("MASTER", 150)).unwrap();
    let _nb = Daemon::Keepalived.start(&b, &conf("BACKUP", 100)).unwrap();
    lab.wait_until("a owns", Duration::from_secs(5), || lab.owners(vip) == ["a"])
        .unwrap();
    println!("{}", lab.report());
    let at = a.crash();
    lab.wait_until("b owns", Duration::from_secs(5), || lab.owners(vip) == ["b"])
        .unwrap();
    a.boot().unwrap();
    let _na = Daemon::Keepalived.start(&a, &conf("MASTER", 150)).unwrap();
    lab.wait_until("a owns", Duration::from_secs(5), || lab.owners(vip) == ["a"])
        .unwrap();
    println!("{}", lab.report());
}
