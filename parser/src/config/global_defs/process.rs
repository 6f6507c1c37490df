//! Names, priorities and processors of the three processes.

use std::time::Duration;

use crate::report::{Reason, Report};
use crate::tree::Line;

/// `*process_name <NAME>`: the kernel keeps 15 bytes.
pub(super) fn name(line: Line<'_>, report: &mut Report) -> Option<String> {
    const LONGEST: usize = 15;
    let word = line.setting(report)?;
    let mut name = word.text().to_owned();
    if name.len() > LONGEST {
        report.add(word.at(), Reason::Truncated { longest: LONGEST });
        name.truncate(
            (0..=LONGEST)
                .rev()
                .find(|&at| name.is_char_boundary(at))
                .unwrap_or(0),
        );
    }
    Some(name)
}

/// `*_rt_priority <INT>`: clamped to 1..=99.
pub(super) fn rt_priority(line: Line<'_>, report: &mut Report) -> Option<u8> {
    let word = line.setting(report)?;
    let written = word.number(i32::MIN..=i32::MAX, report)?;
    let clamped = written.clamp(1, 99);
    if clamped != written {
        report.add(
            word.at(),
            Reason::NotAllowed {
                got: word.text().to_owned(),
                used: clamped.to_string(),
            },
        );
    }
    u8::try_from(clamped).ok()
}

/// `*_cpu_affinity <CPU> [<CPU>...]`.
pub(super) fn cpu_affinity(line: Line<'_>, report: &mut Report) -> Vec<u16> {
    const MOST: u16 = 1023; // CPU_SETSIZE - 1; how many there are is judged on the machine
    if line.setting(report).is_none() {
        return Vec::new();
    }
    line.words()
        .filter_map(|word| word.number(0..=MOST, report))
        .collect()
}

/// `*_rlimit_rttime <USECS>`: 1 counts as 2.
pub(super) fn rlimit_rttime(line: Line<'_>, report: &mut Report) -> Option<Duration> {
    let microseconds: u32 = line.number(1..=u32::MAX, report)?;
    Some(Duration::from_micros(microseconds.max(2).into()))
}
