//! Finding a script's file, with the eyes of the user that it will run as.

use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, geteuid};

use super::users::Identity;
use crate::sys::exec::switch_thread;

/// Where a script is.
#[derive(Debug)]
pub(super) struct Located {
    /// What is executed: the path as written, or as the search in `PATH` found it.
    pub path: PathBuf,
    /// What it leads to.
    pub metadata: Metadata,
    /// It was found in `PATH`.
    pub searched: bool,
}

/// Why a script's file cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// In no directory of `PATH`.
    #[error("Cannot find script {0} in path: write its full path")]
    NotInPath(String),
    /// Something on the way is missing, or may not be passed.
    #[error("Script {} cannot be accessed - {}: {blame}", path.display(), errno.desc())]
    Inaccessible {
        /// The path as written.
        path: PathBuf,
        /// Why.
        errno: Errno,
        /// The component that is to blame.
        blame: Blame,
    },
    /// A directory, a device, ...
    #[error("Wrong file type found in script path '{}': it is a {kind}, not a regular file", path.display())]
    NotAFile {
        /// The path as written.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The user may not execute it.
    #[error(
        "script '{}' is not executable for uid:gid {user} (owner {uid}:{gid}, mode {mode:04o}; \
         fix: chmod +x '{}', or a file system that is not mounted noexec)",
        path.display(), path.display()
    )]
    NotExecutable {
        /// The path as written.
        path: PathBuf,
        /// The `uid:gid` that would run it.
        user: String,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The daemon may not become the script's user.
    #[error("Unable to run as uid:gid {user}: {errno}; only root can run scripts as another user")]
    CannotBecome {
        /// The `uid:gid` that would run it.
        user: String,
        /// Why.
        errno: Errno,
    },
}

/// The component of a path that stops the script's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// It does not exist, or is a link to nothing.
    Missing(PathBuf),
    /// The user may not pass through this directory.
    Closed {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// Neither.
    Unclear,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) if path.is_symlink() => write!(f, "'{}' links to nothing", path.display()),
            Self::Missing(path) => write!(f, "'{}' does not exist", path.display()),
            Self::Closed { path, uid, gid, mode } => {
                let path = path.display();
                write!(
                    f,
                    "the script's user may not enter '{path}' (owner {uid}:{gid}, mode {mode:04o}; "
                )?;
                write!(f, "fix: chmod +x '{path}')")
            }
            Self::Unclear => f.write_str("no single component is to blame"),
        }
    }
}

/// Finds the file of a script's first word as `identity` sees the machine.
pub(super) fn locate(word: &str, identity: &Identity) -> Result<Located, FileError> {
    let look = || {
        if word.contains('/') {
            find(word.into(), identity)
        } else {
            search(word, identity)
        }
    };
    if identity.unchanged || (identity.credentials.uid == 0 && geteuid().is_root()) {
        return look();
    }
    // A thread of its own for one look, which never needs to become itself again.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            switch_thread(&identity.credentials).map_err(|errno| FileError::CannotBecome {
                user: identity.to_string(),
                errno,
            })?;
            look()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn find(path: PathBuf, identity: &Identity) -> Result<Located, FileError> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Err(inaccessible(path, &error)),
    };
    if !metadata.is_file() {
        return Err(FileError::NotAFile {
            path,
            kind: kind_of(&metadata),
        });
    }
    if access(&path, AccessFlags::X_OK).is_err() {
        let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        return Err(FileError::NotExecutable {
            path,
            user: identity.to_string(),
            uid,
            gid,
            mode,
        });
    }
    Ok(Located {
        path,
        metadata,
        searched: false,
    })
}

fn search(word: &str, identity: &Identity) -> Result<Located, FileError> {
    let directories = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    let mut refusal = FileError::NotInPath(word.to_owned());
    for directory in std::env::split_paths(&directories) {
        match find(directory.join(word), identity) {
            Ok(found) => {
                return Ok(Located {
                    searched: true,
                    ..found
                });
            }
            Err(error @ FileError::NotExecutable { .. }) => refusal = error,
            Err(_) => {}
        }
    }
    Err(refusal)
}

fn inaccessible(path: PathBuf, error: &io::Error) -> FileError {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let mut downwards: Vec<&Path> = path
        .ancestors()
        .filter(|part| !part.as_os_str().is_empty())
        .collect();
    downwards.reverse();
    let blame = downwards.into_iter().find_map(|part| match part.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Blame::Missing(part.to_owned())),
        Ok(data) if data.is_dir() && access(part, AccessFlags::X_OK).is_err() => Some(Blame::Closed {
            path: part.to_owned(),
            uid: data.uid(),
            gid: data.gid(),
            mode: data.mode() & 0o7777,
        }),
        _ => None,
    });
    FileError::Inaccessible {
        errno,
        blame: blame.unwrap_or(Blame::Unclear),
        path,
    }
}

fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}
