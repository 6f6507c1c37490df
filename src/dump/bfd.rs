//! `keepalived_bfd.data`.

use std::time::Duration;

use bfd::{Engine, Session};
use parser::Config;

use crate::dump::{Kind, Lines, Place, Writer, global};

/// Writes the dump. Sessions are few, so that it is made at once.
pub(crate) fn write(writer: &mut Writer, engine: &Engine, config: &Config) {
    let mut lines = Lines::default();
    global::section(&mut lines, config, &global::Whose::Bfd);
    lines.section("BFD Data");
    lines.section("BFD Topology");
    for session in &engine.sessions {
        instance(&mut lines, session);
    }
    let temporary = std::env::var_os("TMPDIR");
    let place = Place::of(config, temporary.as_deref().map(std::path::Path::new));
    writer.write(place.path(Kind::Bfd), move || lines.into_text());
}

fn instance(lines: &mut Lines, session: &Session) {
    let (config, remote) = (&session.config, &session.remote);
    let micros = |time: Duration| format!("{} us", time.as_micros());
    lines.line(1, format_args!("BFD Instance = {}", session.name));
    lines.pair(3, "Neighbor IP", config.neighbor_ip);
    if let Some(source) = config.source_ip {
        lines.pair(3, "Source IP", source);
    }
    lines.pair(3, "Required min RX interval", micros(config.min_rx));
    lines.pair(3, "Desired min TX interval", micros(config.min_tx));
    lines.pair(3, "Desired idle TX interval", micros(config.idle_tx));
    lines.pair(3, "Detection multiplier", config.multiplier);
    lines.pair(3, "TTL", config.ttl);
    match config.max_hops {
        Some(hops) => lines.pair(3, "max_hops", hops),
        None => lines.pair(3, "max_hops", -1),
    }
    lines.pair(3, "passive", config.passive);
    let yes = |yes: bool| if yes { "Yes" } else { "No" };
    lines.pair(3, "send event to VRRP process", yes(config.for_vrrp));
    lines.pair(3, "send event to checker process", yes(config.for_checker));
    lines.pair(3, "local state", format!("{:?}", session.state));
    lines.pair(3, "remote state", format!("{:?}", remote.state));
    lines.pair(3, "local discriminator", format!("0x{:x}", session.discriminator));
    lines.pair(3, "remote discriminator", format!("0x{:x}", remote.discriminator));
    lines.pair(3, "local diag", session.diagnostic);
    lines.pair(3, "remote diag", remote.diagnostic);
    lines.pair(3, "remote min tx intv", micros(remote.desired_min_tx));
    // RFC 5880 6.8.1 has it begin with a microsecond; keepalived tells zero until the neighbour is heard.
    let is_heard = remote.discriminator != 0;
    let min_rx = if is_heard { remote.min_rx } else { Duration::ZERO };
    lines.pair(3, "remote min rx intv", micros(min_rx));
    lines.pair(3, "local demand", 0);
    lines.pair(3, "remote demand", u8::from(remote.demand));
    lines.pair(3, "remote detect multiplier", remote.multiplier);
    lines.line(3, format_args!("!poll, !final"));
    lines.pair(3, "local tx intv", micros(session.transmit_interval()));
    // RFC 5880 6.8.2: the slower of what it wants to send and what is wanted here.
    let remote_interval = if is_heard {
        remote.desired_min_tx.max(config.min_rx)
    } else {
        Duration::ZERO
    };
    lines.pair(3, "remote tx intv", micros(remote_interval));
    lines.pair(
        3,
        "local detection time",
        micros(session.detection_time().unwrap_or_default()),
    );
    // RFC 5880 6.8.4, as the neighbour computes it.
    let theirs = session.transmit_interval() * config.multiplier.into();
    lines.pair(
        3,
        "remote detection time",
        micros(if is_heard { theirs } else { Duration::ZERO }),
    );
}
