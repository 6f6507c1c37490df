//! Which processes are of a wanted kind: found in `/proc`, kept up to date by what the kernel tells.

use std::collections::HashMap;
use std::fs;

use parser::config::vrrp_track_process::ProcessMatch;

use super::Wanted;

/// `TASK_COMM_LEN` of the kernel, without the NUL byte: names are cut after it.
const LONGEST_NAME: usize = 15;

/// The processes of the wanted kinds.
#[derive(Debug)]
pub(super) struct Table {
    kinds: Vec<Kind>,
    /// By process number: a bit for each kind that it is of. Those of none are left out.
    members: HashMap<i32, Vec<usize>>,
}

#[derive(Debug)]
enum Kind {
    /// Its name.
    Name(Vec<u8>),
    /// Its command line as the kernel shows it: a NUL byte after each word.
    CommandLine(Vec<u8>, ProcessMatch),
}

impl Table {
    pub(super) fn new(wanted: &[Wanted]) -> Self {
        Self {
            kinds: wanted.iter().map(Kind::of).collect(),
            members: HashMap::new(),
        }
    }

    /// How many there are of each kind.
    pub(super) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.kinds.len()];
        for kind in self.members.values().flatten() {
            counts[*kind] += 1;
        }
        counts
    }

    /// Looks at every process there is.
    pub(super) fn scan(&mut self) {
        self.members.clear();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            self.look(pid);
        }
    }

    /// Looks at one process.
    pub(super) fn look(&mut self, pid: i32) {
        let kinds = self.kinds_of(pid);
        if kinds.is_empty() {
            self.members.remove(&pid);
        } else {
            self.members.insert(pid, kinds);
        }
    }

    /// A process that was forked is what its parent is.
    pub(super) fn inherit(&mut self, parent: i32, child: i32) {
        if let Some(kinds) = self.members.get(&parent).cloned() {
            self.members.insert(child, kinds);
        }
    }

    /// A process ended.
    pub(super) fn forget(&mut self, pid: i32) {
        self.members.remove(&pid);
    }

    fn kinds_of(&self, pid: i32) -> Vec<usize> {
        let Some(name) = name_of(pid) else {
            return Vec::new();
        };
        let mut command_line = None;
        let mut is = |kind: &Kind| match kind {
            Kind::Name(wanted) => *wanted == name,
            Kind::CommandLine(wanted, matching) => {
                let found: &Vec<u8> = command_line
                    .get_or_insert_with(|| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default());
                is_like(found, wanted, *matching)
            }
        };
        let kinds = self.kinds.iter().enumerate();
        kinds
            .filter(|(_, kind)| is(kind))
            .map(|(index, _)| index)
            .collect()
    }
}

impl Kind {
    fn of(wanted: &Wanted) -> Self {
        if wanted.matching == ProcessMatch::Name {
            let name = wanted.process.first().map_or("", String::as_str);
            let end = name.len().min(LONGEST_NAME);
            return Self::Name(name.as_bytes()[..end].to_vec());
        }
        let mut line = wanted.process.join("\0").into_bytes();
        line.push(0);
        Self::CommandLine(line, wanted.matching)
    }
}

/// keepalived compares the bytes: the whole line, or the beginning of it. For `initial` it may end within an argument, but
/// not within the command.
fn is_like(found: &[u8], wanted: &[u8], matching: ProcessMatch) -> bool {
    let has_arguments = wanted.iter().position(|byte| *byte == 0) < wanted.len().checked_sub(1);
    match matching {
        ProcessMatch::Name | ProcessMatch::Exact => found == wanted,
        ProcessMatch::Initial if has_arguments => found.starts_with(&wanted[..wanted.len() - 1]),
        ProcessMatch::Initial | ProcessMatch::Partial => found.starts_with(wanted),
    }
}

/// The name of a process; `None` if there is none or it has ended but for its status.
fn name_of(pid: i32) -> Option<Vec<u8>> {
    let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // "pid (name) state ...", where the name may hold anything, parentheses too.
    let start = line.iter().position(|byte| *byte == b'(')? + 1;
    let end = line.iter().rposition(|byte| *byte == b')')?;
    match line.get(end + 2)? {
        b'Z' | b'X' => None,
        _ => line.get(start..end).map(<[u8]>::to_vec),
    }
}

#[cfg(test)]
mod tests {
    use vrrp::ProcessId;

    use super::*;

    fn wanted(process: &[&str], matching: ProcessMatch) -> Wanted {
        Wanted {
            id: ProcessId(0),
            process: process.iter().map(ToString::to_string).collect(),
            matching,
        }
    }

    /// What keepalived 2.2.7 was seen to count.
    #[test]
    fn command_lines_are_compared_as_asked() {
        let is = |wanted: &Wanted, found: &[&str]| {
            let Kind::CommandLine(line, matching) = Kind::of(wanted) else {
                panic!("by name")
            };
            let found = found.join("\0") + "\0";
            is_like(found.as_bytes(), &line, matching)
        };
        let exact = wanted(&["ntpd", "-u"], ProcessMatch::Exact);
        assert!(is(&exact, &["ntpd", "-u"]));
        assert!(!is(&exact, &["ntpd", "-u", "-n"]) && !is(&exact, &["ntpd"]) && !is(&exact, &["ntpd -u"]));
        let partial = wanted(&["ntpd", "-u"], ProcessMatch::Partial);
        assert!(is(&partial, &["ntpd", "-u", "-n"]) && is(&partial, &["ntpd", "-u"]));
        assert!(!is(&partial, &["ntpd", "-unt"]));
        let initial = wanted(&["ntpd", "-u"], ProcessMatch::Initial);
        assert!(is(&initial, &["ntpd", "-untp"]) && is(&initial, &["ntpd", "-u"]));
        assert!(is(&initial, &["ntpd", "-u", "-n"]) && !is(&initial, &["ntpd", "-x", "-u"]));
        assert!(!is(&initial, &["ntpd", "-x"]) && !is(&initial, &["ntpd"]));
        for matching in [ProcessMatch::Initial, ProcessMatch::Partial] {
            let command = wanted(&["/usr/sbin/ntpd"], matching);
            assert!(is(&command, &["/usr/sbin/ntpd"]) && is(&command, &["/usr/sbin/ntpd", "-u"]));
            assert!(!is(&command, &["/usr/sbin/ntpd2", "-u"]) && !is(&command, &["ntpd"]));
        }
    }

    #[test]
    fn a_long_name_is_cut_as_the_kernel_cuts_it() {
        let Kind::Name(name) = Kind::of(&wanted(&["averyveryverylongname"], ProcessMatch::Name)) else {
            panic!("by command line")
        };
        assert_eq!(name, b"averyveryverylo");
    }

    #[test]
    fn a_child_is_what_its_parent_is_until_it_ends() {
        let mut table = Table::new(&[wanted(&["x"], ProcessMatch::Name)]);
        table.members.insert(-1, vec![0]);
        table.inherit(-1, -2);
        table.inherit(-3, -4);
        assert_eq!(table.counts(), [2]);
        table.forget(-1);
        table.look(-2); // there is no such process
        assert_eq!(table.counts(), [0]);
    }
}
