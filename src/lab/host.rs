//! A host: network, mounts and process numbers of its own, one interface `eth0` with a cable to the switch.
//!
//! What runs in it lives under one first process that reads a pipe from the lab. When the lab ends, however it ends,
//! the pipe closes, the first process ends, and the kernel kills the rest and takes the namespaces down. `/run` is a
//! file system of the host's own, so that daemons do not share process files and nothing is left on disk.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use std::{fs, io};

use netlink::namespace;
use nix::ifaddrs::getifaddrs;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::log::Log;
use super::process::Process;
use super::switch::Switch;
use super::watch::{AddressChanges, Watch};
use super::worker::Worker;
use super::{LabError, lock, wire};

/// Name of the first interface of every host.
pub const LINK: &str = "eth0";

/// A host of the lab.
#[derive(Debug)]
pub struct Host {
    /// Its name, also that of its port at the switch.
    pub name: Arc<str>,
    /// Address of [`LINK`], in a /24.
    pub address: Ipv4Addr,
    switch: Arc<Switch>,
    changes: Arc<AddressChanges>,
    machine: Mutex<Option<Machine>>,
    logs: Mutex<Vec<Arc<Log>>>,
}

/// What goes when the power goes.
#[derive(Debug)]
struct Machine {
    network: Arc<OwnedFd>,
    worker: Arc<Worker>,
    first_process: Child,
    children: Vec<Arc<Mutex<Child>>>,
    _watch: Watch,
}

impl Host {
    pub(super) fn new(
        name: &str,
        address: Ipv4Addr,
        switch: Arc<Switch>,
        changes: Arc<AddressChanges>,
    ) -> Result<Self, LabError> {
        let host = Self {
            name: Arc::from(name),
            address,
            switch,
            changes,
            machine: Mutex::default(),
            logs: Mutex::default(),
        };
        host.boot()?;
        Ok(host)
    }

    /// Starts the host after a crash: the same hardware address and address, nothing running, `/run` empty.
    pub fn boot(&self) -> Result<(), LabError> {
        let network = Arc::new(namespace::create()?);
        let machine = Machine::start(&self.name, network, Arc::clone(&self.changes))?;
        self.switch.plug(&self.name, &machine.network)?;
        wire::configure(&machine.network, self.address, self.switch.segments)?;
        *lock(&self.machine) = Some(machine);
        Ok(())
    }

    /// Power cut: every process is killed at the same moment without a last word, the interface is gone.
    /// The answer is when.
    pub fn crash(&self) -> SystemTime {
        let machine = lock(&self.machine).take();
        let at = SystemTime::now();
        drop(machine);
        self.switch.unplug(&self.name);
        at
    }

    /// Runs `work` on a thread inside the host; it must not start threads.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, LabError> {
        let worker = self.part(|machine| Arc::clone(&machine.worker))?;
        Ok(worker.run(work))
    }

    /// Starts a program inside the host, in a process group of its own, its output going to the log of the process.
    pub fn spawn(
        &self,
        name: &str,
        program: impl AsRef<Path>,
        arguments: &[&str],
    ) -> Result<Process, LabError> {
        let program = program.as_ref().to_owned();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .current_dir("/")
            .env("TMPDIR", "/run")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let child = self
            .run(move || command.spawn())?
            .map_err(|error| LabError::Program {
                program: program.display().to_string(),
                error,
            })?;
        let log = Log::new(&format!("{}/{name}", self.name));
        lock(&self.logs).push(Arc::clone(&log));
        let process = Process::new(child, log);
        if let Some(machine) = lock(&self.machine).as_mut() {
            machine.children.push(Arc::clone(&process.child));
        }
        Ok(process)
    }

    /// Writes a file inside the host; only what is under `/run` is the host's own.
    pub fn write(&self, path: &str, text: &str) -> Result<(), LabError> {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.run(move || fs::write(path, text))?.map_err(LabError::Io)
    }

    /// Writes an executable file inside the host.
    pub fn write_script(&self, path: &str, text: &str) -> Result<(), LabError> {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.run(move || write_executable(&path, &text))?
            .map_err(LabError::Io)
    }

    /// Reads a file inside the host.
    pub fn read(&self, path: &str) -> Result<String, LabError> {
        let path = path.to_owned();
        self.run(move || fs::read_to_string(path))?.map_err(LabError::Io)
    }

    /// Removes a file inside the host.
    pub fn remove(&self, path: &str) -> Result<(), LabError> {
        let path = path.to_owned();
        self.run(move || fs::remove_file(path))?.map_err(LabError::Io)
    }

    /// IPv4 addresses of its interfaces now, loopback aside; none when the host is off.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        let found = self.run(|| {
            let all = getifaddrs().into_iter().flatten();
            let outward = all.filter(|entry| entry.interface_name != "lo");
            outward
                .filter_map(|entry| Some(entry.address?.as_sockaddr_in()?.ip()))
                .collect()
        });
        found.unwrap_or_default()
    }

    /// Pulls the cables: the interfaces lose their carrier.
    pub fn cable_out(&self) -> Result<(), LabError> {
        self.switch.set_port(&self.name, false)
    }

    /// Puts the cables back.
    pub fn cable_in(&self) -> Result<(), LabError> {
        self.switch.set_port(&self.name, true)
    }

    /// Sets the interface administratively up or down.
    pub fn set_link(&self, up: bool) -> Result<(), LabError> {
        let network = self.part(|machine| Arc::clone(&machine.network))?;
        wire::set_link(&network, LINK, up)
    }

    /// The logs of all programs started so far, also those before a crash.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        lock(&self.logs).clone()
    }

    fn part<T>(&self, part: impl FnOnce(&Machine) -> T) -> Result<T, LabError> {
        let machine = lock(&self.machine);
        machine
            .as_ref()
            .map(part)
            .ok_or_else(|| LabError::Off(self.name.to_string()))
    }
}

impl Machine {
    fn start(name: &Arc<str>, network: Arc<OwnedFd>, changes: Arc<AddressChanges>) -> Result<Self, LabError> {
        let watch = Watch::start(name, &network, changes)?;
        let inside = Arc::clone(&network);
        let worker = Worker::start(name, move || enter(&inside))?;
        let first_process = worker.run(start_first_process)?;
        Ok(Self {
            network,
            worker: Arc::new(worker),
            first_process,
            children: Vec::new(),
            _watch: watch,
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.first_process.kill();
        // pid_namespaces(7): the first process ends only when all others are reaped, and these are ours to reap.
        for child in &self.children {
            let _ = lock(child).wait();
        }
        let _ = self.first_process.wait();
    }
}

fn enter(network: &OwnedFd) -> Result<(), LabError> {
    setns(network, CloneFlags::CLONE_NEWNET).map_err(LabError::Namespace)?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).map_err(LabError::Namespace)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(LabError::Namespace)?;
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=0755"),
    )
    .map_err(LabError::Namespace)
}

/// The first process of a host. With a `/proc` of the host's own, `pidof` and `killall` see the host only. While it
/// waits for the end of `cat`, which reads the pipe, it reaps every orphan.
const FIRST_PROCESS: &str = "mount -t proc proc /proc; exec 3<&0; cat <&3 >/dev/null & echo up; wait";

fn start_first_process() -> Result<Child, LabError> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", FIRST_PROCESS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| LabError::Program {
            program: "/bin/sh".to_owned(),
            error,
        })?;
    if let Some(pipe) = child.stdout.take() {
        BufReader::new(pipe).read_line(&mut String::new())?;
    }
    Ok(child)
}

/// Writes an executable file. Another process does it: while we held it open for writing, a child that another thread starts
/// could inherit that, and the file could not be executed ("text file busy").
pub fn write_executable(path: &str, text: &str) -> io::Result<()> {
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\"", path])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = writer.stdin.take() {
        pipe.write_all(text.as_bytes())?;
    }
    let status = writer.wait()?;
    let refused = || {
        io::Error::other(format!(
            "{path} cannot be written: the shell that was to do it ended with {status}"
        ))
    };
    status.success().then_some(()).ok_or_else(refused)
}

impl From<io::Error> for LabError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
