//! Notices that the reader of a named pipe is another one than before, though nobody says so: the kernel tells of opening, reading and
//! closing, not by whom.
//!
//! Many a script opens the pipe anew for each line (`read line </run/fifo`, in a loop). It must not be told all states after each of
//! them, so what tells a lasting reader is when it closes the pipe: not right after its first line. A reader that opens it for writing
//! too is never noticed. Absent: what follows from it.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use tracing::warn;

/// Who closes the pipe this soon after a line opens it anew for each.
const MOMENT: Duration = Duration::from_millis(500);

/// Between two times that states are told anew without anything new: at first, and at most. Doubled each time, for a script that
/// takes long over each line and opens the pipe for each after all.
const PAUSE: Duration = Duration::from_mins(1);
const PAUSE_AT_MOST: Duration = Duration::from_hours(24);

/// A thread that watches one pipe, until this is dropped.
pub(super) struct Watch {
    watches: Watches,
    watch: WatchDescriptor,
}

impl Watch {
    /// Calls `came_back` whenever a reader opens the pipe in place of a lasting one, as long as it answers true.
    pub(super) fn new(path: &Path, came_back: impl FnMut(Instant) -> bool + Send + 'static) -> Option<Self> {
        Self::start(path, came_back)
            .inspect_err(|error| {
                let path = path.display();
                warn!("Unable to watch FIFO {path}: {error}; readers that come back are not told states");
            })
            .ok()
    }

    fn start(path: &Path, came_back: impl FnMut(Instant) -> bool + Send + 'static) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let mut watches = inotify.watches();
        let watch = watches.add(
            path,
            WatchMask::OPEN | WatchMask::ACCESS | WatchMask::CLOSE_NOWRITE,
        )?;
        std::thread::Builder::new()
            .name("fifo".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || follow(inotify, came_back))?;
        Ok(Self { watches, watch })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread hears that as its last event. An error says that it has ended.
        let _ = self.watches.remove(self.watch.clone());
    }
}

fn follow(mut inotify: Inotify, mut came_back: impl FnMut(Instant) -> bool) {
    let mut habit = Habit::default();
    let mut buffer = [0; 1024];
    loop {
        let Ok(events) = inotify.read_events_blocking(&mut buffer) else {
            return;
        };
        let now = Instant::now();
        for event in events {
            if event.mask.contains(EventMask::IGNORED) {
                return;
            }
            let seen = if event.mask.contains(EventMask::OPEN) {
                Seen::Opened
            } else if event.mask.contains(EventMask::ACCESS) {
                Seen::Read
            } else {
                Seen::Closed
            };
            if habit.saw(seen, now) && !came_back(now) {
                return;
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Seen {
    Opened,
    Read,
    Closed,
}

/// What a reader does.
#[derive(Default)]
struct Habit {
    first_read: Option<Instant>,
    last_read: Option<Instant>,
    /// The last one that read was a lasting one, and has closed the pipe.
    has_left: bool,
}

impl Habit {
    /// Answers whether a lasting reader was just replaced.
    fn saw(&mut self, seen: Seen, now: Instant) -> bool {
        match (seen, self.first_read, self.last_read) {
            (Seen::Opened, ..) => {
                (self.first_read, self.last_read) = (None, None);
                return std::mem::take(&mut self.has_left);
            }
            (Seen::Read, ..) => {
                self.first_read.get_or_insert(now);
                self.last_read = Some(now);
            }
            (Seen::Closed, Some(first), Some(last)) => {
                self.has_left = now - last > MOMENT || last - first > MOMENT;
            }
            // It has taken nothing out.
            (Seen::Closed, ..) => {}
        }
        false
    }
}

/// How often states may be told anew.
#[derive(Default)]
pub(super) struct Pace {
    next: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// Something new was told.
    pub(super) fn renew(&mut self) {
        *self = Self::default();
    }

    /// Whether states may be told anew now.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.pause = (self.pause * 2).clamp(PAUSE, PAUSE_AT_MOST);
        self.next = Some(now + self.pause);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds and what is seen then; answers with when a reader is taken for one that came back.
    fn came_back(seen: &[(u64, Seen)]) -> Vec<u64> {
        let (mut habit, start) = (Habit::default(), Instant::now());
        let mut is_new = |(at, seen)| habit.saw(seen, start + Duration::from_millis(at));
        seen.iter()
            .copied()
            .filter(|&one| is_new(one))
            .map(|(at, _)| at)
            .collect()
    }

    #[test]
    fn one_that_waited_for_its_next_line_is_missed_when_it_goes() {
        use Seen::{Closed, Opened, Read};
        let story = [
            (0, Opened),
            (5, Read),
            (6, Read),
            (9_000, Closed),
            (9_500, Opened),
            (9_501, Read),
        ];
        assert_eq!(came_back(&story), [9_500]);
        // It died of its second line.
        let story = [
            (0, Opened),
            (5, Read),
            (9_000, Read),
            (9_001, Closed),
            (9_100, Opened),
        ];
        assert_eq!(came_back(&story), [9_100]);
        // Somebody looks whether the pipe opens, and takes nothing out.
        let story = [
            (0, Opened),
            (5, Closed),
            (10, Opened),
            (9_000, Closed),
            (9_100, Opened),
        ];
        assert!(came_back(&story).is_empty());
    }

    #[test]
    fn one_that_opens_the_pipe_for_each_line_is_not() {
        use Seen::{Closed, Opened, Read};
        let line = |at| {
            [
                (at, Opened),
                (at + 3000, Read),
                (at + 3001, Read),
                (at + 3002, Closed),
            ]
        };
        let story: Vec<_> = (0..10).flat_map(|round| line(round * 4000)).collect();
        assert!(came_back(&story).is_empty());
    }

    #[test]
    fn without_anything_new_states_are_told_ever_more_rarely() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut told = (0..86_400).filter(|second| pace.allows(start + Duration::from_secs(*second)));
        assert_eq!(told.by_ref().take(4).collect::<Vec<_>>(), [0, 60, 180, 420]);
        assert!(told.count() < 10);
        pace.renew();
        assert!(pace.allows(start));
    }
}
