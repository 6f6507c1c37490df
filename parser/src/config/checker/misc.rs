//! `MISC_CHECK`: a program says whether the real server works.

use std::time::Duration;

use super::{COMMON, Common, Heritage, all, set};
use crate::config::script::{RunAs, Script};
use crate::report::Report;
use crate::tree::Block;

/// `MISC_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misc {
    /// `misc_path` and `user`.
    pub script: Script,
    /// `misc_timeout` in whole seconds, to 4294; the virtual server's `delay_loop` by default.
    pub timeout: Duration,
    /// `misc_dynamic`: an exit status from 2 to 255 sets the weight.
    pub dynamic: bool,
}

/// The keywords of the block.
pub(in crate::config) const KEYWORDS: [&str; 10] =
    all(&[&["misc_path", "misc_timeout", "misc_dynamic", "user"], &COMMON]);

/// What the block says.
#[derive(Debug)]
pub(super) struct Draft {
    script: Script,
    timeout: Option<Duration>,
    dynamic: bool,
}

/// Reads a `MISC_CHECK` block. One without `misc_path` is reported and dropped.
pub(super) fn parse(block: Block<'_>, common: &mut Common, report: &mut Report) -> Option<Draft> {
    let mut script: Option<Script> = None;
    let mut user: Option<RunAs> = None;
    let mut timeout = None;
    let mut dynamic = false;
    for line in block.lines() {
        match line.keyword() {
            "misc_path" => {
                if line.value(report).is_some() {
                    set(&mut script, line.script(report));
                    // What follows is no user, unlike in other settings.
                    if let Some(script) = &mut script {
                        script.run_as = None;
                    }
                }
            }
            "misc_timeout" => set(&mut timeout, line.whole_seconds(0..=4294, report)),
            "misc_dynamic" => dynamic = line.flag(report),
            "user" => {
                if line.value(report).is_some() {
                    set(&mut user, line.run_as(report));
                }
            }
            _ if common.read(line, report) => {}
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    let mut script = report.require(block, "misc_path", script)?;
    script.run_as = user.or(script.run_as);
    // 0 stands for the default.
    let timeout = timeout.filter(|timeout: &Duration| !timeout.is_zero());
    Some(Draft {
        script,
        timeout,
        dynamic,
    })
}

impl Draft {
    /// Gives the defaults.
    pub(super) fn resolve(self, heritage: &Heritage<'_, '_>) -> Misc {
        Misc {
            script: self.script,
            timeout: self.timeout.unwrap_or(heritage.delay_loop),
            dynamic: self.dynamic,
        }
    }
}
