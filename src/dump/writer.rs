//! The thread that writes files, so that a slow disk holds up nobody. A file is there whole or not at all: it is written
//! under another name, by its owner alone readable, and moved; a link in its place is replaced, never followed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use nix::libc;

type Job = Box<dyn FnOnce() -> (PathBuf, String) + Send>;

/// Hands files to the thread, which is started when first needed.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    thread: Option<mpsc::Sender<Job>>,
}

impl Writer {
    /// Makes a text, on the thread, and writes it to a file. What goes wrong is told in the log.
    pub(crate) fn write(&mut self, path: PathBuf, text: impl FnOnce() -> String + Send + 'static) {
        let job: Job = Box::new(move || (path, text()));
        let Some(job) = self.send(job) else { return };
        match start() {
            Ok(thread) => {
                self.thread = Some(thread);
                // A thread that was just started takes it.
                let _ = self.send(job);
            }
            Err(error) => tracing::error!("Unable to start the thread that writes dump files: {error}"),
        }
    }

    /// Gives the job back if there is no thread to take it.
    fn send(&self, job: Job) -> Option<Job> {
        match &self.thread {
            Some(thread) => thread.send(job).err().map(|refused| refused.0),
            None => Some(job),
        }
    }
}

fn start() -> io::Result<mpsc::Sender<Job>> {
    let (tell, hear) = mpsc::channel::<Job>();
    thread::Builder::new().name("dump".to_owned()).spawn(move || {
        while let Ok(job) = hear.recv() {
            let (path, text) = job();
            if let Err(error) = write(&path, &text) {
                tracing::warn!("Unable to write {}: {error}", path.display());
            }
        }
    })?;
    Ok(tell)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // One thread writes for a process, so that the name is its own; what an earlier process of this number left there,
    // or somebody put there, goes.
    let under_way = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut made = create(&under_way);
    if matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        fs::remove_file(&under_way)?;
        made = create(&under_way);
    }
    let written = made?.write_all(text.as_bytes());
    let moved = written.and_then(|()| fs::rename(&under_way, path));
    if moved.is_err() {
        // The reason why it was not written is the one to tell.
        let _ = fs::remove_file(&under_way);
    }
    moved
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_replaced_and_what_it_points_to_stays_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let (target, path) = (place.path().join("target"), place.path().join("keepalived.data"));
        fs::write(&target, "precious").unwrap();
        let under_way = place
            .path()
            .join(format!(".keepalived.data.{}", std::process::id()));
        symlink(&target, &path).unwrap();
        symlink(&target, &under_way).unwrap();

        write(&path, "dump").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "dump");
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.is_file());
        assert_eq!(found.mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing is left");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keepalived.data");
        fs::create_dir(&path).unwrap();
        write(&path, "dump").unwrap_err();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
