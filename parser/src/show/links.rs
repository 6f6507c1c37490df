//! `linkbeat_interfaces` and `interface_up_down_delays`.

use super::text::{seconds, word};
use crate::config::linkbeat_interfaces::LinkbeatMethod;
use crate::config::{LinkbeatInterface, UpDownDelay};

pub(super) fn linkbeat(line: &LinkbeatInterface) -> String {
    let method = match line.method {
        LinkbeatMethod::Auto => "",
        LinkbeatMethod::Mii => " MII",
        LinkbeatMethod::Ethtool => " ETHTOOL",
        LinkbeatMethod::Ioctl => " IOCTL",
    };
    word(&line.interface) + method
}

pub(super) fn delay(line: &UpDownDelay) -> String {
    format!(
        "{} {} {}",
        word(&line.interface),
        seconds(line.down),
        seconds(line.up)
    )
}
