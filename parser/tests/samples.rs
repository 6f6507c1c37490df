//! Small configurations, good and bad, each in a file with its verdict.
//!
//! The first line is `# verdict: N`, the exit status of a config test. Where the keepalived that this was compared with,
//! 2.2.7, judges otherwise, a second line says so and why ours is right; the program's differential tests ask it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it cannot go on"
)]

use std::path::{Path, PathBuf};

use parser::source::Memory;
use parser::{Options, Reading};

/// One file.
struct Sample {
    name: String,
    text: String,
    expected: u8,
}

#[test]
fn every_sample_is_judged_as_its_first_line_says() {
    let mut wrong = Vec::new();
    for sample in samples() {
        let reading = read(&sample.text);
        let got = reading.report.exit_status() as u8;
        if got != sample.expected {
            wrong.push(format!(
                "{}: {got}, not {}\n{}",
                sample.name,
                sample.expected,
                reading.report.render(&reading.sources, false)
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_flattened_text_of_a_sample_means_the_same() {
    for sample in samples() {
        let reading = read(&sample.text);
        assert_eq!(
            parser::parse_text(&Memory::new([]), reading.tree.text()).config,
            reading.config,
            "{}",
            sample.name
        );
    }
}

fn samples() -> impl Iterator<Item = Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    files(&folder).into_iter().map(move |(path, text)| {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let first = text.lines().next().unwrap();
        let expected = first
            .strip_prefix("# verdict: ")
            .and_then(|verdict| verdict.parse().ok());
        let expected = expected.unwrap_or_else(|| panic!("{name} does not begin with its verdict"));
        Sample { name, text, expected }
    })
}

fn read(text: &str) -> Reading {
    parser::read(
        &Memory::new([("/sample.conf", text)]),
        &["/sample.conf"],
        &Options::default(),
    )
}

/// Every file below a folder with its text, sorted.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}
