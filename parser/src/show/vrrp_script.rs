//! `vrrp_script`.

use super::text::{Text, script_word, word};
use super::track::weight;
use crate::config::VrrpScript;

pub(super) fn show(text: &mut Text, script: &VrrpScript) {
    text.block(format_args!("vrrp_script {}", word(&script.name)), |text| {
        text.set("script", script_word(&script.script.text));
        text.run_as("user", script.script.run_as.as_ref());
        text.seconds("interval", script.interval);
        text.seconds("timeout", script.timeout);
        weight(text, script.weight, script.reverse);
        text.set("rise", script.rise);
        text.set("fall", script.fall);
        text.flag("init_fail", script.init_fail);
    });
}
