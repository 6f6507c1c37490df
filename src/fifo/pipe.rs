//! One named pipe: made or found, checked, written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use tracing::warn;

use crate::sys::exec::Credentials;

/// A named pipe, open.
pub(super) struct Pipe {
    path: PathBuf,
    text: String,
    file: File,
    owner: Credentials,
    /// It did not exist before.
    created: bool,
    /// Lines that did not fit.
    dropped: u64,
}

/// Why a pipe is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PipeError {
    #[error("unable to make it: {0}")]
    Make(Errno),
    #[error("unable to open it: {0}")]
    Open(io::Error),
    #[error("there is something else that is no named pipe; remove it")]
    NoPipe,
    #[error(
        "it belongs to user {found}, and not to the daemon or to user {wanted}; remove it, or change its owner"
    )]
    Owner { found: u32, wanted: u32 },
}

impl Pipe {
    /// Makes the pipe, for its owner alone to read unless the umask allows more, if it does not exist, and opens it.
    pub(super) fn open(path: &Path, owner: &Credentials) -> Result<Self, PipeError> {
        let created = match mkfifo(path, Mode::from_bits_truncate(0o644)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(PipeError::Make(errno)),
        };
        let opened = open_checked(path, owner).and_then(|file| {
            if created {
                fchown(&file, Some(owner.uid), Some(owner.gid)).map_err(PipeError::Open)?;
            }
            Ok(file)
        });
        if opened.is_err() && created {
            let _ = std::fs::remove_file(path);
        }
        Ok(Self {
            path: path.to_owned(),
            text: path.to_string_lossy().into_owned(),
            file: opened?,
            owner: owner.clone(),
            created,
            dropped: 0,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.text
    }

    /// Writes a line; drops it if the pipe is full. Answers whether it is the first one after some that were dropped.
    pub(super) fn write(&mut self, line: &str) -> bool {
        self.follow();
        // Shorter than PIPE_BUF: written whole or not at all.
        match self.file.write(line.as_bytes()) {
            Ok(_) if self.dropped > 0 => {
                warn!(
                    "{} lines for FIFO {} were dropped because nobody read it",
                    self.dropped, self.text
                );
                self.dropped = 0;
                return true;
            }
            Ok(_) => {}
            Err(error) => {
                if self.dropped == 0 {
                    warn!(
                        "FIFO {} takes no more lines, they are dropped: {error}",
                        self.text
                    );
                }
                self.dropped += 1;
            }
        }
        false
    }

    /// Writes lines, one by one.
    pub(super) fn write_all<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        for line in lines {
            self.write(line);
        }
    }

    /// Ends it, and removes it if it was made here.
    pub(super) fn close(self) {
        if self.created && self.is_at_its_path() {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Another process of ours, which made the pipe, may have made it anew.
    fn follow(&mut self) {
        if !self.created
            && !self.is_at_its_path()
            && let Ok(file) = open_checked(&self.path, &self.owner)
        {
            self.file = file;
        }
    }

    fn is_at_its_path(&self) -> bool {
        let there = std::fs::symlink_metadata(&self.path);
        let ours = self.file.metadata();
        matches!((there, ours), (Ok(there), Ok(ours)) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
    }
}

fn open_checked(path: &Path, owner: &Credentials) -> Result<File, PipeError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(path)
        .map_err(PipeError::Open)?;
    let found = file.metadata().map_err(PipeError::Open)?;
    if !found.file_type().is_fifo() {
        return Err(PipeError::NoPipe);
    }
    if ![geteuid().as_raw(), owner.uid].contains(&found.uid()) {
        return Err(PipeError::Owner {
            found: found.uid(),
            wanted: owner.uid,
        });
    }
    Ok(file)
}
