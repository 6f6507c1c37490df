//! A machine that exists in memory only: for tests and for tools that judge a text.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::host::GLOB;
use crate::source::{FileKind, Host};

/// Files, variables and a host name in memory. Directories exist where files are in them.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Contents by absolute path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Paths that are not plain files.
    pub kinds: BTreeMap<PathBuf, FileKind>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The host name.
    pub host_name: String,
    /// Where `${_RANDOM}` starts.
    pub random_seed: u64,
}

impl Memory {
    /// A machine called `host` with these files.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files
            .into_iter()
            .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
            .collect();
        Self {
            files,
            host_name: "host".to_owned(),
            ..Self::default()
        }
    }
}

impl Host for Memory {
    fn kind(&self, path: &Path) -> io::Result<FileKind> {
        if let Some(kind) = self.kinds.get(path) {
            Ok(*kind)
        } else if self.files.contains_key(path) {
            Ok(FileKind::Plain)
        } else if self.files.keys().any(|file| file.starts_with(path)) {
            Ok(FileKind::Directory)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        let Ok(pattern) = glob::Pattern::new(pattern) else {
            return Vec::new();
        };
        let matches = |path: &&PathBuf| pattern.matches_path_with(path, GLOB);
        self.files.keys().filter(matches).cloned().collect()
    }

    fn current_dir(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn host_name(&self) -> String {
        self.host_name.clone()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn random_seed(&self) -> u64 {
        self.random_seed
    }
}
