//! The files to judge, and what is expected of each.

#[path = "../../parser/tests/common/table.rs"]
mod table;

use std::fs;
use std::path::{Path, PathBuf};

/// One configuration.
pub(crate) struct Case {
    /// For messages.
    pub(crate) name: String,
    /// The file for `-f`.
    pub(crate) path: PathBuf,
    /// The exit status that Holdfast must give; `None` means that of keepalived.
    pub(crate) expected: Option<u8>,
    /// The exit status that Debian's keepalived must give; `None` if it is not known, or it crashes.
    pub(crate) theirs: Option<u8>,
}

/// Every case; rows are written to files in `scratch`.
pub(crate) fn all(repository: &Path, scratch: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in ["parser/tests/samples", "tests/differential/samples"] {
        let files = files(&repository.join(folder), "conf");
        cases.extend(files.into_iter().filter_map(|path| sample(repository, path)));
    }
    for path in files(&repository.join("conf-examples"), "conf") {
        let text = fs::read_to_string(&path).unwrap();
        let is_new = text.lines().any(|line| line.starts_with("# 2.2.7"));
        // An example of a block is good, and so is one that only 2.4 understands; other deployments have scripts that are
        // not there.
        let is_block = path.parent().is_some_and(|folder| folder.ends_with("blocks"));
        let good = (is_block || is_new).then_some(0);
        cases.push(Case {
            name: name(repository, &path),
            path,
            expected: good,
            theirs: good.filter(|_| !is_new),
        });
    }
    for path in files(&repository.join("tests/differential/cases"), "tsv") {
        rows(&name(repository, &path), &path, scratch, &mut cases);
    }
    verdicts(repository, scratch, &mut cases);
    cases
}

/// The tables of the parser's tests.
fn verdicts(repository: &Path, scratch: &Path, cases: &mut Vec<Case>) {
    for row in table::rows(&repository.join("parser/tests")) {
        let path = scratch.join(format!("{}.conf", cases.len()));
        fs::write(&path, row.text).unwrap();
        cases.push(Case {
            name: row.name,
            path,
            expected: Some(row.status),
            theirs: Some(row.old_status),
        });
    }
}

/// A file without a verdict in its first line is there to be included by another.
fn sample(repository: &Path, path: PathBuf) -> Option<Case> {
    let text = fs::read(&path).unwrap();
    let mut lines = text.split(|&byte| byte == b'\n');
    let expected = lines.next()?.strip_prefix(b"# verdict: ")?;
    let expected = std::str::from_utf8(expected).unwrap().trim().parse().unwrap();
    let theirs = match lines.next().and_then(|line| line.strip_prefix(b"# 2.2.7")) {
        Some(reason) => status_in(&String::from_utf8_lossy(reason)),
        None => Some(expected),
    };
    Some(Case {
        name: name(repository, &path),
        path,
        expected: Some(expected),
        theirs,
    })
}

/// The exit status that a note on 2.2.7 gives: `: 5 because ...`.
fn status_in(note: &str) -> Option<u8> {
    note.split([' ', ':']).find_map(|word| word.parse().ok())
}

fn rows(table: &str, path: &Path, scratch: &Path, cases: &mut Vec<Case>) {
    let text = fs::read_to_string(path).unwrap();
    let around: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('@')).collect();
    let around = around.join("\n") + "\n";
    for row in text.lines().filter(|line| !line.starts_with(['@', '#'])) {
        let mut columns = row.split('\t');
        let expected = columns.next().unwrap().parse().unwrap();
        let written = columns.next().unwrap();
        let path = scratch.join(format!("{}.conf", cases.len()));
        fs::write(&path, around.replace("%%", &written.replace('|', "\n"))).unwrap();
        cases.push(Case {
            name: format!("{table}: `{written}`"),
            path,
            expected: Some(expected),
            theirs: columns.next().map_or(Some(expected), status_in),
        });
    }
}

/// Every file below a folder with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}

fn name(repository: &Path, path: &Path) -> String {
    path.strip_prefix(repository)
        .unwrap_or(path)
        .display()
        .to_string()
}
