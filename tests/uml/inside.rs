//! Inside the machine: the first process, and a story.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::utsname::uname;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::outside::MODULES;
use crate::{Story, stories};

/// Names the file with the names of the stories to play, on the kernel's command line and so in our environment.
pub(crate) const PLAYBILL: &str = "HOLDFAST_UML_STORIES";

/// Names the story that this process is.
pub(crate) const STORY: &str = "HOLDFAST_UML_STORY";

/// How long a story may take.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(2);

/// How many sociable stories are played at a time. They wait for most of the time, but there is one processor.
const AT_A_TIME: usize = 3;

/// Where stories write, each to a file of its own.
const SAID: &str = "/run/said";

/// A line of the console that is not a story's own. A story's lines come together, when it has ended.
#[derive(Debug)]
pub(crate) enum Mark {
    /// What this story said follows.
    Begin(String),
    /// This story has ended after so many milliseconds, and why it failed if it did.
    End(String, u64, Option<String>),
    /// The machine cannot play.
    Broken(String),
}

const MARK: &str = "@uml ";

impl Mark {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(MARK)?.splitn(4, ' ');
        let (kind, name) = (words.next()?, words.next()?.to_owned());
        Some(match kind {
            "begin" => Self::Begin(name),
            "end" => Self::End(name, words.next()?.parse().ok()?, words.next().map(str::to_owned)),
            _ => Self::Broken(line.to_owned()),
        })
    }

    fn say(&self) {
        // What stands on the line already is a story's last words without a line end.
        match self {
            Self::Begin(name) => println!("\n{MARK}begin {name}"),
            Self::End(name, took, None) => println!("\n{MARK}end {name} {took}"),
            Self::End(name, took, Some(why)) => println!("\n{MARK}end {name} {took} {why}"),
            Self::Broken(why) => println!("\n{MARK}broken {why}"),
        }
    }
}

/// Plays the chosen stories, then switches the machine off.
pub(crate) fn first_process() -> ExitCode {
    let played = prepare().and_then(|()| {
        let playbill = env::var(PLAYBILL).map_err(io::Error::other)?;
        let names = fs::read_to_string(playbill)?;
        let all = stories::all();
        let chosen = |name: &str| all.iter().find(|story| story.name == name);
        let (sociable, alone): (Vec<_>, Vec<_>) =
            names.lines().filter_map(chosen).partition(|it| it.sociable);
        alone.chunks(1).try_for_each(play_apart)?;
        play_apart(&sociable)
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
    fs::create_dir_all(SAID)?;
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

/// A story that is being played.
struct Playing<'a> {
    story: &'a Story,
    process: Pid,
    began: Instant,
}

/// Plays stories some at a time, each as a process of its own, and says how each ended. Nothing of them is left running.
fn play_apart(stories: &[&Story]) -> io::Result<()> {
    let mut waiting = stories.iter();
    let mut playing: Vec<Playing<'_>> = Vec::new();
    loop {
        while playing.len() < AT_A_TIME
            && let Some(story) = waiting.next()
        {
            playing.push(begin(story)?);
        }
        if playing.is_empty() {
            break;
        }
        for late in playing.iter().filter(|it| it.began.elapsed() > TIME_LIMIT) {
            // It is reaped as all others.
            let _ = kill(late.process, Signal::SIGKILL);
        }
        // Orphans are ours to reap as well.
        let (process, failure) = match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(process, code) => (process, (code != 0).then(|| "FAILED".to_owned())),
            WaitStatus::Signaled(process, signal, _) => (process, Some(format!("FAILED: {signal}"))),
            _ => {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
        };
        if let Some(place) = playing.iter().position(|it| it.process == process) {
            end(&playing.swap_remove(place), failure)?;
        }
    }
    // Every process but this one. ESRCH: there is none.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while !matches!(waitpid(None, None), Err(nix::errno::Errno::ECHILD)) {}
    Ok(())
}

fn begin(story: &Story) -> io::Result<Playing<'_>> {
    let said = fs::File::create(said(story))?;
    let child = Command::new("/proc/self/exe")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("TMPDIR", "/run")
        .env("RUST_BACKTRACE", "0")
        .env(STORY, story.name)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .process_group(0)
        .spawn()?;
    Ok(Playing {
        story,
        process: Pid::from_raw(child.id().cast_signed()),
        began: Instant::now(),
    })
}

fn end(played: &Playing<'_>, failure: Option<String>) -> io::Result<()> {
    let took = played.began.elapsed();
    let failure = failure.map(|why| {
        if took > TIME_LIMIT {
            format!("FAILED: not over after {TIME_LIMIT:?}")
        } else {
            why
        }
    });
    // What it started has its process group, or is in hosts that end with it.
    let _ = killpg(played.process, Signal::SIGKILL);
    let name = played.story.name.to_owned();
    Mark::Begin(name.clone()).say();
    let mut words = fs::File::open(said(played.story))?;
    io::copy(&mut words, &mut io::stdout())?;
    Mark::End(name, u64::try_from(took.as_millis()).unwrap_or(u64::MAX), failure).say();
    Ok(())
}

/// The file that a story writes to.
fn said(story: &Story) -> PathBuf {
    Path::new(SAID).join(story.name)
}
