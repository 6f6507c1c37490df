//! Checkers and those they check: nginx (pages, TLS by name, client certificates), an SMTP server, a DNS server, echo,
//! scripts, files, and peers of our own that hang, drip, flood and lie. The kernel here needs no IPVS: verdicts stand in
//! the log.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
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
            Self::FloodHead => {
                stream.write_all(b"HTTP/1.0 200 OK\r\nX: ")?;
                loop {
                    stream.write_all(&[b'x'; 4096])?;
                }
            }
            Self::Flood => {
                stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 4096])?;
                }
            }
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
