//! What FIFO readers and the administrator's mailbox are told of a pair of instances in a group, beside keepalived.
//!
//! Mails go through Debian's python3-aiosmtpd.

use std::collections::BTreeSet;

use holdfast::lab::{Daemon, Host, Process, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{NODE1, SOON, Scene, beside_keepalived, expect, holdfast, ready};

const READER: &str = "#!/bin/sh\necho \"READER $*\" >>/run/told\nexec cat \"$1\" >>/run/told\n";

/// Writes one line for each mail: its subject, and the line of its body.
const MAIL_SERVER: &str = r#"#!/usr/bin/python3
import email, signal
from aiosmtpd.controller import Controller
class Keep:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content)
        line = f"{mail['Subject']}: {mail.get_payload().strip()} ({envelope.mail_from} {envelope.rcpt_tos})\n"
        open("/run/mails", "a").write(line)
        return "250 taken"
Controller(Keep(), hostname="127.0.0.1", port=2525).start()
open("/run/mails", "a").close()
signal.pause()
"#;

const CONFIGURATION: &str = "
global_defs {
    router_id lb1
    notify_fifo /run/fifo
    notify_fifo_script /run/reader.sh
    vrrp_notify_priority_changes true
    smtp_server 127.0.0.1 2525
    notification_email {
        admin@example.org
    }
    notification_email_from lb1@example.org
    smtp_alert_vrrp true
}
vrrp_script bonus {
    script \"/usr/bin/test -e /run/bonus\"
    interval 1
    weight 7
}
vrrp_script needed {
    script \"/usr/bin/test ! -e /run/broken\"
    interval 1
}
track_file load {
    file /run/load
}
vrrp_sync_group G1 {
    group {
        VI_1
        VI_2
    }
    sync_group_tracking_weight
    notify_priority_changes true
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        192.0.2.10/24
    }
    track_script {
        bonus
        needed
    }
    track_file {
        load
    }
}
";

const SECOND: &str = "
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    priority 90
    virtual_ipaddress {
        192.0.2.20/24
    }
}
";

/// The lines of one step; the order of members among themselves is nobody's promise.
type Step = BTreeSet<String>;

#[test]
fn readers_and_mailboxes_are_told_what_keepalived_tells_them() {
    let Some((ours, theirs)) = beside_keepalived(tell) else {
        return;
    };
    assert_eq!(ours, theirs);
}

/// What the FIFO and the mailbox were told at each step of the story.
fn tell(daemon: &Daemon) -> Vec<(Step, Step)> {
    let scene = Scene::new();
    let host = &scene.a;
    let _server = start_mail_server(host);
    host.write_script("/run/reader.sh", READER).unwrap();
    let node = daemon.start(host, &format!("{CONFIGURATION}{SECOND}")).unwrap();
    let mut story = Story::new(host);
    story.step("master", "GROUP \"G1\" MASTER 0", "Group G1 - Entering MASTER");
    host.write("/run/bonus", "").unwrap();
    story.step("a better priority", "MASTER_PRIORITY 107", "");
    host.write("/run/load", "5\n").unwrap();
    story.step("a number in a file", "MASTER_PRIORITY 112", "");
    // From here to a fault keepalived would report the weight of the last number (docs/differences.md).
    host.write("/run/load", "0\n").unwrap();
    story.step("no number", "MASTER_PRIORITY 107", "");
    host.write("/run/load", "-254\n").unwrap();
    story.step(
        "a number that is a fault",
        "GROUP \"G1\" FAULT 0",
        "Group G1 - Entering FAULT",
    );
    host.write("/run/load", "0\n").unwrap();
    story.step(
        "no number again",
        "GROUP \"G1\" MASTER 0",
        "Group G1 - Entering MASTER",
    );
    host.write("/run/broken", "").unwrap();
    story.step(
        "a script fails",
        "GROUP \"G1\" FAULT 0",
        "Group G1 - Entering FAULT",
    );
    host.remove("/run/broken").unwrap();
    story.step(
        "it succeeds again",
        "GROUP \"G1\" MASTER 0",
        "Group G1 - Entering MASTER",
    );
    host.cable_out().unwrap();
    story.step(
        "the link fails",
        "GROUP \"G1\" FAULT 0",
        "Group G1 - Entering FAULT",
    );
    host.cable_in().unwrap();
    story.step(
        "the link is back",
        "GROUP \"G1\" MASTER 0",
        "Group G1 - Entering MASTER",
    );

    // The reader of before sees the end of the FIFO, and another begins.
    host.write("/run/node.conf", &CONFIGURATION.replace("VI_2\n", ""))
        .unwrap();
    node.process.signal(Signal::SIGHUP);
    story.step(
        "a member is gone",
        "INSTANCE \"VI_2\" FAULT 90",
        "Instance VI_2 - Entering FAULT",
    );
    // keepalived 2.2.7 finds priorities anew at a reload, and tells of it.
    let (last, _) = story.steps.last_mut().unwrap();
    last.retain(|line| !line.contains("BACKUP_PRIORITY"));
    assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
    if *daemon != Daemon::Keepalived {
        // keepalived kills its reader before that has read the last lines, and forgets at a reload that it made the FIFO.
        let is_gone = || !std::path::Path::new("/run/fifo").exists();
        expect("the FIFO is removed", || host.run(is_gone).unwrap());
        story.step("the end", "GROUP \"G1\" STOP 0", "Group G1 - Stopping");
        let (lines, mails) = story.steps.pop().unwrap();
        assert!(lines.contains("INSTANCE \"VI_1\" STOP 107"), "{lines:?}");
        assert!(
            mails.iter().any(|mail| mail.contains("Instance VI_1 - Stopping")),
            "{mails:?}"
        );
    }
    story.steps
}

const ALERTS: &str = "
global_defs {
    router_id lb1
    smtp_server 127.0.0.1 2525
    smtp_helo_name lb.example.org
    smtp_connect_timeout 5
    notification_email {
        first@example.org
        second@example.org
    }
    notification_email_from lb1@example.org
    smtp_alert_vrrp true
    no_email_faults
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.10/24
    }
}
";

const DELETED: &str = "
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    priority 90
    virtual_ipaddress {
        192.0.2.20/24
    }
    notify_deleted \"/run/tell.sh deleted\"
    notify \"/run/tell.sh generic\"
}
";

#[test]
fn alerts_go_to_everyone_without_faults_and_a_deleted_instance_is_told() {
    let Some((mut ours, theirs)) = beside_keepalived(alerts) else {
        return;
    };
    // keepalived 2.2.7 is gone before it has told of its end.
    let before = ours.0.len();
    ours.0.retain(|mail| !mail.contains("Stopping"));
    assert_eq!(ours.0.len() + 1, before, "the end is told");
    assert_eq!(ours, theirs);
    let (mails, scripts) = ours;
    assert!(mails.iter().all(|mail| !mail.contains("FAULT")), "{mails:?}");
    let whole = "[lb1] VRRP Instance VI_2 - Deleted: => VRRP Deleted at reload <= (lb1@example.org ['first@example.org', \
                 'second@example.org'] lb.example.org)";
    assert!(mails.contains(whole), "{mails:#?}");
    assert!(
        scripts.contains("deleted") && scripts.contains("generic INSTANCE VI_2 DELETED 90"),
        "{scripts:?}"
    );
}

/// The mails, and the words of the scripts, each once.
fn alerts(daemon: &Daemon) -> (Step, Step) {
    let scene = Scene::new();
    let host = &scene.a;
    let server = MAIL_SERVER.replace("{envelope.rcpt_tos}", "{envelope.rcpt_tos} {session.host_name}");
    let _server = start_this_mail_server(host, &server);
    host.write_script("/run/tell.sh", "#!/bin/sh\necho \"$*\" >>/run/scripts\n")
        .unwrap();
    let node = daemon.start(host, &format!("{ALERTS}{DELETED}")).unwrap();
    let told = |path: &str| -> Step {
        let text = host.read(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let wait_for = |path: &'static str, words: &str| {
        let seen = wait_until(6 * SOON, || told(path).iter().any(|line| line.contains(words)));
        assert!(seen.is_some(), "{words} is not in {:#?}", told(path));
    };
    wait_for("/run/mails", "VI_1 - Entering MASTER");
    wait_for("/run/mails", "VI_2 - Entering MASTER");
    host.cable_out().unwrap();
    wait_for("/run/scripts", "VI_2 FAULT");
    host.cable_in().unwrap();
    wait_for("/run/scripts", "VI_2 BACKUP");
    host.write("/run/node.conf", ALERTS).unwrap();
    node.process.signal(Signal::SIGHUP);
    wait_for("/run/scripts", "VI_2 DELETED");
    wait_for("/run/mails", "VI_2 - Deleted");
    node.stop(3 * SOON).expect("the daemon ends");
    (told("/run/mails"), told("/run/scripts"))
}

#[test]
fn a_reader_that_comes_back_hears_how_things_stand() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let configuration = NODE1.replace("router_id node1", "router_id node1\nvrrp_notify_fifo /run/fifo");
    let _node = holdfast().start(host, &configuration).unwrap();
    expect("the FIFO is there", || {
        host.run(|| std::path::Path::new("/run/fifo").exists()).unwrap()
    });
    let master = "INSTANCE \"VI_1\" MASTER 150";
    let first = host.spawn("first", "/bin/cat", &["/run/fifo"]).unwrap();
    expect("the first hears it", || first.log.count(master) == 1);
    // Longer than who opens the FIFO anew for each line.
    std::thread::sleep(SOON / 3);
    first.kill_all();
    first.wait(SOON);
    let second = host.spawn("second", "/bin/cat", &["/run/fifo"]).unwrap();
    let heard = wait_until(6 * SOON, || second.log.count(master) == 1);
    assert!(heard.is_some(), "{:?}", second.log.since(0));
}

/// The reader that the daemon starts ends with its process; the one of the successor knows nothing.
#[test]
fn a_reader_hears_how_things_stand_after_a_crash() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write_script(
        "/run/own.sh",
        "#!/bin/sh\necho begin >>/run/own\nexec cat \"$1\" >>/run/own\n",
    )
    .unwrap();
    let fifo =
        "router_id node1\nscript_user root\nvrrp_notify_fifo /run/fifo\nvrrp_notify_fifo_script /run/own.sh";
    let node = holdfast()
        .start(host, &NODE1.replace("router_id node1", fifo))
        .unwrap();
    let master = "INSTANCE \"VI_1\" MASTER 150";
    let told = |beginnings: usize| {
        let all = host.read("/run/own").unwrap_or_default();
        let last = all.rsplit("begin\n").next().unwrap_or_default();
        all.matches("begin\n").count() == beginnings && last.matches(master).count() == 1
    };
    expect("the reader hears it", || told(1));
    let pid = host.read("/run/vrrp.pid").unwrap();
    host.spawn("kill", "/bin/kill", &["-KILL", pid.trim()])
        .unwrap()
        .wait(SOON);
    let heard = wait_until(6 * SOON, || told(2));
    assert!(heard.is_some(), "{:?}", host.read("/run/own"));
    node.stop(3 * SOON).expect("the daemon ends");
}

fn start_mail_server(host: &Host) -> Process {
    start_this_mail_server(host, MAIL_SERVER)
}

fn start_this_mail_server(host: &Host, server: &str) -> Process {
    host.write_script("/run/mail.py", server).unwrap();
    host.spawn("loopback", "/sbin/ip", &["link", "set", "lo", "up"])
        .unwrap()
        .wait(SOON)
        .expect("ip ends");
    let server = host.spawn("mail", "/run/mail.py", &[]).unwrap();
    expect("the mail server listens", || host.read("/run/mails").is_ok());
    server
}

struct Story<'a> {
    host: &'a Host,
    steps: Vec<(Step, Step)>,
    /// Lines and mails that belong to earlier steps.
    seen: (usize, usize),
}

impl<'a> Story<'a> {
    fn new(host: &'a Host) -> Self {
        Self {
            host,
            steps: Vec::new(),
            seen: (0, 0),
        }
    }

    /// Waits until a line and a mail have these words, and takes what was told since the last step.
    fn step(&mut self, what: &str, line: &str, mail: &str) {
        let read = |path, seen: usize| -> Vec<String> {
            let text = self.host.read(path).unwrap_or_default();
            text.lines().skip(seen).map(str::to_owned).collect()
        };
        let has = |lines: &[String], words: &str| lines.iter().any(|line| line.contains(words));
        let mut told = (Vec::new(), Vec::new());
        let heard = wait_until(3 * SOON, || {
            told = (read("/run/told", self.seen.0), read("/run/mails", self.seen.1));
            has(&told.0, line) && (mail.is_empty() || has(&told.1, mail))
        });
        assert!(heard.is_some(), "{what}: no {line} or no {mail} in {told:?}");
        self.seen = (self.seen.0 + told.0.len(), self.seen.1 + told.1.len());
        self.steps
            .push((told.0.into_iter().collect(), told.1.into_iter().collect()));
    }
}
