//! Lines to a file (`-g`).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cli::Format;
use crate::log::{Destination, Line, Lost};

/// A log file, appended to line by line.
pub(super) struct LogFile {
    file: File,
    format: Format,
    lost: Lost,
}

impl LogFile {
    /// Opens the file of the process called `ident`; the message of a failure names the path.
    pub(super) fn open(path: &Path, ident: &str, format: Format) -> Result<LogFile, String> {
        let path = file_of_process(path, ident);
        let mut options = OpenOptions::new();
        options
            .append(true)
            .create(true)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW);
        match options.open(&path) {
            Ok(file) => Ok(LogFile {
                file,
                format,
                lost: Lost::default(),
            }),
            Err(error) => Err(format!("Unable to open log file {} - {error}", path.display())),
        }
    }

    fn put(&mut self, line: &Line<'_>) -> bool {
        // One write: lines of two processes never mix, and none waits in a buffer when the process is killed.
        let text = line.shown(self.format, line.time.file());
        self.file.write_all(text.as_bytes()).is_ok()
    }
}

impl Destination for LogFile {
    fn write(&mut self, line: &Line<'_>) {
        if !self.put(line) {
            self.lost.count();
        } else if let Some(lost) = self.lost.tell() {
            self.put(&line.instead(&lost));
        }
    }
}

/// `_vrrp` of `Keepalived_vrrp` comes before the last dot of the file name.
fn file_of_process(path: &Path, ident: &str) -> PathBuf {
    let Some((_, process)) = ident.split_once('_') else {
        return path.to_owned();
    };
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("_");
    name.push(process);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;
    use crate::log::tests::with_line;

    #[test]
    fn each_process_has_its_file() {
        let name = |path: &str, ident| {
            file_of_process(Path::new(path), ident)
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            name("/var/log/keepalived.log", "Keepalived"),
            "/var/log/keepalived.log"
        );
        assert_eq!(
            name("/var/log/keepalived.log", "Keepalived_vrrp"),
            "/var/log/keepalived_vrrp.log"
        );
        assert_eq!(name("log", "Keepalived_healthcheckers"), "log_healthcheckers");
        assert_eq!(name("a.b/c.d.e", "Keepalived_bfd"), "a.b/c.d_bfd.e");
    }

    #[test]
    fn lines_are_appended_and_a_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keepalived.log");
        for line in ["one", "two"] {
            let mut file = LogFile::open(&path, "Keepalived", Format::Text).unwrap();
            with_line(Level::INFO, line, |line| file.write(line));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines()
                .map(|line| line.rsplit(": ").next().unwrap())
                .collect::<Vec<_>>(),
            ["one", "two"]
        );

        let link = place.path().join("link.log");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let refused = LogFile::open(&link, "Keepalived", Format::Text).err().unwrap();
        assert!(
            refused.starts_with("Unable to open log file") && refused.contains("link.log"),
            "{refused}"
        );
    }
}
