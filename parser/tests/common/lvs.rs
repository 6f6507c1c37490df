//! Configurations of virtual servers around one line.

/// A configuration with one line in a block of virtual servers or their checkers; `None` for any other block.
pub(crate) fn around(block: &str, line: &str) -> Option<String> {
    let real_server = |inside: &str| {
        format!(
            "virtual_server 10.0.0.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.0.2 80 {{\n\
             {inside}\n}}\n}}\n"
        )
    };
    let url = |keyword: &str| {
        real_server(&format!(
            "{keyword} {{\nurl {{\npath /ok\n}}\nurl {{\n{line}\n}}\n}}"
        ))
    };
    let group = |address: &str| {
        let server = "protocol TCP\nlvs_sched rr\nlvs_method NAT\n";
        let server = format!("virtual_server group g {{\n{server}real_server {address} 80 {{\n}}\n}}\n");
        format!("virtual_server_group g {{\n{line}\n}}\n{server}")
    };
    Some(match block {
        "virtual_server" => {
            let server = "protocol TCP\nlvs_sched rr\nlvs_method NAT\n";
            format!("virtual_server 10.0.0.1 80 {{\n{server}{line}\nreal_server 10.0.0.2 80 {{\n}}\n}}\n")
        }
        "virtual_server_group" => group("10.9.0.2"),
        "virtual_server_group_ipv6" => group("2001:db8::2"),
        "real_server" => real_server(&format!("{line}\nTCP_CHECK {{\n}}")),
        "http_get" | "ssl_get" => {
            let keyword = block.to_uppercase();
            real_server(&format!("{keyword} {{\nurl {{\npath /\n}}\n{line}\n}}"))
        }
        "url" => url("HTTP_GET"),
        "ssl_url" => url("SSL_GET"),
        "smtp_check_host" => real_server(&format!("SMTP_CHECK {{\nhost {{\n{line}\n}}\n}}")),
        "file_check" => {
            let checker = real_server(&format!("FILE_CHECK {{\n{line}\n}}"));
            format!("track_file f {{\nfile /tmp/f\n}}\n{checker}")
        }
        "bfd_check" => {
            let checker = real_server(&format!("BFD_CHECK {{\n{line}\n}}"));
            format!("bfd_instance b {{\nneighbor_ip 10.0.0.2\nsource_ip 10.0.0.1\n}}\n{checker}")
        }
        "tcp_check" | "ping_check" | "smtp_check" | "dns_check" | "udp_check" | "misc_check" => {
            real_server(&format!("{} {{\n{line}\n}}", block.to_uppercase()))
        }
        "ssl" => format!("SSL {{\n{line}\n}}\n"),
        _ => return None,
    })
}
