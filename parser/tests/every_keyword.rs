//! Every keyword of the language is known, its plain use is accepted and a wrong one is not.
//!
//! The form of `tests/every_keyword/*.txt` is told in `common/setting.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it cannot go on"
)]

mod common;
#[path = "common/lvs.rs"]
mod lvs;
#[path = "common/manual.rs"]
mod manual;
#[path = "common/setting.rs"]
mod setting;

use std::path::Path;

use parser::report::{ExitStatus, Reason};
use parser::source::Memory;
use parser::{Options, Reading};

use setting::Setting;

/// Where the tables are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// How many keywords each file must have.
const ROWS: &[(&str, usize)] = &[
    ("address.txt", 16),
    ("bfd_instance.txt", 15),
    ("directive.txt", 18),
    ("garp_group.txt", 4),
    ("global_defs.txt", 140),
    ("outside.txt", 22),
    ("route.txt", 49),
    ("rule.txt", 34),
    ("track_file.txt", 6),
    ("track_group.txt", 1),
    ("vrrp_instance.txt", 77),
    ("vrrp_script.txt", 8),
    ("vrrp_sync_group.txt", 15),
    ("vrrp_track_process.txt", 9),
];

fn rows(file: &str) -> Vec<Setting> {
    setting::of_file(Path::new(FOLDER), file)
}

fn read(row: &Setting, sample: &str) -> Reading {
    let text = row.with(sample);
    let mut host = Memory::new([
        ("/k.conf", text.as_str()),
        ("/one.conf", "use_pid_dir\n"),
        ("/two.conf", "use_pid_dir\n"),
        ("/etc/iproute2/rt_tables", "100 blue\n"),
    ]);
    host.env.insert("NAME".to_owned(), "value".to_owned());
    parser::read(&host, &["/k.conf"], &Options::default())
}

fn said(reading: &Reading) -> Vec<String> {
    reading
        .report
        .mistakes
        .iter()
        .map(|mistake| mistake.reason.to_string())
        .collect()
}

#[test]
fn every_keyword_is_known_and_its_plain_use_is_accepted() {
    let mut failures = Vec::new();
    for &(file, _) in ROWS {
        for row in rows(file) {
            let reading = read(&row, &row.sample);
            let unknown = reading.report.mistakes.iter().any(|mistake| {
                matches!(
                    mistake.reason,
                    Reason::UnknownKeyword { .. }
                        | Reason::UnknownOption { .. }
                        | Reason::NotSupportedYet { .. }
                )
            });
            let accepted = reading.report.exit_status() == ExitStatus::Ok;
            if unknown || accepted != (row.status == 0) {
                failures.push(format!(
                    "{file}: {}: {}: {:?}",
                    row.keyword,
                    row.sample,
                    said(&reading)
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_wrong_use_of_any_keyword_is_refused() {
    let mut failures = Vec::new();
    for &(file, _) in ROWS {
        for row in rows(file) {
            let Some(wrong) = &row.wrong else { continue };
            if read(&row, wrong).report.exit_status() == ExitStatus::Ok {
                failures.push(format!("{file}: {}: {wrong}", row.keyword));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_keyword_is_left_out_or_named_twice() {
    for &(file, count) in ROWS {
        let rows = rows(file);
        let mut named: Vec<(&str, &str)> = rows
            .iter()
            .map(|row| (row.around.as_str(), row.keyword.as_str()))
            .collect();
        named.sort_unstable();
        named.dedup();
        assert_eq!((rows.len(), named.len()), (count, count), "{file}");
    }
}

#[test]
fn every_sample_uses_its_keyword() {
    for &(file, _) in ROWS {
        for row in rows(file) {
            let word = row.keyword.trim_matches(|c: char| "()".contains(c));
            let generic = row.keyword.starts_with('(');
            assert!(
                generic || row.sample.contains(word),
                "{file}: {} is not in {}",
                row.keyword,
                row.sample
            );
        }
    }
}

#[test]
fn every_keyword_takes_the_edges_of_its_range() {
    let mut failures = Vec::new();
    for setting in setting::of_edges(Path::new(FOLDER)) {
        let text = setting.with(&setting.sample);
        let reading = common::read(&text);
        if reading.report.exit_status() as u8 != setting.status {
            failures.push(format!(
                "{} {}: {:?}",
                setting.table,
                setting.sample,
                common::mistakes(&text)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_word_that_is_no_keyword_is_reported_once_in_every_block() {
    for setting in setting::of_edges(Path::new(FOLDER)) {
        let text = setting.with(&format!("{}\nno_such_keyword 1", setting.sample));
        let mistakes = common::mistakes(&text);
        assert_eq!(
            mistakes
                .iter()
                .filter(|line| line.contains("no_such_keyword"))
                .count(),
            1,
            "{}: {text}: {mistakes:?}",
            setting.table
        );
    }
}
