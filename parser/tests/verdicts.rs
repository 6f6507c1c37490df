//! The tables of small configurations, each with the exit status of a config test. The same rows are put to the real
//! keepalived by the program's differential tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it cannot go on"
)]

mod common;
#[path = "common/lvs.rs"]
mod lvs;
#[path = "common/table.rs"]
mod table;

use std::path::Path;

#[test]
fn small_configurations_get_keepalived_s_exit_status() {
    let rows = table::rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    assert!(rows.len() > 1500, "only {} rows were found", rows.len());
    let failures: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let status = common::read(&row.text).report.exit_status() as u8;
            let mistakes = || common::mistakes(&row.text);
            let expected = format!("{} (2.2.7: {})", row.status, row.old_status);
            (status != row.status)
                .then(|| format!("{}: {status}, not {expected}: {:?}", row.name, mistakes()))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
