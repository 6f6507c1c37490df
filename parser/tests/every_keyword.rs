//! Every keyword of the language is known, its plain use is accepted and a wrong one is not.
//!
//! `tests/every_keyword/*.txt` hold one line for each keyword: `KEYWORD | SAMPLE | WRONG`. A line of samples stands in the
//! text of the lines before it that begin with `>`, in place of `%`; `\n` in a sample is a new line. A keyword with `!`
//! behind it is old or pointless: its use is understood and reported. `-` says that nothing can be wrong with it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it cannot go on"
)]

use std::fs;
use std::path::Path;

use parser::report::{ExitStatus, Reason};
use parser::source::Memory;
use parser::{Options, Reading};

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

struct Row {
    keyword: String,
    reported: bool,
    sample: String,
    wrong: Option<String>,
    template: String,
}

fn rows(file: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/every_keyword")
        .join(file);
    let text = fs::read_to_string(&path).unwrap();
    let mut rows = Vec::new();
    let mut template = String::new();
    let mut in_template = false;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
    {
        if let Some(line) = line.strip_prefix('>') {
            if !in_template {
                template.clear();
            }
            template.push_str(line);
            template.push('\n');
            in_template = true;
            continue;
        }
        in_template = false;
        let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [keyword, sample, wrong] = columns[..] else {
            panic!("{file}: {line}")
        };
        rows.push(Row {
            keyword: keyword.trim_end_matches(" !").to_owned(),
            reported: keyword.ends_with(" !"),
            sample: sample.replace("\\n", "\n"),
            wrong: (wrong != "-").then(|| wrong.replace("\\n", "\n")),
            template: template.clone(),
        });
    }
    rows
}

fn read(row: &Row, sample: &str) -> Reading {
    let text = row.template.replace('%', sample);
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
            if unknown || accepted == row.reported {
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
            .map(|row| (row.template.as_str(), row.keyword.as_str()))
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
