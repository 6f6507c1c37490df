//! How long a large configuration takes to read, and how much memory: `cargo run --release -p parser --example
//! many_servers -- [VIRTUAL_SERVERS] [REAL_SERVERS_OF_EACH]`. With `--print` it prints the configuration instead.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Instant;

use parser::Options;
use parser::source::Memory;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let (virtual_servers, real_servers) = (numbers.next().unwrap_or(5000), numbers.next().unwrap_or(10));
    let text = configuration(virtual_servers, real_servers);
    if arguments.iter().any(|argument| argument == "--print") {
        print!("{text}");
        return;
    }
    let bytes = text.len();
    let host = Memory::new([("/many.conf", text.as_str())]);
    drop(text);
    let before = resident("VmRSS");
    let start = Instant::now();
    let reading = parser::read(&host, &["/many.conf"], &Options::default());
    let elapsed = start.elapsed();
    let servers: usize = reading
        .config
        .virtual_servers
        .iter()
        .map(|server| server.real_servers.len())
        .sum();
    println!(
        "{servers} real servers, {bytes} bytes, {} mistakes: {elapsed:.3?}; {before} kB before, {} kB after, {} kB at most",
        reading.report.mistakes.len(),
        resident("VmRSS"),
        resident("VmHWM"),
    );
}

/// Virtual servers with `TCP_CHECK` and `HTTP_GET` in turn.
fn configuration(virtual_servers: u32, real_servers: u32) -> String {
    let mut text = String::new();
    for index in 0..virtual_servers {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + index);
        let check = if index % 2 == 0 {
            "        TCP_CHECK {\n            connect_timeout 3\n            connect_port 80\n        }\n"
        } else {
            "        HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n        }\n"
        };
        _ = writeln!(
            text,
            "virtual_server {address} 80 {{\n    delay_loop 5\n    lvs_sched rr"
        );
        _ = writeln!(text, "    lvs_method NAT\n    protocol TCP\n");
        for server in 0..real_servers {
            let address = Ipv4Addr::from_bits(0xc0a8_0000 + server);
            _ = writeln!(
                text,
                "    real_server {address} 80 {{\n        weight 1\n{check}    }}"
            );
        }
        text += "}\n";
    }
    text
}

/// A line of `/proc/self/status` in kB; 0 where there is none.
fn resident(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
