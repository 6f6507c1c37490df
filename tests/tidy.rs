//! Rules of the code base that no lint knows. What fails here names the file and the line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file of the workspace below one of these folders.
fn rust_files(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!files.is_empty(), "no Rust file below {folders:?}");
    files
}

const ALL: &[&str] = &[
    "src",
    "parser",
    "clockwork",
    "vrrp",
    "bfd",
    "checkers",
    "ipvs",
    "netlink",
    "tests",
];

/// The part of a file before its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Fails with every place where `forbidden` occurs in the code of `folders`.
fn forbid(folders: &[&str], forbidden: &[&str], excused: &[&str], why: &str) {
    let mut found = Vec::new();
    for (path, text) in rust_files(folders) {
        if excused.iter().any(|excuse| path.starts_with(excuse)) {
            continue;
        }
        for (number, line) in code(&text) {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn the_engines_touch_no_clock_socket_file_thread_or_chance() {
    let world = [
        "std::time::Instant",
        "SystemTime",
        "::now()",
        "std::fs",
        "std::io::Read",
        "std::io::Write",
        "std::process",
        "std::thread",
        "std::env",
        "UdpSocket",
        "TcpStream",
        "tokio",
        "rand::",
        "tracing",
        "HashMap<", // iterates in another order each time: chance
        "HashSet<",
    ];
    forbid(
        &["clockwork/src", "vrrp/src", "checkers/src"],
        &world,
        &[],
        "engines are lent everything they need",
    );
}

#[test]
fn the_bfd_engine_touches_no_clock_socket_file_thread_or_chance() {
    let world = [
        "SystemTime",
        "::now()",
        "std::fs",
        "std::io",
        "std::process",
        "std::thread",
        "std::env",
        "UdpSocket",
        "tokio",
        "rand::",
        "tracing",
        "HashMap<", // iterates in another order each time: chance
        "HashSet<",
    ];
    forbid(
        &["bfd/src"],
        &world,
        &[],
        "the engine is lent everything it needs",
    );
}

#[test]
fn the_parser_reads_the_machine_only_through_its_host() {
    let world = [
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "SystemTime",
        "UdpSocket",
        "TcpStream",
        "tokio",
    ];
    forbid(
        &["parser/src"],
        &world,
        &["parser/src/source/host.rs"],
        "ask the Host for it",
    );
}

#[test]
fn the_hands_do_not_know_the_configuration() {
    forbid(
        &["netlink/src", "ipvs/src"],
        &["parser::", "vrrp::", "bfd::", "checkers::"],
        &[],
        "arrows only point downwards",
    );
}

#[test]
fn the_engines_do_not_know_the_hands() {
    forbid(
        &[
            "clockwork/src",
            "vrrp/src",
            "bfd/src",
            "checkers/src",
            "parser/src",
        ],
        &["netlink::", "ipvs::"],
        &[],
        "arrows only point downwards",
    );
}

#[test]
fn unsafe_stands_only_in_the_files_set_aside_for_system_calls() {
    forbid(
        &[
            "src",
            "parser/src",
            "vrrp/src",
            "bfd/src",
            "checkers/src",
            "ipvs/src",
            "netlink/src",
        ],
        &["unsafe {", "unsafe fn", "unsafe impl"],
        &["src/sys.rs", "src/sys", "netlink/src/sys.rs"],
        "system calls that need `unsafe` have their own file",
    );
}

#[test]
fn every_file_says_at_its_head_what_it_is() {
    let silent: Vec<String> = rust_files(ALL)
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        silent.is_empty(),
        "no `//!` at the head of:\n{}",
        silent.join("\n")
    );
}

/// A file that has grown this long holds two things. The bound may go down, not up.
const LONGEST: usize = 700;

#[test]
fn no_file_grows_out_of_sight() {
    let long: Vec<String> = rust_files(ALL)
        .into_iter()
        .map(|(path, text)| (path, code(&text).count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{}: {lines} lines of code", path.display()))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}
