//! Small configurations, good and bad, each in a file with its verdict.
//!
//! The first line is `# verdict: N`, the exit status of a config test. Where the keepalived that this was compared with,
//! 2.2.7, judges otherwise, a second line says so and why ours is right.

mod verdict;

use std::path::Path;

use parser::source::Memory;
use parser::{Options, Reading};

/// One file.
struct Sample {
    name: String,
    text: String,
    expected: u8,
    other_in_2_2_7: bool,
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
                rendered(&reading)
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
            parser::parse_text(&reading.flattened).config,
            reading.config,
            "{}",
            sample.name
        );
    }
}

#[test]
#[ignore = "runs keepalived"]
fn keepalived_judges_the_same() {
    let wrong: Vec<_> = samples()
        .filter(|sample| !sample.other_in_2_2_7)
        .filter_map(|sample| {
            let got = verdict::of_keepalived(&sample.text)?;
            (got != sample.expected).then(|| format!("{}: {got}, not {}", sample.name, sample.expected))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn samples() -> impl Iterator<Item = Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    verdict::files(&folder).into_iter().map(move |(path, text)| {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let first = text.lines().next().unwrap();
        let expected = first
            .strip_prefix("# verdict: ")
            .and_then(|verdict| verdict.parse().ok());
        let expected = expected.unwrap_or_else(|| panic!("{name} does not begin with its verdict"));
        let other_in_2_2_7 = text
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("# 2.2.7"));
        Sample {
            name,
            text,
            expected,
            other_in_2_2_7,
        }
    })
}

fn read(text: &str) -> Reading {
    parser::read(
        &Memory::new([("/sample.conf", text)]),
        &["/sample.conf"],
        &Options::default(),
    )
}

fn rendered(reading: &Reading) -> String {
    reading.report.render(&reading.sources, false)
}
