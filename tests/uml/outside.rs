//! Boots the machine, reads its console, reports.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::Story;
use crate::inside::{Mark, PLAYBILL, TIME_LIMIT};
use crate::stories;

/// Debian's package user-mode-linux.
const KERNEL: &str = "/usr/bin/linux.uml";

/// Modules of that kernel, in the same package.
pub(crate) const MODULES: &str = "/usr/lib/uml/modules";

/// How long the machine may say nothing: it boots in about 3 s, and a story speaks when it has ended.
const SILENCE: Duration = TIME_LIMIT.saturating_mul(2);

/// How a story ended, and what it said.
struct Outcome {
    name: &'static str,
    failure: Option<String>,
    said: Vec<String>,
}

/// What `cargo test` was asked for.
#[derive(Default)]
struct Wish {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    show: bool,
    ignored: bool,
}

pub(crate) fn run() -> ExitCode {
    let wish = Wish::read(env::args().skip(1));
    let chosen: Vec<Story> = stories::all()
        .into_iter()
        .filter(|story| wish.wants(story.name))
        .collect();
    if wish.list {
        for story in &chosen {
            println!("{}: test", story.name);
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = missing() {
        println!("skipped: needs {missing}");
        let may_be_skipped = env::var_os("CI").is_none_or(|ci| ci != "true");
        return if may_be_skipped {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let began = Instant::now();
    let outcomes = play(&chosen, wish.show);
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_some())
        .collect();
    if !wish.show {
        for outcome in &failed {
            println!("\n---- {} ----\n{}", outcome.name, outcome.said.join("\n"));
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        outcomes.len() - failed.len(),
        failed.len(),
        began.elapsed().as_secs_f64()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What this machine lacks.
fn missing() -> Option<&'static str> {
    let files = [
        (KERNEL, "user-mode-linux"),
        (MODULES, "user-mode-linux"),
        ("/usr/sbin/ipvsadm", "ipvsadm"),
        ("/usr/sbin/keepalived", "keepalived"),
        ("/sbin/modprobe", "kmod"),
    ];
    let lacking = files.iter().find(|(path, _)| !Path::new(path).exists());
    if !nix::unistd::geteuid().is_root() {
        return Some("root");
    }
    lacking.map(|(_, package)| *package)
}

fn play(chosen: &[Story], show: bool) -> Vec<Outcome> {
    let machine = Machine::boot(chosen);
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut said = Vec::new();
    let why = loop {
        let Ok(line) = machine.console.recv_timeout(SILENCE) else {
            break machine.why_silent(SILENCE);
        };
        match Mark::read(&line) {
            Some(Mark::Begin(_)) => said.clear(),
            Some(Mark::End(name, took, failure)) => {
                let Some(story) = chosen.iter().find(|story| story.name == name) else {
                    continue;
                };
                let result = failure.as_deref().unwrap_or("ok");
                let took = Duration::from_millis(took);
                println!("test {name} ... {result} ({:.2}s)", took.as_secs_f64());
                outcomes.push(Outcome {
                    name: story.name,
                    failure,
                    said: std::mem::take(&mut said),
                });
                if outcomes.len() == chosen.len() {
                    return outcomes;
                }
            }
            Some(Mark::Broken(why)) => break why,
            None => {
                if show {
                    println!("{line}");
                }
                said.push(line);
            }
        }
    };
    let ended: Vec<_> = outcomes.iter().map(|outcome| outcome.name).collect();
    for story in chosen.iter().filter(|story| !ended.contains(&story.name)) {
        println!("test {} ... FAILED: {why}", story.name);
        outcomes.push(Outcome {
            name: story.name,
            failure: Some(why.clone()),
            said: std::mem::take(&mut said),
        });
    }
    outcomes
}

/// A running User-Mode Linux. Dropping it kills it; it dies with this process too, however that ends.
struct Machine {
    process: Child,
    console: Receiver<String>,
    files: TempDir,
}

impl Machine {
    fn boot(chosen: &[Story]) -> Self {
        set_child_subreaper(true).unwrap();
        let files = TempDir::with_prefix("uml").unwrap();
        let playbill = files.path().join("stories");
        let names: Vec<_> = chosen.iter().map(|story| story.name).collect();
        fs::write(&playbill, names.join("\n")).unwrap();
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            // What it leaves behind ends with the process namespace that it is in.
            .args(["unshare", "--pid", "--fork", "--kill-child", "--"])
            .args(["/bin/sh", "-c", "\"$@\"; exit $?", "sh", KERNEL])
            .args(
                "mem=1G root=/dev/root rootfstype=hostfs rootflags=/ ro quiet con=null con0=fd:0,fd:1"
                    .split(' '),
            )
            .arg(format!("init={}", env::current_exe().unwrap().display()))
            .arg(format!("uml_dir={}", files.path().display()))
            .arg(format!("{PLAYBILL}={}", playbill.display()))
            .env("TMPDIR", files.path()) // of the file that is its memory
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(files.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let pipe = process.stdout.take().unwrap();
        let (lines, console) = channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if lines.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self {
            process,
            console,
            files,
        }
    }

    fn why_silent(&self, patience: Duration) -> String {
        let stderr = fs::read_to_string(self.files.path().join("stderr")).unwrap_or_default();
        format!("the machine ended, or was silent for {patience:?}; it said: {stderr}")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.process.id().cast_signed());
        // The machine's own processes are processes of its group. An error says that all have ended.
        let _ = killpg(group, Signal::SIGKILL);
        // They are left to us, who are their reaper.
        while waitpid(Pid::from_raw(-group.as_raw()), None).is_ok() {}
    }
}

impl Wish {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut wish = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => wish.list = true,
                "--exact" => wish.exact = true,
                "--nocapture" | "--no-capture" | "--show-output" => wish.show = true,
                "--ignored" => wish.ignored = true,
                "--skip" => wish.skip.extend(arguments.next()),
                "--test-threads" | "--color" | "--format" | "--logfile" => drop(arguments.next()),
                option if option.starts_with('-') => {}
                _ => wish.filters.push(argument),
            }
        }
        wish
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| {
            if self.exact {
                filter == name
            } else {
                name.contains(filter)
            }
        };
        !self.ignored
            && (self.filters.is_empty() || self.filters.iter().any(fits))
            && !self.skip.iter().any(fits)
    }
}
