//! `notify_fifo`, `vrrp_notify_fifo`, `lvs_notify_fifo` and their scripts.

use crate::config::script::{RunAs, Script};
use crate::report::Report;
use crate::tree::{Line, Word};
use crate::value::script;

/// A named pipe that receives one line for each event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fifo {
    /// `None` means that there is no such pipe, whatever the rest says.
    pub path: Option<String>,
    /// Its owner if it has to be made; `None` means the daemon's own user.
    pub owner: Option<RunAs>,
    /// The reader, started with the path as its last argument.
    pub script: Option<Script>,
}

impl Fifo {
    /// `<PATH> [<user> [<group>]]`; the first one holds.
    pub(super) fn read_path(&mut self, line: Line<'_>, report: &mut Report) {
        let Some(path) = line.setting(report) else { return };
        if self.path.is_some() {
            return report.first_is_kept(line);
        }
        self.path = Some(path.text().to_owned());
        self.owner = script::run_as(line.words().skip(1).map(Word::text));
    }

    /// `<SCRIPT> [<user> [:][<group>]]`; the first one holds.
    pub(super) fn read_script(&mut self, line: Line<'_>, report: &mut Report) {
        report.keep_first(line, &mut self.script, Line::script);
    }
}
