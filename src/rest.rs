//! What a start or a reload needed, given back once it is over: memory that is free, and code that will not run again.

use std::time::{Duration, Instant};

use crate::sys;

/// Longer than virtual routers take to become master after a start, at the default advert interval.
const OVER: Duration = Duration::from_secs(8);

/// When a process comes to rest.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    at: Option<Instant>,
}

impl Rest {
    /// A configuration is in force. Gives back what reading it needed; the rest follows.
    pub(crate) fn begin(&mut self) {
        sys::give_back_memory();
        self.at = Some(Instant::now() + OVER);
    }

    /// To be asked now and then.
    pub(crate) fn look(&mut self) {
        if self.at.take_if(|at| *at <= Instant::now()).is_some() {
            sys::give_back_memory();
            sys::let_go_of_code();
        }
    }
}
