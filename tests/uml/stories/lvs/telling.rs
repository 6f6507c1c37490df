//! What scripts, FIFO readers and mailboxes are told of virtual and real servers, opposite keepalived.
//!
//! Mails go through Debian's python3-aiosmtpd.

use holdfast::lab::{Daemon, Host, Process, wait_until};

use super::{Came, LAST_WORDS, SOON, Scene, as_keepalived, holdfast, server};
use crate::stories::{run, stories};

stories![sociable:
    scripts_readers_and_mailboxes_are_told_the_same,
    mails_only_of_changes_and_of_servers_that_want_them,
    readers_that_begin_anew_hear_how_servers_stand,
];

/// Writes one line for each mail: its subject, and the line of its body.
const MAIL_SERVER: &str = r#"#!/usr/bin/python3
import email, signal
from aiosmtpd.controller import Controller
class Keep:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content)
        line = f"mail {mail['Subject']}: {mail.get_payload().strip()}\n"
        open("/run/told", "a").write(line)
        return "250 taken"
Controller(Keep(), hostname="127.0.0.1", port=2525).start()
open("/run/serves", "w").close()
signal.pause()
"#;

const READER: &str = "#!/bin/sh\nexec cat \"$1\" >>/run/lines\n";

fn global(more: &str) -> String {
    format!(
        "global_defs {{
            script_user root
            router_id lb1
            smtp_server 127.0.0.1 2525
            notification_email {{
                admin@example.org
            }}
            notification_email_from lb1@example.org
            {more}
        }}
        "
    )
}

fn start_mail_server(host: &Host) -> Process {
    host.write_script("/run/mail_server.py", MAIL_SERVER).unwrap();
    let server = host.spawn("mail", "/run/mail_server.py", &[]).unwrap();
    assert!(
        wait_until(SOON, || host.read("/run/serves").is_ok()).is_some(),
        "the mail server starts: {:?}",
        server.log.since(0)
    );
    server
}

/// Quorum and servers come and go; all of it is told in three ways.
fn scripts_readers_and_mailboxes_are_told_the_same() {
    as_keepalived(|daemon: &Daemon| {
        let mut scene = Scene::new();
        let _mail = start_mail_server(&scene.host);
        scene.host.write_script("/run/reader.sh", READER).unwrap();
        scene.host.run(|| run("mkfifo -m 600 /run/fifo")).unwrap();
        let _reader = scene
            .host
            .spawn("reader", "/run/reader.sh", &["/run/fifo"])
            .unwrap();
        let text = format!(
            "{}
            virtual_server 192.0.2.10 80 {{
                delay_loop 1
                warmup 0
                protocol TCP
                lvs_sched rr
                lvs_method DR
                alpha
                omega
                quorum 2
                smtp_alert
                quorum_up \"/run/tell quorum up\"
                quorum_down \"/run/tell quorum down\"
                sorry_server 192.0.2.99 80
                {}{}{}
            }}",
            global("lvs_notify_fifo /run/fifo"),
            server(21, ""),
            server(22, "inhibit_on_failure"),
            server(23, "smtp_alert")
        );
        let (mut came, mut read) = (Vec::new(), 0);
        let mut after = |scene: &mut Scene, step| {
            let mut this = scene.after(step);
            let lines = scene.host.read("/run/lines").unwrap();
            let new = &lines[read..];
            // 2.4.3 ends each line with a NUL byte after its line feed, and so do we; 2.2.7 does not.
            let nuls = new.matches("\n\0").count();
            assert_eq!(
                nuls,
                if *daemon == holdfast() {
                    new.lines().count().saturating_sub(1)
                } else {
                    0
                }
            );
            let new = new.replace('\0', "");
            this.told.extend(new.lines().map(|line| format!("line {line}")));
            this.told.sort();
            read = lines.len();
            this.told.iter_mut().for_each(|told| *told = without_sum(told));
            came.push(this);
        };
        scene.all_alive(&["21", "22"]);
        let node = scene.start(daemon, &text);
        after(&mut scene, "start, one dead");
        scene.dead("22");
        after(&mut scene, "too few");
        scene.alive("23");
        after(&mut scene, "enough again");
        scene.stop(&node);
        after(&mut scene, LAST_WORDS);
        came
    });
}

/// Of a quorum that is lost keepalived mails `2+0=2 <= 1`, and we `2-0=2 > 1`.
fn without_sum(told: &str) -> String {
    let (event, sum) = told.split_once("quorum ").unwrap_or((told, ""));
    let is_sum = told.starts_with("mail ") && !event.ends_with("Gained ") && sum.contains('=');
    if is_sum { event } else { told }.to_owned()
}

/// Without `omega`; servers mail unless they are told not to, services only if they are.
fn mails_only_of_changes_and_of_servers_that_want_them() {
    as_keepalived(|daemon: &Daemon| {
        let mut scene = Scene::new();
        let _mail = start_mail_server(&scene.host);
        let text = format!(
            "{}
            virtual_server fwmark 7 {{
                delay_loop 1
                warmup 0
                lvs_sched rr
                lvs_method DR
                {}{}
            }}",
            global("no_checker_emails"),
            server(21, "").replace("192.0.2.21 80", "192.0.2.21"),
            server(22, "smtp_alert off").replace("192.0.2.22 80", "192.0.2.22"),
        );
        let mut came: Vec<Came> = Vec::new();
        scene.alive("21");
        let node = scene.start(daemon, &text);
        came.push(scene.after("start, one dead"));
        scene.dead("21");
        scene.alive("22");
        came.push(scene.after("the other one dies"));
        scene.alive("21");
        came.push(scene.after("both live"));
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}

/// One that comes back by itself, and one that the daemon starts: after its own death, and after that of the process that
/// started it.
fn readers_that_begin_anew_hear_how_servers_stand() {
    let mut scene = Scene::new();
    let host = std::sync::Arc::clone(&scene.host);
    let script = "#!/bin/sh\necho begin >>/run/own\necho $$ >/run/own.pid\nexec cat \"$1\" >>/run/own\n";
    host.write_script("/run/own.sh", script).unwrap();
    let text = format!(
        "global_defs {{
            script_user root
            notify_fifo /run/common
            lvs_notify_fifo /run/fifo
            lvs_notify_fifo_script /run/own.sh
        }}
        virtual_server 192.0.2.10 80 {{
            delay_loop 1
            warmup 0
            protocol TCP
            lvs_sched rr
            lvs_method DR
            {}{}
        }}",
        server(21, ""),
        server(22, "")
    );
    scene.alive("21");
    let node = scene.start(&holdfast(), &text);
    let down = "RS [192.0.2.22]:tcp:80 [192.0.2.10]:tcp:80 DOWN";
    let own = || host.read("/run/own").unwrap_or_default().replace('\0', "");
    scene.expect("the script's reader hears it", || own().contains(down));

    let first = host.spawn("first", "/bin/cat", &["/run/common"]).unwrap();
    scene.expect("the other reader hears it", || first.log.has(down));
    // Longer than who opens the FIFO anew for each line.
    std::thread::sleep(std::time::Duration::from_secs(2));
    first.kill_all();
    first.wait(SOON);
    let second = host.spawn("second", "/bin/cat", &["/run/common"]).unwrap();
    scene.expect("who comes back hears it again", || second.log.has(down));

    let told_of_all = |beginnings: usize| {
        let own = own();
        let last = own.rsplit("begin\n").next().unwrap_or_default();
        own.matches("begin\n").count() == beginnings
            && last.contains(down)
            && last.contains("VS [192.0.2.10]:tcp:80")
    };
    let kill = |pid_file: &'static str| {
        let pid = host.read(pid_file).unwrap();
        host.run(move || run(&format!("kill -KILL {}", pid.trim())))
            .unwrap();
    };
    kill("/run/own.pid");
    scene.expect("the next reader hears how all stand", || told_of_all(2));
    kill("/run/checkers.pid");
    scene.expect("that of the next process too", || told_of_all(3));
    scene.alive("22");
    scene.expect("and what changes then", || {
        own().contains(&down.replace("DOWN", "UP"))
    });
    scene.stop(&node);
}
