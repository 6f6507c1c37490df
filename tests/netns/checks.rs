//! Checkers and those they check: nginx (pages, TLS by name, client certificates), an SMTP server, a DNS server, echo,
//! scripts, files, and peers of our own that hang, drip, flood and lie. The kernel here needs no IPVS: verdicts stand in
//! the log.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use holdfast::lab::{Host, Process, wait_until};

use crate::scene::{Scene, holdfast, ready};

const NGINX: &str = "/usr/sbin/nginx";
const DNSMASQ: &str = "/usr/sbin/dnsmasq";
const PYTHON: &str = "/usr/bin/python3";

/// Longer than the slowest verdict: a peer that drips, twice.
const LIMIT: Duration = Duration::from_secs(30);

/// One real server and what is to become of it.
struct Case {
    checker: &'static str,
    verdict: &'static str,
}

const fn case(checker: &'static str, verdict: &'static str) -> Case {
    Case { checker, verdict }
}

/// `TO` is where the checker connects to; in what the log is to say `RS` is the real server.
const CASES: &[Case] = &[
    case("TCP_CHECK { TO 8001 }", "TCP connection to RS success."),
    case(
        "TCP_CHECK { TO 1 }",
        "TCP_CHECK on service RS failed. (Connection refused",
    ),
    case(
        "HTTP_GET { url { path / } TO 8001 }",
        "Remote Web server RS succeed on service.",
    ),
    case(
        "HTTP_GET { url { path / \n digest 0123456789abcdef0123456789abcdef } TO 8001 }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case(
        "HTTP_GET { url { path / \n digest DIGEST } TO 8001 }",
        "Remote Web server RS succeed on service.",
    ),
    case(
        "HTTP_GET { url { path / \n regex \"is [a-z]$\" } TO 8001 }",
        "Remote Web server RS succeed on service.",
    ),
    case(
        "HTTP_GET { url { path / \n regex \"is\" \n regex_no_match } TO 8001 }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case(
        "HTTP_GET { url { path /missing } TO 8001 }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case(
        "HTTP_GET { url { path /missing \n status_code 404 } http_protocol 1.1\n TO 8001 }",
        "Remote Web server RS succeed on service.",
    ),
    case(
        "HTTP_GET { url { path / \n virtualhost b.example \n regex \"name b\" } TO 8001 }",
        "Remote Web server RS succeed on service.",
    ),
    case(
        "HTTP_GET { url { path / } url { path /missing } TO 8001 }",
        "HTTP_CHECK on service RS failed. (",
    ),
    // TLS: the server of this name answers 200, the other one 403.
    case(
        "SSL_GET { enable_sni\n url { path / \n virtualhost a.example } TO 8443 }",
        "Remote Web server RS succeed on service.",
    ),
    case(
        "SSL_GET { url { path / \n virtualhost a.example } TO 8443 }",
        "SSL_CHECK on service RS failed. (",
    ),
    // It wants the certificate of the SSL block.
    case(
        "SSL_GET { url { path / } TO 8444 }",
        "Remote Web server RS succeed on service.",
    ),
    // No TLS there at all.
    case(
        "SSL_GET { url { path / } TO 8001 }",
        "SSL_CHECK on service RS failed. (",
    ),
    case(
        "SMTP_CHECK { helo_name lb.example\n TO 2525 }",
        "Remote SMTP server RS succeed on service.",
    ),
    case("SMTP_CHECK { TO 8001 }", "SMTP_CHECK "),
    case(
        "DNS_CHECK { type A\n name www.example\n TO 5353 }",
        "DNS_CHECK (RS) succeeded",
    ),
    case(
        "DNS_CHECK { type A\n name nobody.example\n retry 0\n TO 5353 }",
        "DNS_CHECK (RS) ",
    ),
    case(
        "UDP_CHECK { TO 1 }",
        "UDP_CHECK on service RS failed. (Connection refused",
    ),
    case(
        "UDP_CHECK { payload 00\n TO 5353 }",
        "UDP connection to RS success.",
    ),
    case(
        "PING_CHECK { connect_ip 127.0.0.1\n connect_timeout 1\n }",
        "ICMP connection to RS success.",
    ),
    case(
        "PING_CHECK { connect_ip ::1\n connect_timeout 1\n }",
        "ICMP connection to RS success.",
    ),
    case(
        "PING_CHECK { connect_ip 192.0.2.99\n connect_timeout 1\n }",
        "ICMP CHECK on service RS failed. (",
    ),
    case(
        "MISC_CHECK { misc_path \"/usr/bin/true\" }",
        "Misc check for [RS VS [192.0.2.10]:tcp:80] by [/usr/bin/true] succeeded.",
    ),
    case(
        "MISC_CHECK { misc_path \"/usr/bin/sleep 100\"\n misc_timeout 1 }",
        "Misc check for [RS VS [192.0.2.10]:tcp:80] by [/usr/bin/sleep] timed out.",
    ),
    case(
        "MISC_CHECK { misc_path \"/run/dynamic\"\n misc_dynamic }",
        "Changing weight from 1 to 7 for active service RS of VS [192.0.2.10]:tcp:80",
    ),
    case(
        "FILE_CHECK { track_file weight }",
        "Changing weight from 1 to 6 for active service RS of VS [192.0.2.10]:tcp:80",
    ),
    // Peers of our own.
    case(
        "HTTP_GET { url { path / } TO HANG }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case("SMTP_CHECK { TO HANG }", "SMTP_CHECK "),
    case(
        "SSL_GET { url { path / } TO HANG }",
        "SSL_CHECK on service RS failed. (",
    ),
    case(
        "HTTP_GET { url { path / } TO DRIP }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case(
        "HTTP_GET { url { path / } TO FLOODHEAD }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case(
        "HTTP_GET { url { path / \n regex nothing } TO FLOOD }",
        "HTTP_CHECK on service RS failed. (",
    ),
    case(
        "SSL_GET { url { path / } TO ALERT }",
        "SSL_CHECK on service RS failed. (",
    ),
    case(
        "SSL_GET { url { path / } TO DRIP }",
        "SSL_CHECK on service RS failed. (",
    ),
    case("SMTP_CHECK { TO FLOODHEAD }", "SMTP_CHECK "),
    case(
        "HTTP_GET { url { path / } TO LIE }",
        "does not match received bytes",
    ),
    case(
        "HTTP_GET { url { path / } TO SILENT }",
        "HTTP_CHECK on service RS failed. (",
    ),
];

#[test]
fn every_peer_gets_its_verdict() {
    if !ready() {
        return;
    }
    for program in [NGINX, DNSMASQ, PYTHON] {
        if !Path::new(program).exists() {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "nothing may be skipped here: needs {program}"
            );
            println!("skipped: needs {program}");
            return;
        }
    }
    let scene = Scene::new();
    let host = &scene.a;
    let _peers = start_peers(host);
    let hostile = [
        ("HANG", Peer::Hang),
        ("DRIP", Peer::Drip),
        ("FLOODHEAD", Peer::FloodHead),
        ("FLOOD", Peer::Flood),
        ("LIE", Peer::Lie),
        ("ALERT", Peer::Alert),
        ("SILENT", Peer::Silent),
    ]
    .map(|(word, peer)| (word, peer.start(host)));
    host.write_script("/run/dynamic", "#!/bin/sh\nexit 9\n").unwrap();
    host.write("/run/weight", "5\n").unwrap();

    let mut text = "
        global_defs {
            script_user root
        }
        SSL {
            certificate /run/client.pem
            key /run/client.key
        }
        track_file weight {
            file /run/weight
            weight 1
        }
        virtual_server 192.0.2.10 80 {
            delay_loop 1
            warmup 0
            retry 1
            lvs_sched rr
            lvs_method NAT
            protocol TCP
    "
    .to_owned();
    for (number, case) in (1..).zip(CASES) {
        let mut checker = case.checker.replace("DIGEST", DIGEST);
        for (word, port) in &hostile {
            checker = checker.replace(&format!("TO {word} "), &format!("TO {port} "));
        }
        let checker = checker
            .replace("TO ", "connect_ip 127.0.0.1\n connect_timeout 2\n connect_port ")
            .replace(" { ", " {\n ")
            .replace(" }", "\n }")
            .replace("} url", "}\n url");
        let _ = writeln!(text, "real_server 10.0.0.{number} 80 {{\n {checker}\n}}");
    }
    text.push_str("}\n");
    let node = holdfast().start(host, &text).unwrap();

    let missing = || {
        let lines = node.process.log.since(0);
        let cases = (1..).zip(CASES);
        cases
            .filter(|(number, case)| {
                let server = format!("[10.0.0.{number}]:tcp:80");
                let words = case.verdict.replace("RS", &server);
                !lines
                    .iter()
                    .any(|line| line.text.contains(&words) && line.text.contains(&server))
            })
            .map(|(number, case)| format!("10.0.0.{number} {}: {}", case.checker, case.verdict))
            .collect::<Vec<_>>()
    };
    wait_until(LIMIT, || missing().is_empty());
    assert_eq!(missing(), [] as [String; 0], "{}", scene.lab.report());
    assert!(node.stop(LIMIT).unwrap().success());
}

/// What is kept of a page is 64 KiB at most, what waits to be looked at is little: the rest waits at the peers.
#[test]
fn peers_that_flood_do_not_fill_the_memory() {
    const SERVERS: u32 = 100;
    const SENT: u64 = 512 << 20;
    const AT_MOST: u64 = 64 << 10; // in KiB; ten times that would not hold what is sent
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let ports = [Peer::FloodHead, Peer::Flood].map(|peer| peer.start(host));
    let mut text = "
        virtual_server 192.0.2.10 80 {
            delay_loop 1
            warmup 0
            lvs_sched rr
            lvs_method NAT
            protocol TCP
    "
    .to_owned();
    for number in 1..=SERVERS {
        let [head, body] = ports;
        let block = match number % 4 {
            0 => format!("SMTP_CHECK {{\n connect_port {head}"),
            1 => format!("HTTP_GET {{\n url {{\n path /\n }}\n connect_port {head}"),
            _ => format!("HTTP_GET {{\n url {{\n path /\n regex nothing\n }}\n connect_port {body}"),
        };
        let _ = writeln!(
            text,
            "real_server 10.0.0.{number} 80 {{\n {block}\n connect_ip 127.0.0.1\n }}\n}}"
        );
    }
    text.push_str("}\n");
    let node = holdfast().start(host, &text).unwrap();
    let flooded = wait_until(2 * LIMIT, || FLOODED.load(Ordering::Relaxed) > SENT);
    assert!(flooded.is_some(), "{}", scene.lab.report());
    let pid = host.read("/run/checkers.pid").unwrap();
    let status = host.read(&format!("/proc/{}/status", pid.trim())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < AT_MOST, "{peak} KiB");
    assert!(node.stop(LIMIT).unwrap().success());
}

/// The loop's thread has what is listed and no more; scripts have what their users have.
#[test]
fn probes_run_with_few_privileges() {
    // capabilities(7): CHOWN, DAC_READ_SEARCH, KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE,
    // SYS_RESOURCE.
    const KEPT: [u8; 11] = [0, 2, 5, 6, 7, 10, 12, 13, 14, 23, 24];
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let script = "#!/bin/sh\ncat /proc/self/status >/run/told/$1.new\nmv /run/told/$1.new /run/told/$1\n";
    host.write_script("/run/misc", script).unwrap();
    host.run(|| {
        std::fs::create_dir("/run/told")?;
        std::fs::set_permissions("/run/told", Permissions::from_mode(0o777))
    })
    .unwrap()
    .unwrap();
    host.write("/run/weight", "5\n").unwrap();
    let text = "
        global_defs {
            enable_script_security
            script_user root
        }
        track_file weight {
            file /run/weight
        }
        virtual_server 192.0.2.10 80 {
            delay_loop 1
            warmup 0
            lvs_sched rr
            lvs_method NAT
            protocol TCP
            real_server 10.0.0.1 80 {
                MISC_CHECK {
                    misc_path \"/run/misc root\"
                }
            }
            real_server 10.0.0.2 80 {
                MISC_CHECK {
                    misc_path \"/run/misc nobody\"
                    user nobody
                }
            }
            real_server 10.0.0.3 80 {
                FILE_CHECK {
                    track_file weight
                }
            }
        }
    ";
    let node = holdfast().start(host, text).unwrap();
    let effective = |status: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    for user in ["root", "nobody"] {
        let told = wait_until(LIMIT, || host.read(&format!("/run/told/{user}")).is_ok());
        assert!(told.is_some(), "{user}: {}", scene.lab.report());
    }
    let mine = effective(&std::fs::read_to_string("/proc/self/status").unwrap());
    assert_eq!(effective(&host.read("/run/told/root").unwrap()), mine);
    assert_eq!(effective(&host.read("/run/told/nobody").unwrap()), 0);

    let kept = KEPT.iter().fold(0, |mask, number| mask | 1_u64 << number) & mine;
    let pid = host.read("/run/checkers.pid").unwrap();
    let tasks = host
        .run(move || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.trim()))
                .unwrap()
                .flatten();
            tasks
                .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
                .collect::<Vec<_>>()
        })
        .unwrap();
    for status in &tasks {
        let name = status
            .lines()
            .find_map(|line| line.strip_prefix("Name:\t"))
            .unwrap();
        let expected = match name {
            "log" => 0,
            "scripts" => mine,
            _ => kept,
        };
        assert_eq!(effective(status), expected, "thread {name}");
    }
    assert!(tasks.len() > 2, "{tasks:?}");
    assert!(node.stop(LIMIT).unwrap().success());
}

/// `printf 'this is a' | md5sum`
const DIGEST: &str = "10b643f048c7b33a2e734fe583fce2c3";

/// nginx, an SMTP server and a DNS server.
fn start_peers(host: &Host) -> [Process; 3] {
    for name in ["server", "client"] {
        let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]).unwrap();
        host.write(&format!("/run/{name}.pem"), &made.cert.pem()).unwrap();
        host.write(&format!("/run/{name}.key"), &made.signing_key.serialize_pem())
            .unwrap();
    }
    let configuration = "
        daemon off;
        master_process off;
        user root;
        pid /run/nginx.pid;
        error_log stderr;
        events {}
        http {
            access_log off;
            client_body_temp_path /run/nginx-body;
            proxy_temp_path /run/nginx-proxy;
            fastcgi_temp_path /run/nginx-fastcgi;
            uwsgi_temp_path /run/nginx-uwsgi;
            scgi_temp_path /run/nginx-scgi;
            ssl_certificate /run/server.pem;
            ssl_certificate_key /run/server.key;
            server {
                listen 8001 default_server;
                location = / { return 200 'this is a'; }
                location / { return 404; }
            }
            server {
                listen 8001;
                server_name b.example;
                location / { return 200 'name b'; }
            }
            server {
                listen 8443 ssl default_server;
                location / { return 403; }
            }
            server {
                listen 8443 ssl;
                server_name a.example;
                if ($ssl_server_name != a.example) { return 403; }
                location / { return 200 'name a'; }
            }
            server {
                listen 8444 ssl;
                ssl_client_certificate /run/client.pem;
                ssl_verify_client on;
                location / { return 200 'welcome'; }
            }
        }
    ";
    host.write("/run/nginx.conf", configuration).unwrap();
    let nginx = host.spawn("nginx", NGINX, &["-c", "/run/nginx.conf"]).unwrap();
    let smtp = ["-m", "aiosmtpd", "-n", "-l", "127.0.0.1:2525"];
    let smtp = host.spawn("smtp", PYTHON, &smtp).unwrap();
    let dns = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=5353",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file=/run/dnsmasq.pid",
        "--address=/www.example/192.0.2.1",
    ];
    let dns = host.spawn("dns", DNSMASQ, &dns).unwrap();
    for port in [8001, 8444, 2525, 5353] {
        let up = wait_until(LIMIT, || {
            host.run(move || TcpStream::connect(("127.0.0.1", port)).is_ok())
                .unwrap()
        });
        assert!(up.is_some(), "nobody answers at port {port}");
    }
    [nginx, smtp, dns]
}

/// A peer of our own, on a thread of the test; its socket is the host's.
#[derive(Clone, Copy)]
enum Peer {
    /// Takes everything, says nothing.
    Hang,
    /// A byte of a header now and then, for ever.
    Drip,
    /// A header without end.
    FloodHead,
    /// A body without end.
    Flood,
    /// A page that is shorter than it says.
    Lie,
    /// Says what a TLS server says who wants nothing of it, and no more.
    Alert,
    /// Ends the connection at once.
    Silent,
}

/// Bytes that peers have flooded checkers with.
static FLOODED: AtomicU64 = AtomicU64::new(0);

fn flood(stream: &mut TcpStream, beginning: &[u8]) -> std::io::Result<()> {
    stream.write_all(beginning)?;
    loop {
        stream.write_all(&[b'x'; 4096])?;
        FLOODED.fetch_add(4096, Ordering::Relaxed);
    }
}

impl Peer {
    fn start(self, host: &Host) -> u16 {
        let listener = host.run(|| TcpListener::bind(("127.0.0.1", 0))).unwrap().unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                // An error says that the checker has gone.
                thread::spawn(move || drop(self.talk(stream)));
            }
        });
        port
    }

    fn talk(self, mut stream: TcpStream) -> std::io::Result<()> {
        let wait = |stream: &mut TcpStream| loop {
            if stream.read(&mut [0; 4096])? == 0 {
                return Ok(());
            }
        };
        match self {
            Self::Hang => wait(&mut stream),
            Self::Drip => loop {
                stream.write_all(b"H")?;
                thread::sleep(Duration::from_millis(300));
            },
            Self::FloodHead => flood(&mut stream, b"HTTP/1.0 200 OK\r\nX: "),
            Self::Flood => flood(&mut stream, b"HTTP/1.0 200 OK\r\n\r\n"),
            Self::Lie => {
                let mut request = [0; 2048];
                let _ = stream.read(&mut request)?;
                stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            }
            Self::Alert => {
                let _ = stream.read(&mut [0; 2048])?;
                // RFC 8446 6.2: an alert record, fatal, handshake_failure.
                stream.write_all(&[21, 3, 3, 0, 2, 2, 40])?;
                wait(&mut stream)
            }
            Self::Silent => {
                let _ = stream.read(&mut [0; 2048])?;
                Ok(())
            }
        }
    }
}
