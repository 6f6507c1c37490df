//! `real_server`.

use std::time::Duration;

use super::checker;
use super::text::Text;
use super::virtual_server::{forwarding, pace};
use crate::config::RealServer;

/// `delay_loop` is the virtual server's.
pub(super) fn show(text: &mut Text, server: &RealServer, delay_loop: Duration) {
    let head = format!("real_server {} {}", server.address, server.port);
    text.block(head, |text| {
        text.set("weight", server.weight);
        text.set("lvs_method", forwarding(server.forwarding));
        text.set("uthreshold", server.upper_threshold);
        text.set("lthreshold", server.lower_threshold);
        text.set("inhibit_on_failure", server.inhibit_on_failure);
        text.set("alpha", server.alpha);
        text.set("smtp_alert", server.smtp_alert);
        pace(text, &server.pace);
        if let Some(extras) = &server.extras {
            text.word_some("virtualhost", extras.virtualhost.as_deref());
            text.word_some("snmp_name", extras.snmp_name.as_deref());
            text.script("notify_up", extras.notify_up.as_ref());
            text.script("notify_down", extras.notify_down.as_ref());
        }
        for checker in &server.checkers {
            checker::show(text, checker, delay_loop);
        }
    });
}
