//! When a child process counts as stuck, and when a dead one is started again. Pure: instants come in, decisions go out;
//! nothing here reads a clock, sends a signal or starts a process.

use std::time::{Duration, Instant};

/// How long a child that has begun its work may be silent: six beats ([`crate::message::BEAT_INTERVAL`]).
pub const SILENCE: Duration = Duration::from_secs(3);

/// A child that has missed three beats is not well yet not given up: meanwhile nobody vouches for it.
const UNEASY: Duration = Duration::from_millis(1500);

/// How long a child may take from its start to its first sign of life.
pub const START: Duration = Duration::from_secs(30);

/// A watcher that looks this much too late was held up itself and cannot tell silence from its own deafness.
const HELD_UP: Duration = Duration::from_millis(500);

/// Delays before restarts: none at first, then doubling up to the last.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LAST_DELAY: Duration = Duration::from_secs(32);

/// A child that lived this long has earned an immediate restart again.
const GOOD_LIFE: Duration = Duration::from_mins(1);

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With an exit status.
    Exited(i32),
    /// By a signal.
    Killed(i32),
    /// It never began.
    NotStarted,
}

/// What becomes of a role whose process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is started again after a delay.
    Respawn(Duration),
    /// Starting again would not help: the daemon ends with this exit status.
    Terminate(Permanent),
    /// `-R`: the daemon ends.
    Exit,
}

/// Exit statuses with which a child says that starting it again would not help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Permanent {
    /// `FATAL`.
    Fatal = 1,
    /// `CONFIG`.
    Configuration = 2,
    /// `missing permission`.
    Permission = 4,
}

/// What is due now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Start a process.
    Start,
    /// The process has been silent for this long: kill it.
    Kill(Duration),
}

/// The watch over one role.
#[derive(Debug)]
pub struct Watch {
    respawn: bool,
    phase: Phase,
    delay: Duration,
}

#[derive(Debug)]
enum Phase {
    /// No process, and none wanted.
    Idle,
    /// No process; one is wanted from this instant on.
    Waiting { start_at: Instant },
    /// A process that must give a sign of life until `silent_at`.
    Running {
        started: Instant,
        heard: Instant,
        silent_at: Instant,
    },
    /// Killed for its silence; its end is awaited.
    Killed { started: Instant },
}

impl Watch {
    /// A watch over a role without a process. Without `respawn` (`-R`) a dead process ends the daemon.
    pub fn new(respawn: bool) -> Watch {
        Watch {
            respawn,
            phase: Phase::Idle,
            delay: Duration::ZERO,
        }
    }

    /// A process was started.
    pub fn started(&mut self, now: Instant) {
        self.phase = Phase::Running {
            started: now,
            heard: now,
            silent_at: now + START,
        };
    }

    /// The process gave a sign of life.
    pub fn heard(&mut self, now: Instant) {
        if let Phase::Running { heard, silent_at, .. } = &mut self.phase {
            (*heard, *silent_at) = (now, now + SILENCE);
        }
    }

    /// The process ended, or could not be started at all.
    pub fn ended(&mut self, end: End, now: Instant) -> Fate {
        let lived = match self.phase {
            Phase::Running { started, .. } | Phase::Killed { started } => now - started,
            Phase::Idle | Phase::Waiting { .. } => Duration::ZERO,
        };
        self.phase = Phase::Idle;
        if let Some(permanent) = Permanent::of(end) {
            return Fate::Terminate(permanent);
        }
        if !self.respawn {
            return Fate::Exit;
        }
        let delay = if lived >= GOOD_LIFE {
            Duration::ZERO
        } else {
            self.delay
        };
        self.delay = (2 * delay).clamp(FIRST_DELAY, LAST_DELAY);
        self.phase = Phase::Waiting {
            start_at: now + delay,
        };
        Fate::Respawn(delay)
    }

    /// No process is wanted any more.
    pub fn rest(&mut self) {
        self.phase = Phase::Idle;
    }

    /// What is due at `now`; to be asked at [`Watch::deadline`], after everything that the process said was heard.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        match &mut self.phase {
            Phase::Waiting { start_at } if now >= *start_at => {
                self.phase = Phase::Idle;
                Some(Due::Start)
            }
            Phase::Running { silent_at, .. } if now >= *silent_at + HELD_UP => {
                *silent_at = now + SILENCE;
                None
            }
            Phase::Running {
                started,
                heard,
                silent_at,
            } if now >= *silent_at => {
                let silence = now - *heard;
                self.phase = Phase::Killed { started: *started };
                Some(Due::Kill(silence))
            }
            _ => None,
        }
    }

    /// Whether nothing is amiss: the process shows signs of life, has just begun, or there is none to show any.
    pub fn is_well(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle | Phase::Waiting { .. } => true,
            Phase::Running {
                started,
                heard,
                silent_at,
            } => now < silent_at && (heard == started || now < heard + UNEASY),
            Phase::Killed { .. } => false,
        }
    }

    /// When to ask [`Watch::due`] next.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { start_at } => Some(start_at),
            Phase::Running { silent_at, .. } => Some(silent_at),
            Phase::Idle | Phase::Killed { .. } => None,
        }
    }
}

impl Permanent {
    /// The permanent error that an end tells of, if it does.
    pub fn of(end: End) -> Option<Permanent> {
        match end {
            End::Exited(1) => Some(Permanent::Fatal),
            End::Exited(2) => Some(Permanent::Configuration),
            End::Exited(4) => Some(Permanent::Permission),
            End::Exited(_) | End::Killed(_) | End::NotStarted => None,
        }
    }

    /// The words of the log line.
    pub fn words(self) -> &'static str {
        match self {
            Permanent::Fatal => "FATAL",
            Permanent::Configuration => "CONFIG",
            Permanent::Permission => "missing permission",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGKILL: End = End::Killed(9);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A watch and its simulated clock.
    struct Story {
        watch: Watch,
        now: Instant,
    }

    impl Story {
        fn begin() -> Story {
            let mut story = Story {
                watch: Watch::new(true),
                now: Instant::now(),
            };
            story.watch.started(story.now);
            story.beats_for(Duration::from_secs(1));
            story
        }

        fn beats_for(&mut self, time: Duration) {
            let end = self.now + time;
            while self.now < end {
                assert_eq!(self.watch.due(self.now), None);
                self.now += ms(500);
                self.watch.heard(self.now);
            }
        }

        /// Time passes in silence until something is due.
        fn next(&mut self) -> (Duration, Option<Due>) {
            let start = self.now;
            while let Some(deadline) = self.watch.deadline() {
                self.now = self.now.max(deadline);
                if let Some(due) = self.watch.due(self.now) {
                    return (self.now - start, Some(due));
                }
            }
            (self.now - start, None)
        }

        /// Well at every moment until something is due, and whether it still is then.
        fn stays_well(&mut self) -> bool {
            assert!(self.watch.is_well(self.now));
            self.next();
            self.watch.is_well(self.now)
        }

        fn dies(&mut self) -> Fate {
            self.watch.ended(SIGKILL, self.now)
        }
    }

    #[test]
    fn a_child_that_beats_is_left_alone() {
        let mut story = Story::begin();
        story.beats_for(Duration::from_hours(1));
    }

    #[test]
    fn a_silent_child_is_killed_once_within_three_seconds_and_replaced_at_once() {
        let mut story = Story::begin();
        assert_eq!(story.next(), (SILENCE, Some(Due::Kill(SILENCE))));
        assert_eq!(story.watch.due(story.now + SILENCE), None);
        assert_eq!(story.watch.deadline(), None);
        story.watch.heard(story.now); // its last words change nothing
        assert_eq!(story.watch.deadline(), None);
        assert_eq!(story.dies(), Fate::Respawn(Duration::ZERO));
        assert_eq!(story.next(), (Duration::ZERO, Some(Due::Start)));
    }

    #[test]
    fn a_start_may_take_longer_but_not_for_ever() {
        let mut story = Story {
            watch: Watch::new(true),
            now: Instant::now(),
        };
        story.watch.started(story.now);
        assert_eq!(story.next(), (START, Some(Due::Kill(START))));
    }

    #[test]
    fn restarts_come_later_and_later_until_one_lives_long() {
        let mut story = Story::begin();
        for seconds in [0, 1, 2, 4, 8, 16, 32, 32, 32] {
            let delay = Duration::from_secs(seconds);
            assert_eq!(story.dies(), Fate::Respawn(delay));
            assert_eq!(story.next(), (delay, Some(Due::Start)));
            story.watch.started(story.now);
            story.now += ms(100);
        }
        story.watch.heard(story.now);
        story.beats_for(GOOD_LIFE);
        assert_eq!(story.dies(), Fate::Respawn(Duration::ZERO));
        assert_eq!(story.next(), (Duration::ZERO, Some(Due::Start)));
        story.watch.started(story.now);
        assert_eq!(story.dies(), Fate::Respawn(FIRST_DELAY));
    }

    #[test]
    fn permanent_errors_end_the_daemon_others_do_not() {
        for (status, permanent) in [
            (1, Permanent::Fatal),
            (2, Permanent::Configuration),
            (4, Permanent::Permission),
        ] {
            let mut story = Story::begin();
            assert_eq!(
                story.watch.ended(End::Exited(status), story.now),
                Fate::Terminate(permanent)
            );
            assert_eq!(permanent as i32, status);
            assert_eq!(story.next(), (Duration::ZERO, None));
        }
        for end in [
            End::Exited(0),
            End::Exited(3),
            End::Exited(70),
            End::Exited(101),
            End::Killed(11),
            End::NotStarted,
        ] {
            let mut story = Story::begin();
            assert_eq!(story.watch.ended(end, story.now), Fate::Respawn(Duration::ZERO));
        }
    }

    #[test]
    fn without_respawn_a_death_ends_the_daemon() {
        let mut story = Story::begin();
        story.watch.respawn = false;
        assert_eq!(story.dies(), Fate::Exit);
        assert_eq!(story.next(), (Duration::ZERO, None));
    }

    #[test]
    fn a_watcher_that_was_stopped_itself_gives_the_child_another_chance() {
        // Both processes were suspended for an hour (a paused machine, a debugger): no beat was sent meanwhile.
        let mut story = Story::begin();
        story.now += Duration::from_hours(1);
        assert_eq!(story.watch.due(story.now), None);
        story.beats_for(Duration::from_secs(5));
        // The child alone hangs: the second chance is the last.
        story.now += Duration::from_hours(1);
        assert_eq!(story.watch.due(story.now), None);
        assert_eq!(story.next().0, SILENCE);
    }

    #[test]
    fn all_is_well_but_for_a_silent_process() {
        let mut story = Story::begin();
        story.watch.heard(story.now);
        let is_well_after = |time| story.watch.is_well(story.now + time);
        assert!(
            is_well_after(ms(1499)) && !is_well_after(UNEASY),
            "not yet given up"
        );
        assert!(!story.stays_well(), "silent for too long and killed");
        story.dies();
        assert!(story.watch.is_well(story.now), "it is to be started again");
        story.watch.rest();
        assert!(story.watch.is_well(story.now));
    }

    #[test]
    fn a_role_at_rest_is_not_started() {
        let mut story = Story::begin();
        assert_eq!(story.dies(), Fate::Respawn(Duration::ZERO));
        story.watch.rest();
        assert_eq!(story.next(), (Duration::ZERO, None));
    }
}
