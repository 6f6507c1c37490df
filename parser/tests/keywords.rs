//! Every keyword of every block: in range, at the bounds and beyond them, of the wrong kind, without its value, written
//! twice.
//!
//! A file of `tests/keywords` is a block. Its lines that begin with `@` are the configuration around, with `%%` where
//! the row goes. A row is the exit status of a config test, a tab, and what is written (`|` between lines). Where the
//! keepalived that this was compared with, 2.2.7, judges otherwise, a third column says how, and the facts about 2.4.3
//! decide: there are keywords it does not know yet, and mistakes it does not report.

mod verdict;

use std::path::Path;

use parser::report::Reason;

/// One row with the block around it.
struct Row {
    name: String,
    text: String,
    expected: u8,
    other_in_2_2_7: bool,
}

#[test]
fn every_keyword_is_known_and_judged() {
    let mut wrong = Vec::new();
    for row in rows() {
        let report = parser::parse_text(&row.text).report;
        let is_unknown = |reason: &Reason| matches!(reason, Reason::UnknownKeyword { .. });
        let unknown = report.mistakes.iter().any(|mistake| is_unknown(&mistake.reason));
        let got = report.exit_status() as u8;
        if unknown || got != row.expected {
            let reasons: Vec<_> = report
                .mistakes
                .iter()
                .map(|mistake| mistake.reason.to_string())
                .collect();
            wrong.push(format!("{}: {got} {reasons:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
#[ignore = "runs keepalived"]
fn keepalived_judges_the_same() {
    let wrong: Vec<_> = rows()
        .filter(|row| !row.other_in_2_2_7)
        .filter_map(|row| {
            let got = verdict::of_keepalived(&row.text)?;
            (got != row.expected).then(|| format!("{}: {got}", row.name))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn rows() -> impl Iterator<Item = Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keywords");
    verdict::files(&folder).into_iter().flat_map(|(path, text)| {
        let around: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('@')).collect();
        let around = around.join("\n") + "\n";
        let rows = text.lines().filter(|line| !line.starts_with(['@', '#']));
        let block = path.file_stem().unwrap().display().to_string();
        rows.map(|row| {
            let mut columns = row.split('\t');
            let expected = columns.next().unwrap().parse().unwrap();
            let written = columns.next().unwrap();
            Row {
                name: format!("{block}: expected {expected} for `{written}`"),
                text: around.replace("%%", &written.replace('|', "\n")),
                expected,
                other_in_2_2_7: columns.next().is_some(),
            }
        })
        .collect::<Vec<_>>()
    })
}
