//! The classical deployment: two web servers, the address lives where nginx answers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use holdfast::lab::{Host, Process, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{SOON, Scene, VIRTUAL, each_pairing, expect};

const NODE1: &str = include_str!("../../conf-examples/nginx-pair/node1.conf");
const NODE2: &str = include_str!("../../conf-examples/nginx-pair/node2.conf");
const CHECK: &str = include_str!("../../conf-examples/nginx-pair/check_nginx.sh");

const NGINX: &str = "/usr/sbin/nginx";

#[test]
fn the_page_is_served_while_one_nginx_answers() {
    for program in [NGINX, "/usr/bin/curl"] {
        if !Path::new(program).exists() {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "nothing may be skipped here: {program}"
            );
            println!("skipped: needs {program}");
            return;
        }
    }
    each_pairing(|first, second| {
        let scene = Scene::new();
        let client = scene.lab.host("client", Ipv4Addr::new(192, 0, 2, 100)).unwrap();
        let web_a = start_nginx(&scene.a);
        let _web_b = start_nginx(&scene.b);
        for host in [&scene.a, &scene.b] {
            host.write_script("/run/check_nginx.sh", CHECK).unwrap();
        }
        let _a = first.start(&scene.a, &in_run(NODE1)).unwrap();
        let _b = second.start(&scene.b, &in_run(NODE2)).unwrap();
        scene.expect_owner("a");
        expect("a serves the page", || {
            page(&client).as_deref() == Some("this is a")
        });

        web_a.signal(Signal::SIGKILL);
        // Two seconds until the next check, one for the check, then b hears a lower priority and waits.
        assert!(
            wait_until(2 * SOON, || scene.lab.owners(VIRTUAL) == ["b"]).is_some(),
            "b has the address"
        );
        expect("b serves the page", || {
            page(&client).as_deref() == Some("this is b")
        });

        drop(web_a);
        let _web_a = start_nginx(&scene.a);
        assert!(
            wait_until(2 * SOON, || scene.lab.owners(VIRTUAL) == ["a"]).is_some(),
            "a has the address"
        );
        expect("a serves the page again", || {
            page(&client).as_deref() == Some("this is a")
        });
    });
}

/// The example with its script where a host of the lab has files of its own.
fn in_run(example: &str) -> String {
    example.replace("/etc/keepalived/", "/run/")
}

fn start_nginx(host: &Host) -> Process {
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
            server {
                listen 80;
                location / { return 200 'this is NAME'; }
            }
        }
    ";
    host.write("/run/nginx.conf", &configuration.replace("NAME", &host.name))
        .unwrap();
    host.spawn("nginx", NGINX, &["-c", "/run/nginx.conf"]).unwrap()
}

/// What a browser on the client gets from the virtual address.
fn page(client: &Host) -> Option<String> {
    client.run(fetch).unwrap().ok()
}

fn fetch() -> std::io::Result<String> {
    let limit = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((VIRTUAL, 80)), limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}
