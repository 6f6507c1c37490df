//! A daemon of a story: its files, its log lines, its end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Makes this test program a daemon.
pub(crate) const DAEMON_VARIABLE: &str = "HOLDFAST_STORY_DAEMON";

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Daemon {
    pub(crate) process: Child,
    lines: Receiver<String>,
    pub(crate) heard: Vec<String>,
    pub(crate) files: Files,
}

/// The files of one daemon, all in a directory of its own.
pub(crate) struct Files(TempDir);

impl Files {
    /// With an instance of this name.
    pub(crate) fn of_instance(name: &str) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.write(&instance(name));
        files
    }

    pub(crate) fn write(&self, configuration: &str) {
        fs::write(self.path("keepalived.conf"), configuration).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// This program as a daemon on these files.
    pub(crate) fn command(&self, options: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(DAEMON_VARIABLE, "1")
            .args(options.split_whitespace())
            .arg("-G");
        command.arg("-f").arg(self.path("keepalived.conf"));
        command
            .arg("-p")
            .arg(self.path("keepalived.pid"))
            .arg("-r")
            .arg(self.path("vrrp.pid"))
            .arg("-c")
            .arg(self.path("checkers.pid"))
            .arg("-b")
            .arg(self.path("bfd.pid"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// The number in a pid file that is there already.
    pub(crate) fn pid(&self, name: &str) -> Pid {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        Pid::from_raw(
            text.trim_end()
                .parse()
                .unwrap_or_else(|_| panic!("{name}: {text:?}")),
        )
    }
}

pub(crate) fn instance(name: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id 51\n priority 100\n \
         virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
    )
}

impl Daemon {
    /// A daemon in the foreground, started completely.
    pub(crate) fn with_instance(name: &str) -> Daemon {
        let mut daemon = Daemon::start(Files::of_instance(name), "-nlD");
        daemon.says("Startup complete");
        daemon
    }

    pub(crate) fn start(files: Files, options: &str) -> Daemon {
        let command = files.command(options);
        Daemon::run(files, command)
    }

    pub(crate) fn run(files: Files, mut command: Command) -> Daemon {
        let mut process = command.spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .all(|line| sender.send(line).is_ok())
        });
        Daemon {
            process,
            lines,
            heard: Vec::new(),
            files,
        }
    }

    /// Waits until a line that contains `words` is logged, after those heard before.
    pub(crate) fn says(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            else {
                panic!("{words:?} was not said; it said:\n{}", self.heard.join("\n"));
            };
            self.heard.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// How many lines so far contain `words`.
    pub(crate) fn said(&self, words: &str) -> usize {
        self.heard.iter().filter(|line| line.contains(words)).count()
    }

    /// The place of the line that contains `words` among those heard.
    pub(crate) fn place(&self, words: &str) -> usize {
        let place = self.heard.iter().position(|line| line.contains(words));
        place.unwrap_or_else(|| panic!("{words:?} was not said; it said:\n{}", self.heard.join("\n")))
    }

    pub(crate) fn signal(&self, number: i32) {
        send(Pid::from_raw(self.process.id().cast_signed()), number);
    }

    /// The running VRRP child.
    pub(crate) fn child(&self) -> Pid {
        self.child_of("vrrp.pid")
    }

    /// The running child with this pid file; a new one may speak before its number is written.
    pub(crate) fn child_of(&self, pid_file: &str) -> Pid {
        let path = self.files.path(pid_file);
        wait_until("the child's pid", || {
            fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
        });
        self.files.pid(pid_file)
    }

    /// Waits for the end of the daemon, hears the rest of its lines, and answers with its exit status.
    pub(crate) fn ends(&mut self) -> i32 {
        wait_until("the daemon ends", || self.process.try_wait().unwrap().is_some());
        let status = self.process.wait().unwrap().code().unwrap();
        self.heard.extend(self.lines.iter());
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ends a process that is nobody's child when a story fails.
pub(crate) struct Guard(pub(crate) Pid);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

/// Sends a signal by number: real-time signals have no name in `nix`.
pub(crate) fn send(pid: Pid, number: i32) {
    let status = Command::new("kill")
        .arg(format!("-{number}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(status.success(), "kill -{number} {pid}");
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not seen: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_running(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    kill(pid, None::<Signal>).is_ok() && !state.contains(") Z ")
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o7777
}
