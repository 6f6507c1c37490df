//! Tracked files, on threads of their own: read at the start and whenever the kernel tells of a change to them, to
//! the links on the way to them, or to their directory. Where it does not tell (the directory is missing, the file system
//! is remote or made up) they are read every second.
//!
//! Absent: what a number means.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use nix::libc;
use nix::sys::statfs::{self, FsType, statfs};
use parser::Config;
use parser::config::track_file::InitFile;
use tracing::warn;
use vrrp::track::{OutOfRange, read_value};
use vrrp::{Event, FileId};

use super::trackers::{Tell, Woken, wait};

/// keepalived reads no more of a file.
const LONGEST: u64 = 127;

/// How often files are read of whose changes the kernel does not tell.
const POLL: Duration = Duration::from_secs(1);

/// How often the way to a file is looked at again: a directory above its own may have been moved.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A file that changes faster than this is read only so often.
const PAUSE: Duration = Duration::from_millis(10);

/// A file to watch.
pub(super) struct Wanted {
    pub(super) id: FileId,
    path: PathBuf,
    init: Option<InitFile>,
}

/// The files of these names, and how they are to be made at the first start.
pub(super) fn wanted<'c>(
    config: &Config,
    tracked: impl Iterator<Item = &'c str>,
    first_start: bool,
) -> Vec<Wanted> {
    let tracked: HashSet<&str> = tracked.collect();
    let files = (0..).zip(&config.track_files);
    files
        .filter(|(_, file)| tracked.contains(file.name.as_str()))
        .map(|(index, file)| Wanted {
            id: FileId(index),
            path: file.path.as_str().into(),
            init: file.init.filter(|_| first_start),
        })
        .collect()
}

/// Deals files out to so many threads at most. Each has its own while there are enough; then those of one directory, which
/// hang together if they do, come together.
pub(super) fn shares(mut files: Vec<Wanted>, threads: usize) -> Vec<Vec<Wanted>> {
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let most = files.len().div_ceil(threads).max(1);
    let mut shares = Vec::new();
    while !files.is_empty() {
        let rest = files.split_off(most.min(files.len()));
        shares.push(std::mem::replace(&mut files, rest));
    }
    shares
}

/// Tells the number in each file at once, and again whenever it is another one, until `end` is closed.
pub(super) fn watch(files: Vec<Wanted>, tell: &Tell, end: &OwnedFd) {
    let mut watcher = Watcher::new(files);
    let mut looked_at = Instant::now();
    loop {
        if !watcher.read(tell) {
            return;
        }
        let every = watcher.looks_every();
        let source = watcher.inotify.as_ref().map(|inotify| inotify as &dyn AsFd);
        match wait(source, end, Some(every.saturating_sub(looked_at.elapsed()))) {
            Woken::End => return,
            Woken::Readable => watcher.hear(),
            Woken::TimeOut => {}
        }
        if looked_at.elapsed() >= every {
            looked_at = Instant::now();
            watcher.look();
        }
        if let Woken::End = wait(None, end, Some(PAUSE)) {
            return;
        }
    }
}

struct Watcher {
    inotify: Option<Inotify>,
    /// The directories that the kernel watches for us.
    held: HashSet<WatchDescriptor>,
    files: Vec<Watched>,
}

struct Watched {
    wanted: Wanted,
    /// The directories on the way, each with the name in it: one for a plain file, more over symbolic links.
    places: Vec<(WatchDescriptor, OsString)>,
    /// The kernel tells of every change.
    is_live: bool,
    /// It is to be read.
    is_due: bool,
    told: Option<i64>,
    /// What the log was told of it last.
    complaint: Option<String>,
}

impl Watcher {
    fn new(files: Vec<Wanted>) -> Self {
        let inotify = Inotify::init()
            .inspect_err(|error| warn!("Unable to watch tracked files: {error}; reading them every second"));
        let mut watcher = Self {
            inotify: inotify.ok(),
            held: HashSet::new(),
            files: files.into_iter().map(Watched::new).collect(),
        };
        watcher.look();
        watcher
    }

    fn looks_every(&self) -> Duration {
        if self.files.iter().all(|file| file.is_live) {
            LOOK_AGAIN
        } else {
            POLL
        }
    }

    /// Follows the ways to the files again.
    fn look(&mut self) {
        for file in &mut self.files {
            file.look(self.inotify.as_ref());
        }
        self.sweep();
    }

    /// Takes in what the kernel tells.
    fn hear(&mut self) {
        let Some(inotify) = &mut self.inotify else { return };
        let mut buffer = [0; 4096];
        let mut heard = Vec::new();
        while let Ok(events) = inotify.read_events(&mut buffer) {
            heard.extend(events.map(|event| (event.wd, event.mask, event.name.map(OsStr::to_owned))));
        }
        for (place, mask, name) in heard {
            if mask.contains(EventMask::IGNORED) {
                self.held.remove(&place);
            }
            for file in &mut self.files {
                if mask.contains(EventMask::Q_OVERFLOW) || file.minds(&place, mask, name.as_deref()) {
                    file.look(self.inotify.as_ref());
                    file.is_due = true;
                }
            }
        }
        self.sweep();
    }

    /// Reads the files that are due. Answers whether somebody still listens.
    fn read(&mut self, tell: &Tell) -> bool {
        let mut due = self.files.iter_mut().filter(|file| file.is_due);
        due.all(|file| file.read(tell))
    }

    /// Lets go of the directories that are on no way any more.
    fn sweep(&mut self) {
        let places = self.files.iter().flat_map(|file| &file.places);
        let wanted: HashSet<_> = places.map(|(place, _)| place.clone()).collect();
        for stale in self.held.difference(&wanted) {
            if let Some(inotify) = &self.inotify {
                // An error says that it is gone already.
                let _ = inotify.watches().remove(stale.clone());
            }
        }
        self.held = wanted;
    }
}

impl Watched {
    fn new(wanted: Wanted) -> Self {
        if let Some(init) = wanted.init
            && let Err(error) = make(&wanted.path, init)
        {
            warn!("Unable to write track file {}: {error}", wanted.path.display());
        }
        Self {
            wanted,
            places: Vec::new(),
            is_live: false,
            is_due: true,
            told: None,
            complaint: None,
        }
    }

    /// Follows the way to the file from its path on, and watches every directory on it. Another way means another file.
    fn look(&mut self, inotify: Option<&Inotify>) {
        let before = std::mem::take(&mut self.places);
        let way = way_to(&self.wanted.path);
        for (directory, name) in &way {
            if let Some(place) = inotify.and_then(|inotify| watch_directory(inotify, directory)) {
                self.places.push((place, name.clone()));
            }
        }
        self.is_live = !way.is_empty() && self.places.len() == way.len();
        self.is_due |= !self.is_live || self.places != before;
    }

    /// Whether it may be another one after this.
    fn minds(&self, place: &WatchDescriptor, mask: EventMask, name: Option<&OsStr>) -> bool {
        let is_linked = self.places.len() > 1 && mask != EventMask::CLOSE_WRITE;
        self.places
            .iter()
            .any(|(own, own_name)| own == place && (is_linked || name.is_none_or(|name| name == own_name)))
    }

    /// Answers whether somebody still listens.
    fn read(&mut self, tell: &Tell) -> bool {
        self.is_due = false;
        let path = &self.wanted.path;
        let (value, complaint) = match beginning_of(path) {
            Ok(text) => match read_value(&text) {
                Ok(value) => (value, None),
                Err(OutOfRange(number)) => (
                    self.told.unwrap_or(0),
                    Some(format!(
                        "Invalid number {number} read from {} - ignoring",
                        path.display()
                    )),
                ),
            },
            Err(error) if is_missing(&error) => (0, None),
            Err(error) => (
                0,
                Some(format!(
                    "Unable to read track file {}: {error}; it counts as 0",
                    path.display()
                )),
            ),
        };
        if let Some(complaint) = complaint
            .as_ref()
            .filter(|now| self.complaint.as_ref() != Some(now))
        {
            warn!("{complaint}");
        }
        self.complaint = complaint;
        let file = self.wanted.id;
        self.told.replace(value) == Some(value) || tell.tell(Event::File { file, value })
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The directories to watch for a file, each with the name in it: its own, and those of what links lead to.
fn way_to(path: &Path) -> Vec<(PathBuf, OsString)> {
    const MOST_LINKS: usize = 40; // path_resolution(7)
    let mut way = Vec::new();
    let mut path = path.to_owned();
    while let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        way.push((directory.to_owned(), name.to_owned()));
        match fs::read_link(&path) {
            Ok(target) if way.len() <= MOST_LINKS => path = directory.join(target),
            Ok(_) | Err(_) => break,
        }
    }
    way
}

/// Watches a directory, if the kernel tells of all changes in it.
fn watch_directory(inotify: &Inotify, directory: &Path) -> Option<WatchDescriptor> {
    let mask = WatchMask::CREATE
        | WatchMask::CLOSE_WRITE
        | WatchMask::MOVE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR;
    let found = statfs(directory).ok()?;
    if UNTOLD.contains(&found.filesystem_type()) {
        return None;
    }
    inotify.watches().add(directory, mask).ok()
}

/// File systems where files change that nobody here has written: keepalived refuses them.
const UNTOLD: &[FsType] = &[
    statfs::CGROUP2_SUPER_MAGIC,
    statfs::CGROUP_SUPER_MAGIC,
    statfs::FUSE_SUPER_MAGIC,
    statfs::NFS_SUPER_MAGIC,
    statfs::PROC_SUPER_MAGIC,
    statfs::SMB_SUPER_MAGIC,
    statfs::SYSFS_MAGIC,
];

/// The first bytes of a regular file. Nothing else is waited for: not for the writer of a FIFO, not for a device.
fn beginning_of(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes the first number into a file. A link in its place is not followed: the daemon writes as root.
fn make(path: &Path, init: InitFile) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    if init.overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    match options.open(path) {
        Ok(mut file) => writeln!(file, "{}", init.value),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::super::trackers::testing::Seen;
    use super::*;

    fn value(value: i64) -> Event<'static> {
        let file = FileId(0);
        Event::File { file, value }
    }

    fn seen(path: PathBuf) -> Seen {
        seen_made(path, None)
    }

    fn seen_made(path: PathBuf, init: Option<InitFile>) -> Seen {
        let id = FileId(0);
        Seen::of(move |tell, end| watch(vec![Wanted { id, path, init }], &tell, &end))
    }

    #[test]
    fn a_file_is_followed_through_all_that_can_happen_to_it() {
        let dir = TempDir::new().unwrap();
        let (file, other) = (dir.path().join("load"), dir.path().join("other"));
        let mut seen = seen(file.clone());
        seen.expect(&value(0));
        fs::write(&file, "5\n").unwrap();
        seen.expect(&value(5));
        fs::write(&file, "0x10 and more").unwrap();
        seen.expect(&value(16));
        fs::write(&other, "7").unwrap();
        fs::rename(&other, &file).unwrap();
        seen.expect(&value(7));
        fs::rename(&file, &other).unwrap();
        seen.expect(&value(0));
        fs::hard_link(&other, &file).unwrap();
        seen.expect(&value(7));
        fs::remove_file(&file).unwrap();
        seen.expect(&value(0));
    }

    #[test]
    fn each_file_has_its_own_thread_while_there_are_enough() {
        let dealt = |count: u32| -> Vec<Vec<u32>> {
            let wanted = |id: u32| Wanted {
                id: FileId(id),
                path: format!("/{}/{id}", id % 2).into(),
                init: None,
            };
            let shares = shares((0..count).map(wanted).collect(), 3);
            let ids = |share: Vec<Wanted>| share.iter().map(|file| file.id.0).collect();
            shares.into_iter().map(ids).collect()
        };
        assert_eq!(dealt(0), [[0; 0]; 0]);
        assert_eq!(dealt(3), [[0], [2], [1]]);
        assert_eq!(dealt(5), [vec![0, 2], vec![4, 1], vec![3]]);
    }

    #[test]
    fn its_directory_may_come_later_and_go_meanwhile() {
        let dir = TempDir::new().unwrap();
        let inner = dir.path().join("a");
        let file = inner.join("load");
        let mut seen = seen(file.clone());
        seen.expect(&value(0));
        for number in [4, 6] {
            fs::create_dir(&inner).unwrap();
            fs::write(&file, number.to_string()).unwrap();
            seen.expect(&value(number));
            fs::remove_dir_all(&inner).unwrap();
            seen.expect(&value(0));
        }
        let prepared = dir.path().join("b");
        fs::create_dir(&prepared).unwrap();
        fs::write(prepared.join("load"), "8").unwrap();
        fs::rename(&prepared, &inner).unwrap();
        seen.expect(&value(8));
    }

    #[test]
    fn links_on_the_way_are_followed_and_may_be_turned() {
        let dir = TempDir::new().unwrap();
        // As volumes of configuration are laid out: file -> ..data/file, ..data -> a directory for each version.
        for version in ["1", "2"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("load"), version).unwrap();
        }
        symlink("1", dir.path().join("..data")).unwrap();
        let file = dir.path().join("load");
        symlink("..data/load", &file).unwrap();
        let mut seen = seen(file);
        seen.expect(&value(1));
        symlink("2", dir.path().join("..next")).unwrap();
        fs::rename(dir.path().join("..next"), dir.path().join("..data")).unwrap();
        seen.expect(&value(2));
        fs::write(dir.path().join("2/load"), "22").unwrap();
        seen.expect(&value(22));
    }

    #[test]
    fn what_is_no_regular_file_counts_as_none_and_holds_nobody_up() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("load");
        mkfifo(&file, Mode::from_bits_truncate(0o600)).unwrap();
        let mut seen = seen(file.clone());
        seen.expect(&value(0));
        fs::remove_file(&file).unwrap();
        fs::write(&file, "3").unwrap();
        seen.expect(&value(3));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        seen.expect(&value(0));
    }

    #[test]
    fn a_number_out_of_range_changes_nothing_and_only_the_beginning_is_read() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("load");
        let mut file = Watched::new(Wanted {
            id: FileId(0),
            path: path.clone(),
            init: None,
        });
        let texts = [
            "5".to_owned(),
            "99999999999".to_owned(),
            "6".to_owned(),
            format!("{:200}7", ""),
            format!("8{}", " ".repeat(1_000_000)),
        ];
        let mut seen = Seen::of(move |tell, _end| {
            for text in texts {
                fs::write(&path, text).unwrap();
                assert!(file.read(&tell));
            }
        });
        seen.expect(&value(8));
        assert_eq!(seen.told, [value(5), value(6), value(0), value(8)]);
    }

    #[test]
    fn the_first_start_makes_the_file_as_asked() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("load");
        let init = |value, overwrite| Some(InitFile { value, overwrite });
        let text = || fs::read_to_string(&file).unwrap();
        seen_made(file.clone(), init(3, false)).expect(&value(3));
        assert_eq!(text(), "3\n");
        seen_made(file.clone(), init(4, false)).expect(&value(3));
        seen_made(file.clone(), init(4, true)).expect(&value(4));
        assert_eq!(text(), "4\n");
        seen_made(file.clone(), None).expect(&value(4));
        let aim = dir.path().join("aim");
        symlink(&aim, dir.path().join("link")).unwrap();
        seen_made(dir.path().join("link"), init(9, true)).expect(&value(0));
        assert!(!aim.exists(), "a link is not written through");
    }

    #[test]
    fn changes_that_the_kernel_does_not_tell_are_seen_too() {
        let mut seen = seen("/proc/uptime".into());
        seen.expect_more(3);
    }
}
