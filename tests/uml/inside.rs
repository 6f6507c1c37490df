//! Inside the machine: the first process, and a story.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::utsname::uname;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::outside::MODULES;
use crate::stories;

/// Names the file with the names of the stories to play, on the kernel's command line and so in our environment.
pub(crate) const PLAYBILL: &str = "HOLDFAST_UML_STORIES";

/// Names the story that this process is.
pub(crate) const STORY: &str = "HOLDFAST_UML_STORY";

/// How long a story may take.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(2);

/// A line of the console that is not a story's own.
#[derive(Debug)]
pub(crate) enum Mark {
    /// This story begins.
    Begin(String),
    /// This story has ended, and why it failed if it did.
    End(String, Option<String>),
    /// The machine cannot play.
    Broken(String),
}

const MARK: &str = "@uml ";

impl Mark {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(MARK)?.splitn(3, ' ');
        let (kind, name) = (words.next()?, words.next()?.to_owned());
        Some(match kind {
            "begin" => Self::Begin(name),
            "end" => Self::End(name, words.next().map(str::to_owned)),
            _ => Self::Broken(line.to_owned()),
        })
    }

    fn say(&self) {
        // What stands on the line already is a story's last words without a line end.
        match self {
            Self::Begin(name) => println!("\n{MARK}begin {name}"),
            Self::End(name, None) => println!("\n{MARK}end {name}"),
            Self::End(name, Some(why)) => println!("\n{MARK}end {name} {why}"),
            Self::Broken(why) => println!("\n{MARK}broken {why}"),
        }
    }
}

/// Plays the chosen stories one after the other, then switches the machine off.
pub(crate) fn first_process() -> ExitCode {
    let played = prepare().and_then(|()| {
        let playbill = env::var(PLAYBILL).map_err(io::Error::other)?;
        for name in fs::read_to_string(playbill)?.lines() {
            Mark::Begin(name.to_owned()).say();
            let failure = play_apart(name)?;
            Mark::End(name.to_owned(), failure).say();
        }
        Ok(())
    });
    if let Err(error) = played {
        Mark::Broken(error.to_string()).say();
    }
    // The kernel panics when its first process ends.
    let _ = fs::write("/proc/sysrq-trigger", "o");
    loop {
        thread::park();
    }
}

/// This process is the story: in a network namespace of its own, with the loopback link up.
pub(crate) fn play(name: &str) -> ExitCode {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    stories::run("ip link set lo up");
    let story = stories::all()
        .into_iter()
        .find(|story| story.name == name)
        .unwrap();
    (story.play)();
    ExitCode::SUCCESS
}

/// The files that every Linux has, a place to write, and modules on demand.
fn prepare() -> io::Result<()> {
    let place = |kind: &str, at: &str| mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>);
    place("proc", "/proc")?;
    place("sysfs", "/sys")?;
    place("tmpfs", "/run")?;
    fs::create_dir_all("/run/kernel/lib/modules")?;
    let release = uname()?.release().to_string_lossy().into_owned();
    std::os::unix::fs::symlink(
        format!("{MODULES}/{release}"),
        format!("/run/kernel/lib/modules/{release}"),
    )?;
    fs::write(
        "/run/modprobe",
        "#!/bin/sh\nexec /sbin/modprobe -d /run/kernel \"$@\"\n",
    )?;
    fs::set_permissions("/run/modprobe", fs::Permissions::from_mode(0o755))?;
    fs::write("/proc/sys/kernel/modprobe", "/run/modprobe")
}

/// Runs the story as a process of its own; why it failed, if it did. Nothing of it is left running.
fn play_apart(name: &str) -> io::Result<Option<String>> {
    let child = Command::new("/proc/self/exe")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("TMPDIR", "/run")
        .env("RUST_BACKTRACE", "0")
        .env(STORY, name)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let story = Pid::from_raw(child.id().cast_signed());
    let deadline = Instant::now() + TIME_LIMIT;
    let failure = loop {
        // Orphans are ours to reap as well.
        match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(pid, code) if pid == story => {
                break (code != 0).then(|| "FAILED".to_owned());
            }
            WaitStatus::Signaled(pid, signal, _) if pid == story => break Some(format!("FAILED: {signal}")),
            WaitStatus::StillAlive if Instant::now() > deadline => {
                break Some(format!("FAILED: not over after {TIME_LIMIT:?}"));
            }
            WaitStatus::StillAlive => thread::sleep(Duration::from_millis(5)),
            _ => {}
        }
    };
    // Every process but this one. ESRCH: there is none.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while !matches!(waitpid(None, None), Err(nix::errno::Errno::ECHILD)) {}
    Ok(failure)
}
