//! The checkers of a real server.

use std::time::Duration;

use super::text::{Text, hex, script_word};
use crate::config::Checker;
use crate::config::checker::{Connection, Http, HttpProtocol, Misc, Nibbles, Probe, Regex, Udp, Url};
use crate::config::pace::Timing;

/// `delay_loop` is the virtual server's.
pub(super) fn show(text: &mut Text, checker: &Checker, delay_loop: Duration) {
    text.block(checker.probe.keyword(), |text| {
        match &checker.probe {
            Probe::Tcp(to) | Probe::Ping(to) => connection(text, to, &checker.timing),
            Probe::Http(http) => {
                connection(text, &http.connection, &checker.timing);
                pages(text, http);
            }
            Probe::Smtp(smtp) => {
                connection(text, &smtp.connection, &checker.timing);
                text.word("helo_name", &smtp.helo_name);
            }
            Probe::Dns(dns) => {
                connection(text, &dns.connection, &checker.timing);
                text.set("type", dns.kind.name());
                text.word("name", &format!("{}.", dns.name));
            }
            Probe::Udp(udp) => {
                connection(text, &udp.connection, &checker.timing);
                datagrams(text, udp);
            }
            Probe::Misc(misc) => program(text, misc, delay_loop),
            Probe::File(file) => {
                text.word("track_file", &file.track_file);
                let reverse = if file.reverse { "reverse" } else { "noreverse" };
                return text.set("weight", format_args!("{} {reverse}", file.weight));
            }
            Probe::Bfd(bfd) => {
                text.word("name", &bfd.name);
                return text.set("alpha", checker.alpha);
            }
        }
        timing(text, &checker.timing);
        text.set("alpha", checker.alpha);
        text.set("log_all_failures", checker.log_all_failures);
    });
}

fn connection(text: &mut Text, to: &Connection, timing: &Timing) {
    text.set("connect_ip", to.address);
    text.set_some("connect_port", (to.port != 0).then_some(to.port));
    if let Some(source) = &to.source {
        text.set_some("bindto", source.bindto);
        text.set_some("bind_port", (source.bind_port != 0).then_some(source.bind_port));
        text.word_some("bind_if", source.bind_if.as_deref());
        text.set("fwmark", source.fwmark);
    }
    text.seconds("connect_timeout", timing.connect_timeout);
}

fn timing(text: &mut Text, timing: &Timing) {
    text.seconds("delay_loop", timing.delay_loop);
    text.set("retry", timing.retry);
    text.seconds("delay_before_retry", timing.delay_before_retry);
    text.seconds("warmup", timing.warmup);
}

fn pages(text: &mut Text, http: &Http) {
    text.set(
        "http_protocol",
        match http.protocol {
            HttpProtocol::Http10 => "1.0",
            HttpProtocol::Http10Close => "1.0C",
            HttpProtocol::Http11 => "1.1",
        },
    );
    text.set("fast_recovery", http.fast_recovery);
    // Where every url sends the same server name, `sni_name` is it. Else each sends its own virtualhost.
    let sends = http.tls.is_some_and(|tls| tls.sni);
    let mut names = http.urls.iter().map(|url| url.server_name.as_deref());
    let first = names.next().flatten();
    let common = first.filter(|first| names.all(|name| name == Some(first)));
    match common {
        Some(name) => text.word("sni_name", name),
        None if http.tls.is_some() => text.set("enable_sni", sends),
        None => {}
    }
    for url in &http.urls {
        let by_virtualhost = !sends || common.is_some() || url.host == url.server_name;
        page(text, url, by_virtualhost, http.tls.is_some());
    }
}

/// If not `by_virtualhost`, the host is that of the real server and the name that of the virtual server.
fn page(text: &mut Text, url: &Url, by_virtualhost: bool, is_tls: bool) {
    text.block("url", |text| {
        text.word("path", &url.path);
        text.word_some("virtualhost", url.host.as_deref().filter(|_| by_virtualhost));
        if is_tls {
            text.set("tls_compliant", url.tls_compliant);
        }
        let status = url.status.iter().map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        });
        text.set("status_code", status.collect::<Vec<_>>().join(" "));
        text.set_some("digest", url.digest.map(|digest| hex(&digest)));
        if let Some(expression) = &url.regex {
            regex(text, expression);
        }
    });
}

fn regex(text: &mut Text, regex: &Regex) {
    text.set("regex", script_word(&regex.pattern.text));
    text.flag("regex_no_match", regex.no_match);
    let options = regex.pattern.options.iter().map(|option| option.name());
    let options: Vec<&str> = options.collect();
    if !options.is_empty() {
        text.set("regex_options", options.join(" "));
    }
    text.set("regex_min_offset", regex.min_offset);
    text.set_some("regex_max_offset", regex.max_offset);
    text.set_some(
        "regex_stack",
        regex.stack.map(|(first, most)| format!("{first} {most}")),
    );
}

fn datagrams(text: &mut Text, udp: &Udp) {
    if let Some(payload) = &udp.payload {
        text.word("payload", &hex(payload));
    }
    if let Some(reply) = &udp.reply {
        match &reply.pattern {
            Some(pattern) => text.word(
                "require_reply",
                &pattern.iter().copied().map(pattern_byte).collect::<String>(),
            ),
            None => text.line("require_reply"),
        }
        text.set("min_reply_length", reply.min_length);
        text.set("max_reply_length", reply.max_length);
    }
}

fn pattern_byte(byte: Nibbles) -> String {
    let digit = |mask: u8, value: u8| match mask {
        0 => "X".to_owned(),
        _ => format!("{value:x}"),
    };
    digit(byte.mask >> 4, byte.value >> 4) + &digit(byte.mask & 0xf, byte.value & 0xf)
}

fn program(text: &mut Text, misc: &Misc, delay_loop: Duration) {
    text.set("misc_path", script_word(&misc.script.text));
    text.run_as("user", misc.script.run_as.as_ref());
    // The default need not be whole seconds.
    if misc.timeout != delay_loop {
        text.seconds("misc_timeout", misc.timeout);
    }
    text.flag("misc_dynamic", misc.dynamic);
}
