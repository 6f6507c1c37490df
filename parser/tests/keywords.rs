//! Every keyword of keepalived 2.4.3 is known and takes what keepalived takes.

mod common;
#[path = "common/lvs.rs"]
mod lvs;

/// A configuration with one setting in one block.
fn configuration(block: &str, keyword: &str, arguments: &str) -> String {
    let setting = format!("{keyword} {}", arguments.replace("\\n", "\n"));
    let instance = |inside: &str| {
        format!(
            "vrrp_script chk {{\nscript /x\n}}\ntrack_file f {{\nfile /x\n}}\n\
             vrrp_track_process p {{\nprocess x\n}}\nbfd_instance b {{\nneighbor_ip 10.0.0.2\n}}\n\
             vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 90\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n{inside}\n}}\n"
        )
    };
    match block {
        "top" => setting,
        "vrrp_script" => format!("vrrp_script S {{\nscript /x\n{setting}\n}}\n"),
        "vrrp_instance" => instance(&setting),
        "authentication" => instance(&format!(
            "authentication {{\nauth_type PASS\nauth_pass y\n{setting}\n}}"
        )),
        "auth_hmac" => {
            let key = "key 1 0123456789abcdef0123456789abcdef\nactive_key 1";
            instance(&format!("auth_hmac {{\n{key}\n{setting}\n}}"))
        }
        "virtual_ipaddress" => {
            let setting = setting.strip_prefix("(address)").unwrap_or(&setting);
            instance(&format!(
                "virtual_ipaddress {{\n10.0.0.10{} {setting}\n}}",
                prefix(keyword)
            ))
        }
        "static_ipaddress" => {
            format!(
                "track_group g {{\ngroup {{\nV\n}}\n}}\nstatic_ipaddress {{\n10.0.0.10/24 {setting}\n}}\n"
            )
        }
        "virtual_server" => format!(
            "virtual_server 10.0.0.1 80 {{\nprotocol UDP\nlvs_sched sh\nlvs_method NAT\nsorry_server 10.0.0.9 80\n\
             {setting}\nreal_server 10.0.0.2 80 {{\nweight 2147483647\n}}\n}}\n"
        ),
        other => lvs::around(other, &format!("{}{setting}", needed(other, keyword)))
            .unwrap_or_else(|| format!("{other} {{\n{setting}\n}}\n")),
    }
}

/// The setting that a checker cannot do without.
fn needed(block: &str, keyword: &str) -> &'static str {
    match (block, keyword) {
        (_, "path" | "misc_path" | "name" | "track_file") => "",
        ("url" | "ssl_url", _) => "path /\n",
        ("misc_check", _) => "misc_path /x\n",
        ("bfd_check", _) => "name b\n",
        ("file_check", _) => "track_file f\n",
        _ => "",
    }
}

/// A peer has the prefix itself.
fn prefix(keyword: &str) -> &'static str {
    if keyword == "peer" { "" } else { "/24" }
}

#[test]
fn every_keyword_takes_the_edges_of_its_range() {
    let mut failures = Vec::new();
    for row in include_str!("keywords.tsv")
        .lines()
        .filter(|row| !row.starts_with('#'))
    {
        let [block, keyword, arguments, status] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not four columns: {row}")
        };
        let text = configuration(block, keyword, arguments);
        let reading = common::read(&text);
        if (reading.report.exit_status() as u8).to_string() != status {
            failures.push(format!(
                "{block} {keyword} {arguments}: {:?}",
                common::mistakes(&text)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_word_that_is_no_keyword_is_reported_once_in_every_block() {
    for block in [
        "global_defs",
        "vrrp_instance",
        "vrrp_script",
        "authentication",
        "virtual_server",
        "real_server",
        "tcp_check",
        "http_get",
        "ssl_get",
        "url",
        "ssl_url",
        "smtp_check",
        "smtp_check_host",
        "dns_check",
        "udp_check",
        "misc_check",
        "file_check",
        "bfd_check",
        "ping_check",
        "ssl",
        "top",
    ] {
        let mistakes = common::mistakes(&configuration(block, "no_such_keyword", "1"));
        assert_eq!(
            mistakes
                .iter()
                .filter(|line| line.contains("no_such_keyword"))
                .count(),
            1,
            "{block}: {mistakes:?}"
        );
    }
}
