//! The files to judge, and what is expected of each.

#[path = "../../parser/tests/common/lvs.rs"]
mod lvs;

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
    /// Debian's keepalived is known to judge otherwise.
    pub(crate) differs: bool,
}

/// Every case; rows are written to files in `scratch`.
pub(crate) fn all(repository: &Path, scratch: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in ["parser/tests/samples", "tests/differential/samples"] {
        let files = files(&repository.join(folder), "conf");
        cases.extend(files.into_iter().filter_map(|path| sample(repository, path)));
    }
    for path in files(&repository.join("conf-examples"), "conf") {
        cases.push(Case {
            name: name(repository, &path),
            path,
            expected: None,
            differs: false,
        });
    }
    for path in files(&repository.join("tests/differential/cases"), "tsv") {
        rows(&name(repository, &path), &path, scratch, &mut cases);
    }
    verdicts(&repository.join("parser/tests/verdicts.tsv"), scratch, &mut cases);
    cases
}

/// The table of the parser's tests: block, `status[/status of 2.2.7]`, text.
fn verdicts(table: &Path, scratch: &Path, cases: &mut Vec<Case>) {
    let text = fs::read_to_string(table).unwrap();
    for row in text.lines().filter(|row| !row.starts_with('#')) {
        let mut columns = row.splitn(3, '\t');
        let mut next = || columns.next().unwrap();
        let (block, status, text) = (next(), next(), next());
        let written = text
            .replace("\\n", "\n")
            .replace("\\r", "\r")
            .replace("\\t", "\t");
        let (expected, differs) = status
            .split_once('/')
            .map_or((status, false), |(ours, theirs)| (ours, ours != theirs));
        let path = scratch.join(format!("{}.conf", cases.len()));
        let whole = wrapped(block, &written)
            .replace("fxa0", "eth0")
            .replace("fxb0", "eth1");
        fs::write(&path, whole).unwrap();
        cases.push(Case {
            name: format!("parser/tests/verdicts.tsv: {block}: `{text}`"),
            path,
            expected: Some(expected.parse().unwrap()),
            differs,
        });
    }
}

fn wrapped(block: &str, text: &str) -> String {
    let bare = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\n";
    match block {
        "top" => format!("{text}\n"),
        "global" => format!("global_defs {{\n{text}\n}}\n"),
        "script" => format!("vrrp_script S {{\nscript /usr/bin/nosuch\n{text}\n}}\n"),
        "bare" => format!("{bare}{text}\n}}\n"),
        "instance" => format!("{bare}virtual_ipaddress {{\n10.0.0.9\n}}\n{text}\n}}\n"),
        "address" => format!("{bare}virtual_ipaddress {{\n{text}\n}}\n}}\n"),
        other => lvs::around(other, text).unwrap(),
    }
}

/// A file without a verdict in its first line is there to be included by another.
fn sample(repository: &Path, path: PathBuf) -> Option<Case> {
    let text = fs::read(&path).unwrap();
    let mut lines = text.split(|&byte| byte == b'\n');
    let expected = lines.next()?.strip_prefix(b"# verdict: ")?;
    let expected = std::str::from_utf8(expected).unwrap().trim().parse().unwrap();
    let differs = lines.next().is_some_and(|line| line.starts_with(b"# 2.2.7"));
    Some(Case {
        name: name(repository, &path),
        path,
        expected: Some(expected),
        differs,
    })
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
            differs: columns.next().is_some(),
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
