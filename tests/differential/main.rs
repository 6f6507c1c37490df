//! `holdfast -t` and `keepalived -t` on the same small files: the exit statuses must be the same.
//!
//! Both run in a host of the lab, so that `eth0` and `eth1` exist for both and nothing else of the machine is seen.
//! What is compared: the samples and the tables of verdicts of the parser's tests, every file of `conf-examples`, and the
//! cases and samples here. The forms:
//!
//! * A sample is a file, its first line `# verdict: N`.
//! * A row is the exit status, a tab, and what is written (`|` between lines); the lines of its file that begin with
//!   `@` are the configuration around, with `%%` where the row goes.
//!
//! Debian's keepalived is 2.2.7. Where it differs from what is known of 2.4.3, or where Holdfast differs knowingly
//! (`docs/differences.md`), a sample has a second line `# 2.2.7: N because ...`, a row a third column.
//!
//! Needs root and says "skipped: needs root" otherwise; with `CI=true` that is a failure.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it cannot go on"
)]

mod audit;
mod case;
mod judge;
#[path = "../../parser/tests/common/lvs.rs"]
mod lvs;

use std::path::Path;
use std::thread;

use case::Case;
use judge::{Bench, Verdicts};

/// So many run beside each other: with two processors the third keeps both busy.
const BENCHES: usize = 3;

#[test]
fn every_file_is_judged_as_keepalived_judges_it() {
    if !ready() {
        return;
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().unwrap();
    let cases = case::all(repository, scratch.path());
    assert!(cases.len() > 1000, "only {} cases were found", cases.len());
    let verdicts = judge_all(&cases.iter().collect::<Vec<_>>());
    let faults: Vec<String> = cases
        .iter()
        .zip(&verdicts)
        .filter_map(|(case, verdicts)| fault(case, verdicts))
        .collect();
    let agree = verdicts
        .iter()
        .filter(|both| both.holdfast == both.keepalived)
        .count();
    println!("{agree} of {} files have the same verdict from both", cases.len());
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_keyword_is_judged_as_keepalived_judges_it() {
    if !ready() {
        return;
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().unwrap();
    let variants = audit::variants(repository, scratch.path());
    let cases: Vec<_> = variants.iter().map(|variant| &variant.case).collect();
    let verdicts = judge_all(&cases);
    let faults = audit::faults(repository, &variants, &verdicts);
    println!("{} uses of keywords were judged", variants.len());
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// The verdicts of both on every case, in their order.
fn judge_all(cases: &[&Case]) -> Vec<Verdicts> {
    let share = cases.len().div_ceil(BENCHES);
    thread::scope(|scope| {
        let running: Vec<_> = cases
            .chunks(share)
            .enumerate()
            .map(|(number, cases)| scope.spawn(move || Bench::new(number).judge(cases)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// What is wrong with the verdicts, if something is.
fn fault(case: &Case, verdicts: &Verdicts) -> Option<String> {
    let Verdicts {
        holdfast,
        keepalived,
        report,
    } = verdicts;
    let name = &case.name;
    let Some(ours) = *holdfast else {
        return Some(format!("{name}: holdfast crashed\n{report}"));
    };
    let expected = case.expected.or(*keepalived)?;
    if ours != expected {
        return Some(format!(
            "{name}: holdfast {ours}, expected {expected}, keepalived {keepalived:?}\n{report}"
        ));
    }
    let (Some(theirs), Some(known)) = (*keepalived, case.theirs) else {
        return None; // keepalived sometimes ends by a signal; that is no verdict
    };
    (theirs != known)
        .then(|| format!("{name}: keepalived {theirs}, expected {known}, holdfast {ours}\n{report}"))
}

/// Whether the comparison can be made here; says why not.
fn ready() -> bool {
    let missing = if !nix::unistd::geteuid().is_root() {
        "root"
    } else if !Path::new(holdfast::lab::node::KEEPALIVED).exists() {
        "keepalived"
    } else {
        return true;
    };
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "nothing may be skipped here: needs {missing}"
    );
    println!("skipped: needs {missing}");
    false
}
