//! Notify FIFOs: who may own them, what is in them, their readers.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::process::Command;
use std::time::Duration;

use holdfast::fifo::{Fifos, Writer};
use holdfast::scripts::{Inspector, Runner};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use parser::config::global_defs::Fifo;
use parser::config::{GlobalDefs, RunAs};

use crate::stage::{Log, Stage, as_ourselves, block_on, eventually, is_root, words};

const ONE: &str = "INSTANCE \"VI_1\" MASTER 100\n";

fn fifo(stage: &Stage, script: Option<&str>) -> GlobalDefs {
    GlobalDefs {
        vrrp_notify_fifo: Fifo {
            path: Some(stage.path("fifo")),
            owner: None,
            script: script.map(|path| words(&[path, "own"])),
        },
        ..GlobalDefs::default()
    }
}

fn learn(fifos: &Fifos, global: &GlobalDefs) {
    learn_as(Writer::Vrrp, fifos, global);
}

fn learn_as(writer: Writer, fifos: &Fifos, global: &GlobalDefs) {
    fifos.learn(global, writer, &mut Inspector::new(as_ourselves()));
    fifos.set_order(vec!["GROUP \"G\"".to_owned(), "INSTANCE \"VI_1\"".to_owned()]);
}

fn open_fifos(global: &GlobalDefs, writer: Writer) -> Fifos {
    let fifos = Fifos::new(&Runner::new().unwrap());
    learn_as(writer, &fifos, global);
    fifos
}

/// What waits in a FIFO, without waiting for more.
fn waiting(path: &str) -> Vec<String> {
    let mut reader = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
        .unwrap();
    let mut bytes = Vec::new();
    if let Err(error) = reader.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    let text = String::from_utf8(bytes).unwrap();
    text.split_terminator('\n').map(str::to_owned).collect()
}

#[test]
fn a_fifo_is_made_and_removed_again_and_lines_wait_in_it() {
    let stage = Stage::new();
    block_on(async {
        let fifos = open_fifos(&fifo(&stage, None), Writer::Vrrp);
        let made = std::fs::symlink_metadata(stage.path("fifo")).unwrap();
        assert!(made.file_type().is_fifo() && made.permissions().mode() & 0o133 == 0);
        fifos.write(ONE);
        assert_eq!(waiting(&stage.path("fifo")), [ONE.trim_end()]);
        // A reload makes another, and a reader of the first sees its end.
        let mut reader = BufReader::new(
            OpenOptions::new()
                .read(true)
                .custom_flags(nix::libc::O_NONBLOCK)
                .open(stage.path("fifo"))
                .unwrap(),
        );
        learn(&fifos, &fifo(&stage, None));
        assert_eq!(reader.read_line(&mut String::new()).unwrap(), 0);
        assert_ne!(
            std::fs::symlink_metadata(stage.path("fifo")).unwrap().ino(),
            made.ino()
        );
        fifos.finish().await;
    });
    assert!(!std::path::Path::new(&stage.path("fifo")).exists());
}

#[test]
fn a_fifo_that_was_there_stays() {
    let stage = Stage::new();
    mkfifo(stage.path("fifo").as_str(), Mode::from_bits_truncate(0o600)).unwrap();
    block_on(async {
        let fifos = open_fifos(&fifo(&stage, None), Writer::Vrrp);
        fifos.write(ONE);
        assert_eq!(waiting(&stage.path("fifo")), [ONE.trim_end()]);
        fifos.finish().await;
    });
    assert!(std::path::Path::new(&stage.path("fifo")).exists());
}

#[test]
fn what_is_no_fifo_or_a_link_or_somebody_elses_is_not_written_to() {
    let stage = Stage::new();
    let log = Log::open();
    block_on(async {
        stage.touch("fifo");
        open_fifos(&fifo(&stage, None), Writer::Vrrp).write(ONE);
        assert_eq!(stage.read("fifo"), "");
        std::fs::rename(stage.path("fifo"), stage.path("file")).unwrap();
        mkfifo(stage.path("real").as_str(), Mode::from_bits_truncate(0o600)).unwrap();
        std::os::unix::fs::symlink("real", stage.path("fifo")).unwrap();
        open_fifos(&fifo(&stage, None), Writer::Vrrp).write(ONE);
        assert_eq!(waiting(&stage.path("real")), [] as [&str; 0]);
        if is_root() {
            std::fs::rename(stage.path("real"), stage.path("fifo")).unwrap();
            std::os::unix::fs::chown(stage.path("fifo"), Some(12345), None).unwrap();
            open_fifos(&fifo(&stage, None), Writer::Vrrp).write(ONE);
            assert_eq!(waiting(&stage.path("fifo")), [] as [&str; 0]);
        }
    });
    assert!(log.has("is no named pipe"), "{}", log.text());
    assert!(log.has("is not used: unable to open it"), "{}", log.text());
    if is_root() {
        assert!(log.has("it belongs to user 12345"), "{}", log.text());
    }
}

#[test]
fn it_belongs_to_whom_the_configuration_names() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let mut global = fifo(&stage, None);
    global.vrrp_notify_fifo.owner = Some(RunAs {
        user: "nobody".to_owned(),
        group: Some("daemon".to_owned()),
        supplementary_groups: false,
    });
    block_on(async {
        let _fifos = open_fifos(&global, Writer::Vrrp);
        let made = std::fs::symlink_metadata(stage.path("fifo")).unwrap();
        assert_eq!((made.uid(), made.gid()), (65534, 1));
    });
}

#[test]
fn a_full_fifo_delays_nobody_and_the_loss_is_told() {
    let stage = Stage::new();
    let log = Log::open();
    block_on(async {
        let fifos = open_fifos(&fifo(&stage, None), Writer::Vrrp);
        (0..4000).for_each(|_| fifos.write(ONE));
        let kept = waiting(&stage.path("fifo")).len();
        assert!(kept < 4000, "{kept}");
        fifos.write(ONE);
        assert!(
            log.has(&format!("{} lines for FIFO", 4000 - kept)),
            "{}",
            log.text()
        );
    });
}

#[test]
fn a_reader_that_dies_is_started_again_and_told_where_things_stand() {
    let stage = Stage::new();
    let log = Log::open();
    // Reads one line and dies, the first time.
    let body = "echo \"begin $*\" >>told\nif [ ! -e again ]; then touch again; read line <$2; echo \"$line\" >>told; \
                echo no luck >&2; exit 3; fi\nexec cat $2 >>told";
    let script = stage.script("reader", body);
    let begin = format!("begin own {}", stage.path("fifo"));
    block_on(async {
        let fifos = open_fifos(&fifo(&stage, Some(&script)), Writer::Vrrp);
        fifos.remember("INSTANCE \"VI_1\"", ONE.to_owned());
        fifos.remember("GROUP \"G\"", "GROUP \"G\" MASTER 0\n".to_owned());
        fifos.write(ONE);
        eventually(|| stage.lines("told").len() == 5).await;
        let told = stage.lines("told");
        assert_eq!(
            told,
            [
                &begin,
                ONE.trim_end(),
                &begin,
                "GROUP \"G\" MASTER 0",
                ONE.trim_end()
            ]
        );
        assert!(
            log.has("exited with status 3, saying: no luck - starting it again in 1 s"),
            "{}",
            log.text()
        );
        // The last line is read before the reader ends with its FIFO.
        fifos.write("GROUP \"G\" STOP 0\n");
        fifos.finish().await;
        assert_eq!(stage.lines("told").last().unwrap(), "GROUP \"G\" STOP 0");
    });
}

#[test]
fn a_reload_starts_another_reader() {
    let stage = Stage::new();
    let script = stage.script("reader", "echo begin >>told; exec cat $2 >>told");
    block_on(async {
        let global = fifo(&stage, Some(&script));
        let fifos = open_fifos(&global, Writer::Vrrp);
        fifos.write("one\n");
        eventually(|| stage.lines("told") == ["begin", "one"]).await;
        learn(&fifos, &global);
        fifos.write("two\n");
        eventually(|| stage.lines("told") == ["begin", "one", "begin", "two"]).await;
        tokio::time::timeout(Duration::from_secs(5), fifos.finish())
            .await
            .unwrap();
    });
}

#[test]
fn two_processes_share_a_fifo_whichever_made_it() {
    let stage = Stage::new();
    let global = GlobalDefs {
        notify_fifo: fifo(&stage, None).vrrp_notify_fifo,
        ..GlobalDefs::default()
    };
    block_on(async {
        let vrrp = open_fifos(&global, Writer::Vrrp);
        let checkers = open_fifos(&global, Writer::Checkers { beside_vrrp: true });
        learn(&vrrp, &global); // makes it anew
        checkers.write("VS [192.0.2.1]:tcp:80 UP\n\0");
        assert_eq!(waiting(&stage.path("fifo")), ["VS [192.0.2.1]:tcp:80 UP", "\0"]);
        vrrp.finish().await;
        checkers.finish().await;
    });
}

/// A lasting reader of a test: `cat`, until it is killed.
fn cat(stage: &Stage, to: &str) -> std::process::Child {
    let to = std::fs::File::create(stage.path(to)).unwrap();
    Command::new("cat")
        .arg(stage.path("fifo"))
        .stdout(to)
        .spawn()
        .unwrap()
}

#[test]
fn a_reader_that_is_not_ours_and_comes_back_is_told_where_things_stand() {
    let stage = Stage::new();
    block_on(async {
        let fifos = open_fifos(&fifo(&stage, None), Writer::Vrrp);
        let mut first = cat(&stage, "first");
        fifos.remember("INSTANCE \"VI_1\"", ONE.to_owned());
        fifos.remember("GROUP \"G\"", "GROUP \"G\" MASTER 0\n".to_owned());
        fifos.write(ONE);
        eventually(|| stage.read("first") == ONE).await;
        // It waits for its next line; longer than who opens the pipe for each.
        tokio::time::sleep(Duration::from_secs(2)).await;
        first.kill().unwrap();
        first.wait().unwrap();
        let mut second = cat(&stage, "second");
        eventually(|| stage.lines("second") == ["GROUP \"G\" MASTER 0", ONE.trim_end()]).await;
        second.kill().unwrap();
        second.wait().unwrap();
        fifos.finish().await;
    });
}

#[test]
fn a_script_that_opens_the_pipe_for_each_line_is_told_each_once() {
    let stage = Stage::new();
    let body = format!(
        "while read line <{}; do echo \"$line\" >>told; done",
        stage.path("fifo")
    );
    let script = stage.script("each", &body);
    block_on(async {
        let fifos = open_fifos(&fifo(&stage, None), Writer::Vrrp);
        let mut reader = Command::new(script).spawn().unwrap();
        let states = ["BACKUP", "MASTER", "FAULT"].map(|state| format!("INSTANCE \"VI_1\" {state} 100"));
        for (count, line) in states.iter().enumerate() {
            fifos.remember("INSTANCE \"VI_1\"", format!("{line}\n"));
            fifos.write(&format!("{line}\n"));
            eventually(|| stage.lines("told").len() == count + 1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert_eq!(stage.lines("told"), states);
        reader.kill().unwrap();
        reader.wait().unwrap();
        fifos.finish().await;
    });
}
