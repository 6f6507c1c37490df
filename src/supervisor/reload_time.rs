//! `reload_time_file`: a file that says when to reload. It is looked at once a second, so that it may come, change and go, on any file
//! system, and the clock of the machine may be set.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sys::Civil;

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);

/// Longer than any time is.
const LONGEST_LINE: u64 = 64;

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct ReloadTime {
    look_at: Option<Instant>,
    /// The file as it was read: number, length, seconds and nanoseconds of its last change.
    seen: Option<[i64; 4]>,
    scheduled: Option<Scheduled>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Scheduled {
    /// Seconds after 1970 UTC.
    at: u64,
    /// A date is written: it comes once.
    has_date: bool,
}

/// Why a line names no time to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unfit {
    Form,
    Past,
}

impl ReloadTime {
    /// When to look next, if there is a file to look at.
    pub(super) fn deadline(&self, is_wanted: bool) -> Option<Instant> {
        is_wanted.then(|| self.look_at.unwrap_or_else(Instant::now))
    }

    /// Looks at the file that the configuration names now. Answers whether it is time to reload; then the file is gone, unless it is to
    /// be kept for the next day.
    pub(super) fn is_due(&mut self, path: Option<&str>, repeat: bool, now: Instant) -> bool {
        let Some(path) = path.map(Path::new) else {
            *self = Self::default();
            return false;
        };
        if self.look_at.is_some_and(|at| now < at) {
            return false;
        }
        self.look_at = Some(now + PACE);
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        self.look(path, wall);
        let Some(scheduled) = self.scheduled.take_if(|scheduled| scheduled.at <= wall) else {
            return false;
        };
        self.seen = None; // what is kept is read again
        if (scheduled.has_date || !repeat)
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!("Unable to remove {}: {error}", path.display());
        }
        true
    }

    fn look(&mut self, path: &Path, wall: u64) {
        let identity = path.metadata().ok().map(|data| {
            [
                data.ino().cast_signed(),
                data.size().cast_signed(),
                data.mtime(),
                data.mtime_nsec(),
            ]
        });
        if identity == self.seen {
            return;
        }
        self.seen = identity;
        let before = self.scheduled.take();
        let line = match identity.map(|_| first_line(path)) {
            Some(Ok(line)) => line,
            Some(Err(error)) => return tracing::warn!("Unable to read {}: {error}", path.display()),
            None => return before.iter().for_each(cancel),
        };
        match parse(&line, wall) {
            Ok(scheduled) => {
                let at = shown(scheduled.at);
                match before {
                    None => tracing::info!("Scheduling reload for {at}"),
                    Some(before) if before != scheduled => {
                        tracing::info!("Reload time updated from {} to {at}", shown(before.at));
                    }
                    Some(_) => {}
                }
                self.scheduled = Some(scheduled);
            }
            Err(unfit) => {
                match unfit {
                    Unfit::Form => tracing::info!("Invalid reload time '{line}' specified - ignoring"),
                    Unfit::Past => tracing::info!("Reload date/time is in the past - ignoring"),
                }
                before.iter().for_each(cancel);
            }
        }
    }
}

fn cancel(scheduled: &Scheduled) {
    tracing::info!("Cancelling reload scheduled for {}", shown(scheduled.at));
}

fn first_line(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    BufReader::new(file.take(LONGEST_LINE)).read_until(b'\n', &mut bytes)?;
    let line = String::from_utf8_lossy(&bytes);
    Ok(line.trim_end_matches('\n').escape_default().to_string())
}

fn shown(seconds: u64) -> String {
    Civil::at(seconds, false).written(' ')
}

/// `HH:MM:SS`, `YY-MM-DD HH:MM:SS` or `YYYY-MM-DD HH:MM:SS`, with a `Z` in UTC. Without a date it is today, or tomorrow if that has passed.
fn parse(line: &str, wall: u64) -> Result<Scheduled, Unfit> {
    let (words, utc) = match line.strip_suffix('Z') {
        Some(words) => (words, true),
        None => (line, false),
    };
    let today = Civil::at(wall, utc);
    let (date, clock) = match words.split_once(' ') {
        Some((date, clock)) => (Some(date), clock),
        None => (None, words),
    };
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2]).ok_or(Unfit::Form)?;
    let [year, month, day] = match date {
        None => [today.year, today.month, today.day],
        Some(date) if date.len() == 8 => {
            let [year, month, day] = numbers(date, '-', [2, 2, 2]).ok_or(Unfit::Form)?;
            [2000 + year, month, day]
        }
        Some(date) => numbers(date, '-', [4, 2, 2]).ok_or(Unfit::Form)?,
    };
    let written = Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    };
    let at = written.seconds(utc).ok_or(Unfit::Form)?;
    if Civil::at(at, utc) != written {
        return Err(Unfit::Form); // 30 February, 25 o'clock, or an hour that summer time skips
    }
    let at = match (at > wall, date) {
        (true, _) => at,
        (false, Some(_)) => return Err(Unfit::Past),
        (false, None) => Civil {
            day: day + 1,
            ..written
        }
        .seconds(utc)
        .ok_or(Unfit::Form)?,
    };
    Ok(Scheduled {
        at,
        has_date: date.is_some(),
    })
}

/// Numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i32; 3]> {
    let words: Vec<&str> = text.split(between).collect();
    let fits = |(word, digits): (&&str, usize)| {
        word.len() == digits && word.bytes().all(|letter| letter.is_ascii_digit())
    };
    if words.len() != digits.len() || !words.iter().zip(digits).all(fits) {
        return None;
    }
    let numbers: Vec<i32> = words.iter().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 14:45:19 UTC.
    const NOW: u64 = 1_795_358_719;

    fn utc(line: &str) -> Result<String, Unfit> {
        let scheduled = parse(line, NOW)?;
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = Civil::at(scheduled.at, true);
        assert_eq!(scheduled.has_date, line.len() > 9);
        Ok(format!("{year}-{month}-{day} {hour}:{minute}:{second}"))
    }

    #[test]
    fn the_three_forms_are_read_and_nothing_else() {
        assert_eq!(utc("14:45:20Z").unwrap(), "2026-11-22 14:45:20");
        assert_eq!(utc("14:45:19Z").unwrap(), "2026-11-23 14:45:19");
        assert_eq!(utc("26-12-01 00:00:00Z").unwrap(), "2026-12-1 0:0:0");
        assert_eq!(utc("2027-01-31 23:59:59Z").unwrap(), "2027-1-31 23:59:59");
        assert_eq!(utc("2026-11-22 14:45:19Z"), Err(Unfit::Past));
        for line in [
            "",
            "Z",
            "14:45",
            "1:2:3",
            "24:00:00Z",
            "2026-02-30 10:00:00Z",
            "2026-11-23  10:00:00",
            "-1:00:00",
            "now",
        ] {
            assert_eq!(parse(line, NOW), Err(Unfit::Form), "{line}");
        }
    }

    #[test]
    fn without_z_it_is_the_machine_s_time() {
        let tomorrow = parse("12:00:00", NOW).unwrap();
        let Civil {
            hour, minute, second, ..
        } = Civil::at(tomorrow.at, false);
        assert_eq!((hour, minute, second), (12, 0, 0));
        assert!(tomorrow.at > NOW && tomorrow.at <= NOW + 25 * 3600);
    }

    #[test]
    fn a_file_may_come_change_and_go() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("when");
        let path = file.to_str();
        let mut time = ReloadTime::default();
        let mut now = Instant::now();
        let mut look = |time: &mut ReloadTime, repeat| {
            now += PACE;
            time.is_due(path, repeat, now)
        };
        assert!(!look(&mut time, false));
        std::fs::write(&file, "2999-01-01 00:00:00\n").unwrap();
        assert!(!look(&mut time, false) && time.scheduled.is_some());
        std::fs::remove_file(&file).unwrap();
        assert!(!look(&mut time, false) && time.scheduled.is_none());
        // Due at once: what was to come has come meanwhile.
        for (has_date, repeat, stays) in [(false, true, true), (true, true, false), (false, false, false)] {
            std::fs::write(&file, "00:00:00\n").unwrap();
            look(&mut time, repeat);
            time.scheduled = Some(Scheduled { at: 1, has_date });
            assert!(look(&mut time, repeat));
            assert_eq!(file.exists(), stays, "{has_date} {repeat}");
        }
    }
}
