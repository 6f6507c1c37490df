//! What the parser asks of the machine, as a trait, so that everything can be read from memory too.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file without any execute permission: the only kind that is read.
    Plain,
    /// A regular file that someone may execute.
    Executable,
    /// A directory.
    Directory,
    /// A pipe, device or socket.
    Special,
}

/// The files and facts a configuration is read from.
pub trait Host {
    /// What the path leads to, links followed.
    fn kind(&self, path: &Path) -> io::Result<FileKind>;
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The paths a pattern of `*`, `?` and `[..]` matches, sorted. Hidden names are matched by a written dot only.
    fn glob(&self, pattern: &str) -> Vec<PathBuf>;
    /// Where relative names on the command line begin.
    fn current_dir(&self) -> PathBuf;
    /// The host name, with its domain if it has one.
    fn host_name(&self) -> String;
    /// An environment variable, for `${_ENV NAME}`.
    fn env(&self, name: &str) -> Option<String>;
    /// Chance, for `${_RANDOM}` without a `random_seed`.
    fn random_seed(&self) -> u64;
}

/// The real machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Host for Machine {
    fn kind(&self, path: &Path) -> io::Result<FileKind> {
        let metadata = std::fs::metadata(path)?;
        Ok(if metadata.is_dir() {
            FileKind::Directory
        } else if !metadata.is_file() {
            FileKind::Special
        } else if metadata.permissions().mode() & 0o111 != 0 {
            FileKind::Executable
        } else {
            FileKind::Plain
        })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        glob::glob_with(pattern, GLOB)
            .map(|paths| paths.flatten().collect())
            .unwrap_or_default()
    }

    fn current_dir(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn host_name(&self) -> String {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim_end().to_owned()
    }

    fn env(&self, name: &str) -> Option<String> {
        Some(std::env::var_os(name)?.to_string_lossy().into_owned())
    }

    fn random_seed(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

pub(super) const GLOB: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};
