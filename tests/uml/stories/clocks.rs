//! The time of day is put right under a pair that signs its adverts with it: nobody takes over, no advert is refused. Both
//! nodes share the clock of this kernel: time namespaces have none of their own.

use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast::lab::{Daemon, Lab, wait_until};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, clock_gettime, clock_settime};

use super::stories;

stories![a_clock_that_is_put_right_moves_nobody];

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// It is one slow processor.
const SOON: Duration = Duration::from_secs(30);

fn configuration(priority: u8) -> String {
    format!(
        "vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority {priority}
             auth_hmac {{
                 key 1 0123456789abcdef0123456789abcdef
                 active_key 1
             }}
             virtual_ipaddress {{
                 {VIRTUAL}/24
             }}
         }}\n"
    )
}

fn a_clock_that_is_put_right_moves_nobody() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into());
    let [a, b] =
        [("a", 11), ("b", 12)].map(|(name, last)| lab.host(name, Ipv4Addr::new(192, 0, 2, last)).unwrap());
    let a = daemon.start(&a, &configuration(200)).unwrap();
    let eventually = |what: &str, condition: &dyn Fn() -> bool| {
        let seen = wait_until(SOON, condition);
        assert!(seen.is_some(), "{what}\n{}", lab.report());
    };
    eventually("a is master", &|| lab.owners(VIRTUAL) == ["a"]);
    let b = daemon.start(&b, &configuration(100)).unwrap();
    eventually("b follows a", &|| b.said("master set to 192.0.2.11") == 1);
    for by in [3600, -7200, 2, -2, 86_400 * 365, -86_400 * 365] {
        let sent = lab.capture.adverts("a").len();
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        clock_settime(ClockId::CLOCK_REALTIME, now + TimeSpec::seconds(by)).unwrap();
        eventually("a goes on", &|| lab.capture.adverts("a").len() >= sent + 5);
        assert_eq!(lab.owners(VIRTUAL), ["a"], "by {by} s");
    }
    assert_eq!(b.said("Entering MASTER STATE"), 0, "{}", lab.report());
    assert_eq!(a.said("Entering MASTER STATE"), 1);
    assert_eq!(b.said("HMAC"), 0, "b refused an advert");
}
