//! Files of configurations with their verdicts, and what keepalived says to them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every file below a folder with its text, sorted.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files
}

/// The exit status of a config test by keepalived in a network namespace of its own; `None` if it crashes.
pub(crate) fn of_keepalived(text: &str) -> Option<u8> {
    let file = tempfile::Builder::new().suffix(".conf").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let status = Command::new("unshare")
        .args(["--net", "keepalived", "-t", "-f"])
        .arg(file.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.code().and_then(|code| u8::try_from(code).ok())
}
