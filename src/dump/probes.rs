//! Checkers in `keepalived_check.data`, and the files and sessions that they watch.

use std::time::Duration;

use checkers::CheckerStanding;
use parser::config::RealServer;
use parser::config::checker::{Connection, File, Http, HttpProtocol, Misc, Probe, Udp, Url};

use crate::dump::checkers::{View, nth_service, on_off};
use crate::dump::{Lines, words};

/// The heading, if there are checkers.
pub(super) fn heading(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let services = view.config.virtual_servers.iter();
    let mut servers = services.flat_map(|service| &service.real_servers);
    if item == 0 && servers.any(|server| !server.checkers.is_empty()) {
        lines.section("Health checkers");
    }
    item == 0
}

/// The checkers of a virtual server's real servers that are of some kinds.
pub(super) fn of_service(
    view: &View<'_>,
    item: usize,
    lines: &mut Lines,
    counts: impl Fn(&Probe) -> bool,
) -> bool {
    let Some((id, config)) = nth_service(view, item) else {
        return false;
    };
    let Some(standing) = view.engine.standing(id) else {
        return true;
    };
    let inherited = config.virtualhost.as_deref();
    for ((id, server, _), label) in view.engine.servers(id).zip(&standing.servers) {
        let inherited = host_of(server).or(inherited);
        for checker in view.engine.checkers(id) {
            if counts(&checker.config.probe) {
                lines.line(1, format_args!("{} -> {}", standing.label, label.label));
                one(view, &checker, inherited, lines);
            }
        }
    }
    true
}

/// What checkers watch, each with those that do.
pub(super) fn watched(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    if item > 0 {
        return false;
    }
    let (mut files, mut sessions) = (Vec::new(), Vec::new());
    for id in view.engine.services() {
        let Some(standing) = view.engine.standing(id) else {
            continue;
        };
        for ((_, server, _), label) in view.engine.servers(id).zip(&standing.servers) {
            for checker in &server.checkers {
                match &checker.probe {
                    Probe::File(file) => {
                        let weight = &file_word(file)[file.track_file.len()..];
                        let who = format!("{} -> {}{weight}", standing.label, label.label);
                        files.push((&file.track_file, who));
                    }
                    Probe::Bfd(bfd) => sessions.push((&bfd.name, label.label.clone())),
                    _ => {}
                }
            }
        }
    }
    if !files.is_empty() {
        lines.section("Checker track files");
    }
    for file in &view.config.track_files {
        let mut watching = files.iter().filter(|(name, _)| ***name == *file.name).peekable();
        if watching.peek().is_none() {
            continue;
        }
        lines.line(1, format_args!("Track file = {}", file.name));
        lines.pair(3, "File", &file.path);
        lines.pair(3, "Status", view.engine.file(&file.name).unwrap_or(0));
        let reverse = if file.reverse { " reverse" } else { "" };
        lines.pair(3, "Weight", format_args!("{}{reverse}", file.weight));
        lines.list(3, "Tracking instances :", watching.map(|(_, who)| who));
    }
    if !sessions.is_empty() {
        lines.section("Checker track BFDs");
    }
    for session in &view.config.bfd_instances {
        let mut watching = sessions
            .iter()
            .filter(|(name, _)| ***name == *session.name)
            .peekable();
        if watching.peek().is_none() {
            continue;
        }
        lines.line(1, format_args!("Checker Track BFD = {}", session.name));
        lines.line(3, format_args!("Tracking RS :"));
        for (_, who) in watching {
            lines.line(3, format_args!("{who}"));
        }
    }
    true
}

/// `NAME, weight N [reverse]`.
pub(super) fn file_word(file: &File) -> String {
    let reverse = if file.reverse { " reverse" } else { "" };
    format!("{}, weight {}{reverse}", file.track_file, file.weight)
}

fn host_of(server: &RealServer) -> Option<&str> {
    server.extras.as_ref()?.virtualhost.as_deref()
}

fn one(view: &View<'_>, checker: &CheckerStanding<'_>, inherited: Option<&str>, lines: &mut Lines) {
    let config = checker.config;
    lines.pair(3, "Enabled", words::yes_no(checker.enabled));
    lines.pair(3, "Up", words::yes_no(checker.up));
    lines.pair(3, "Has run", words::yes_no(checker.has_run));
    lines.pair(3, "Current weight", checker.contribution);
    if !matches!(config.probe, Probe::File(_)) {
        lines.pair(3, "Alpha", words::yes_no(config.alpha));
        pace(checker, lines);
    }
    lines.pair(3, "Log all failures", words::yes_no(config.log_all_failures));
    let timeout = config.timing.connect_timeout;
    match &config.probe {
        Probe::Tcp(tcp) => {
            connection(tcp, timeout, lines);
            lines.pair(3, "Keepalive method", "TCP_CHECK");
        }
        Probe::Ping(ping) => {
            connection(ping, timeout, lines);
            lines.pair(3, "Keepalive method", "PING_CHECK");
        }
        Probe::Http(http) => {
            connection(&http.connection, timeout, lines);
            pages(http, config.probe.keyword(), inherited, lines);
        }
        Probe::Smtp(smtp) => {
            connection(&smtp.connection, timeout, lines);
            lines.pair(3, "Keepalive method", "SMTP_CHECK");
            lines.pair(3, "helo", &smtp.helo_name);
        }
        Probe::Dns(dns) => {
            connection(&dns.connection, timeout, lines);
            lines.pair(3, "Keepalive method", "DNS_CHECK");
            lines.pair(3, "Type", dns.kind.name());
            lines.pair(3, "Name", &dns.name);
        }
        Probe::Udp(udp) => {
            connection(&udp.connection, timeout, lines);
            lines.pair(3, "Keepalive method", "UDP_CHECK");
            datagrams(udp, lines);
        }
        Probe::Misc(misc) => program(view, misc, checker, lines),
        Probe::File(file) => {
            lines.pair(3, "Keepalive method", "FILE_CHECK");
            lines.pair(5, "Tracked file", &file.track_file);
            lines.pair(5, "Reloaded", "No");
        }
        Probe::Bfd(bfd) => {
            lines.pair(3, "Keepalive method", "BFD_CHECK");
            lines.pair(3, "Name", &bfd.name);
            lines.line(3, format_args!("Alpha is {}", on_off(config.alpha)));
        }
    }
}

fn pace(checker: &CheckerStanding<'_>, lines: &mut Lines) {
    let timing = &checker.config.timing;
    let micros = |time: Duration| format!("{} us", time.as_micros());
    let default = match checker.config.probe {
        Probe::Http(_) => Duration::from_secs(3),
        Probe::Dns(_) => Duration::ZERO,
        _ => Duration::from_secs(1),
    };
    if let Probe::Bfd(_) = checker.config.probe {
        // It has no pace, for which keepalived has the greatest numbers.
        lines.line(3, format_args!("Delay loop = {} us", u64::MAX));
        lines.line(3, format_args!("Warmup = {} us", u64::MAX));
        lines.pair(3, "Retries", u32::MAX);
        lines.line(3, format_args!("Delay before retry = {} us", u64::MAX));
        lines.pair(3, "Retries iterations", u32::MAX);
    } else {
        lines.pair(3, "Delay loop", micros(timing.delay_loop));
        lines.pair(3, "Warmup", micros(timing.warmup));
        lines.pair(3, "Retries", timing.retry);
        if timing.retry > 0 {
            lines.pair(3, "Delay before retry", micros(timing.delay_before_retry));
            // Before its first result one failure is enough, as if all others had been endured.
            let endured = if checker.has_run {
                checker.failures
            } else {
                timing.retry
            };
            lines.pair(3, "Retries iterations", endured);
        }
    }
    lines.pair(3, "Default delay before retry", micros(default));
}

fn connection(connection: &Connection, timeout: Duration, lines: &mut Lines) {
    lines.line(3, format_args!("Connection"));
    let (address, port) = (connection.address, connection.port);
    lines.line(5, format_args!("Dest = [{address}]:{port}"));
    if let Some(source) = &connection.source {
        if let Some(address) = source.bindto {
            lines.line(5, format_args!("Bind to = [{address}]:{}", source.bind_port));
        }
        if let Some(interface) = &source.bind_if {
            lines.pair(5, "Bind i/f", interface);
        }
        if source.fwmark != 0 {
            lines.pair(5, "Mark", source.fwmark);
        }
    }
    lines.pair(5, "Timeout", words::seconds(timeout));
}

/// `inherited` is the host of the real or virtual server. What the configuration keeps is the host of each page: one
/// that all have and none inherits is told as the checker's.
fn pages(http: &Http, keyword: &str, inherited: Option<&str>, lines: &mut Lines) {
    let version = match http.protocol {
        HttpProtocol::Http10 => "1.0",
        HttpProtocol::Http10Close => "1.0C",
        HttpProtocol::Http11 => "1.1",
    };
    lines.pair(
        3,
        "Keepalive method",
        format_args!("{keyword}, http protocol {version}"),
    );
    let first = http.urls.first().and_then(|url| url.host.as_deref());
    let is_common = http.urls.iter().all(|url| url.host.as_deref() == first);
    let common = first.filter(|_| is_common).or(inherited);
    if let Some(host) = common.filter(|_| common != inherited) {
        lines.pair(3, "Virtualhost", host);
    }
    let sni = http.tls.as_ref().is_some_and(|tls| tls.sni);
    let un = |on: bool| if on { "" } else { "un" };
    lines.line(3, format_args!("Enable SNI {}set", un(sni)));
    lines.line(3, format_args!("Fast recovery {}set", un(http.fast_recovery)));
    for url in &http.urls {
        page(url, common, lines);
    }
}

fn page(url: &Url, common: Option<&str>, lines: &mut Lines) {
    lines.pair(3, "Checked url", &url.path);
    if let Some(digest) = url.digest {
        let bytes = digest.map(|byte| format!("{byte:02x}"));
        lines.pair(5, "digest", bytes.concat());
    }
    let statuses = url.status.iter().map(|range| match (range.start(), range.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    });
    lines.list(5, "HTTP Status Code(s)", statuses);
    if let Some(host) = url.host.as_deref().filter(|host| Some(*host) != common) {
        lines.pair(5, "Virtual host", host);
    }
    let Some(regex) = &url.regex else { return };
    lines.line(5, format_args!("Regex = \"{}\"", regex.pattern.text));
    if regex.no_match {
        lines.line(5, format_args!("Regex no match"));
    }
    match (regex.min_offset, regex.max_offset) {
        (0, None) => {}
        (min, None) => lines.pair(5, "Regex min offset", min),
        (min, Some(max)) => {
            lines.line(5, format_args!("Regex min offset = {min}, max_offset = {max}"));
        }
    }
    let options = regex.pattern.options.iter().map(|option| option.name());
    let options: Vec<&str> = options.collect();
    lines.line(5, format_args!("Regex options: {}", options.join(" ")));
    if let Some((start, max)) = regex.stack {
        lines.line(5, format_args!("Regex stack start {start}, max {max}"));
    }
}

fn datagrams(udp: &Udp, lines: &mut Lines) {
    match &udp.payload {
        Some(payload) => lines.pair(3, "Payload len", payload.len()),
        None => lines.pair(3, "Payload specified", "no"),
    }
    lines.pair(3, "Require reply", words::yes_no(udp.reply.is_some()));
    let Some(reply) = &udp.reply else { return };
    lines.pair(5, "Min reply length", reply.min_length);
    lines.pair(5, "Max reply length", reply.max_length);
    let pattern = reply.pattern.as_deref().unwrap_or_default();
    lines.pair(5, "Reply data len", pattern.len());
    if !pattern.is_empty() {
        let is_masked = pattern.iter().any(|byte| byte.mask != u8::MAX);
        lines.pair(5, "Reply data mask", words::yes_no(is_masked));
    }
}

fn program(view: &View<'_>, misc: &Misc, checker: &CheckerStanding<'_>, lines: &mut Lines) {
    lines.pair(3, "Keepalive method", "MISC_CHECK");
    lines.pair(3, "script", words::command(&misc.script));
    lines.pair(3, "timeout", misc.timeout.as_secs());
    lines.pair(3, "dynamic", if misc.dynamic { "YES" } else { "NO" });
    lines.pair(3, "uid:gid", view.users.of_script(&misc.script));
    let (began, status) = match checker.last_run {
        Some((began, status)) => (view.wall.since_epoch(began), status),
        None => (Duration::ZERO, 0),
    };
    lines.pair(3, "Last ran", words::moment_of_checker(began));
    lines.pair(3, "Last status", status);
}
