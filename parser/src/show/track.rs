//! What instances track: `track_file`, `vrrp_track_process`, `bfd_instance`.

use std::time::Duration;

use super::text::{Text, word};
use crate::config::vrrp_track_process::ProcessMatch;
use crate::config::{BfdInstance, TrackFile, TrackProcess};

pub(super) fn file(text: &mut Text, file: &TrackFile) {
    text.block(format_args!("track_file {}", word(&file.name)), |text| {
        text.word("file", &file.path);
        weight(text, file.weight, file.reverse);
        if let Some(init) = file.init {
            let overwrite = if init.overwrite { " overwrite" } else { "" };
            text.set("init_file", format_args!("{}{overwrite}", init.value));
        }
    });
}

pub(super) fn process(text: &mut Text, process: &TrackProcess) {
    text.block(
        format_args!("vrrp_track_process {}", word(&process.name)),
        |text| {
            let words: Vec<String> = process.process.iter().map(|part| word(part)).collect();
            text.set("process", words.join(" "));
            match process.matching {
                ProcessMatch::Name => {}
                ProcessMatch::Exact => text.line("param_match"),
                ProcessMatch::Initial => text.line("param_match initial"),
                ProcessMatch::Partial => text.line("param_match partial"),
            }
            weight(text, process.weight, process.reverse);
            // `quorum_max 0` says of itself that none may run.
            let (least, most) = (*process.quorum.start(), *process.quorum.end());
            text.set_some("quorum", (least != 0).then_some(least));
            text.set("quorum_max", most);
            text.seconds_unless_zero("terminate_delay", process.terminate_delay);
            text.seconds_unless_zero("fork_delay", process.fork_delay);
        },
    );
}

pub(super) fn bfd(text: &mut Text, session: &BfdInstance) {
    text.block(format_args!("bfd_instance {}", word(&session.name)), |text| {
        text.set("neighbor_ip", session.neighbor_ip);
        text.set_some("source_ip", session.source_ip);
        text.set("min_rx", millis(session.min_rx));
        text.set("min_tx", millis(session.min_tx));
        text.set("idle_tx", millis(session.idle_tx));
        text.set("multiplier", session.multiplier);
        text.flag("passive", session.passive);
        text.set("ttl", session.ttl);
        text.set("max_hops", session.max_hops.map_or(-1, i16::from));
        text.set("multihop", session.multihop);
        weight(text, session.weight, session.reverse);
        text.flag("vrrp", !session.for_checker);
        text.flag("checker", !session.for_vrrp);
    });
}

/// `weight` of a block that defines what is tracked.
pub(super) fn weight(text: &mut Text, weight: i16, reverse: bool) {
    let reverse = if reverse { " reverse" } else { "" };
    text.set("weight", format_args!("{weight}{reverse}"));
}

/// Decimal milliseconds to the microsecond.
fn millis(duration: Duration) -> String {
    let micros = duration.as_micros();
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
