//! Pid files: one line with a number, held open and locked by the supervisor for as long as the process it names is to
//! run. A file that nobody locks is a left-over and is taken over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A locked pid file, removed when dropped.
pub(super) struct PidFile {
    path: PathBuf,
    file: Flock<File>,
}

/// Why a pid file cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum PidFileError {
    /// Another daemon holds the lock.
    #[error("daemon is already running")]
    AlreadyRunning,
    /// The file cannot be opened, locked or written.
    #[error("pid file {path}: {error}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

/// Refuses to run beside a keepalived that names itself in this file: older ones do not lock it.
pub(super) fn expect_no_keepalived(path: &Path) -> Result<(), PidFileError> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let pid: u32 = text.trim_end().parse().unwrap_or_default();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if pid != std::process::id() && name.trim_end() == "keepalived" {
        return Err(PidFileError::AlreadyRunning);
    }
    Ok(())
}

impl PidFile {
    /// Creates or takes over the file, and locks it. It stays empty until [`PidFile::write`].
    pub(super) fn lock(path: &Path) -> Result<PidFile, PidFileError> {
        let unusable = |error: io::Error| PidFileError::Unusable {
            path: path.to_owned(),
            error,
        };
        loop {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .write(true)
                .create(true)
                .mode(0o644)
                .custom_flags(libc::O_NOFOLLOW);
            let file = options.open(path).map_err(unusable)?;
            let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((_, Errno::EWOULDBLOCK)) => return Err(PidFileError::AlreadyRunning),
                Err((_, error)) => return Err(unusable(error.into())),
            };
            // Its last owner may have removed it between our opening and our locking: then it is no longer the file.
            let ours = file.metadata().map_err(unusable)?;
            if std::fs::symlink_metadata(path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino()))
            {
                file.set_len(0).map_err(unusable)?;
                return Ok(PidFile {
                    path: path.to_owned(),
                    file,
                });
            }
        }
    }

    /// Writes the number of the running process, in place of what was there.
    pub(super) fn write(&mut self, pid: u32) -> Result<(), PidFileError> {
        let mut file: &File = &self.file;
        let written = self
            .clear()
            .and_then(|()| io::Seek::rewind(&mut file))
            .and_then(|()| writeln!(file, "{pid}"));
        written.map_err(|error| PidFileError::Unusable {
            path: self.path.clone(),
            error,
        })
    }

    /// Empties the file while no process runs: the number may soon be another process's.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keepalived.pid");
        let mut first = PidFile::lock(&path).unwrap();
        first.write(4_194_304).unwrap();
        first.write(42).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "42\n");
        assert!(matches!(PidFile::lock(&path), Err(PidFileError::AlreadyRunning)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "42\n");
        first.clear().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        drop(first);
        assert!(!path.exists());
        PidFile::lock(&path).unwrap();
    }

    #[test]
    fn a_left_over_is_taken_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keepalived.pid");
        std::fs::write(&path, "99999999\n").unwrap();
        PidFile::lock(&path).unwrap().write(7).unwrap();
    }

    #[test]
    fn a_link_is_not_followed_and_a_missing_directory_is_named() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("precious");
        std::fs::write(&target, "data").unwrap();
        let link = place.path().join("keepalived.pid");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(PidFile::lock(&link), Err(PidFileError::Unusable { .. })));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "data");

        let missing = place.path().join("missing/keepalived.pid");
        let error = PidFile::lock(&missing).err().unwrap().to_string();
        assert!(
            error.contains("missing/keepalived.pid") && error.contains("No such file"),
            "{error}"
        );
    }
}
