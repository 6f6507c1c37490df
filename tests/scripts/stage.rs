//! A directory of scripts, and the words to speak of them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holdfast::lab::write_executable;
use holdfast::scripts::{Identity, Policy, Prepared, prepare};
use parser::Place;
use parser::config::{RunAs, Script};
use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::format::debug_fn;

/// A directory that other users may enter.
pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// An executable file; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        write_executable(&path, text).unwrap();
        path
    }

    /// A shell script that runs in this directory; its path.
    pub(crate) fn script(&self, name: &str, body: &str) -> String {
        let directory = self.0.path().display();
        self.file(name, &format!("#!/bin/sh\ncd {directory}\n{body}\n"))
    }

    /// A shell script without words of its own, ready to run as the daemon's user.
    pub(crate) fn ready(&self, name: &str, body: &str) -> Prepared {
        prepare(&words(&[&self.script(name, body)]), &as_ourselves()).unwrap()
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    /// What a script wrote; empty while there is nothing.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    pub(crate) fn touch(&self, name: &str) {
        std::fs::write(self.path(name), "").unwrap();
    }

    /// Waits for a file with a whole line, and gives it as a process number.
    pub(crate) async fn pid_in(&self, name: &str) -> u32 {
        eventually(|| self.read(name).ends_with('\n')).await;
        self.read(name).trim().parse().unwrap()
    }
}

pub(crate) fn words(words: &[&str]) -> Script {
    Script {
        words: words.iter().map(|&word| word.to_owned()).collect(),
        text: words.join(" "),
        run_as: None,
        place: Place::default(),
    }
}

pub(crate) fn as_user(script: Script, user: &str, group: Option<&str>, supplementary_groups: bool) -> Script {
    let run_as = RunAs {
        user: user.to_owned(),
        group: group.map(str::to_owned),
        supplementary_groups,
    };
    Script {
        run_as: Some(run_as),
        ..script
    }
}

/// Scripts run as the user of the test, and security is not enabled.
pub(crate) fn as_ourselves() -> Policy {
    Policy {
        default_user: Identity::default_user(false),
        security: false,
    }
}

pub(crate) fn secure() -> Policy {
    Policy {
        security: true,
        ..as_ourselves()
    }
}

/// Whether the test can go on; says so if not.
pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

pub(crate) fn block_on<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(story)
}

/// Waits until it is so, at most 20 s.
pub(crate) async fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Neither running nor a zombie.
pub(crate) fn is_gone(pid: u32) -> bool {
    !PathBuf::from(format!("/proc/{pid}")).exists()
}

/// What was logged from this thread.
pub(crate) struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn open() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(debug_fn(|line, field, value| match field.name() {
                "message" => write!(line, "{value:?}"),
                _ => Ok(()), // shown in JSON only
            }))
            .with_target(false)
            .without_time()
            .with_ansi(false)
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn has(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(|line| line.trim().to_owned()).collect()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
