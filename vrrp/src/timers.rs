//! The timers of the instances: those of masters apart from the others, because an advert that is due must not wait until a
//! thousand other routers have taken over.

use crate::deadlines::Deadlines;
use crate::event::InstanceId;
use crate::instance::Instance;
use crate::time::Instant;

/// When each instance must be looked at next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    masters: Deadlines,
    others: Deadlines,
}

impl Timers {
    /// Where this instance stands has changed.
    pub(crate) fn set(&mut self, instance: &Instance) {
        let (its, not_its) = if instance.state.is_master() {
            (&mut self.masters, &mut self.others)
        } else {
            (&mut self.others, &mut self.masters)
        };
        its.set(instance.id.0, instance.state.deadline());
        not_its.set(instance.id.0, None);
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<Instant> {
        let firsts = [self.masters.first(), self.others.first()];
        firsts.into_iter().flatten().min()
    }

    /// A master with something to do by now.
    pub(crate) fn due_master(&self, now: Instant) -> Option<InstanceId> {
        self.masters.due(now).map(InstanceId)
    }

    /// Another instance with something to do by now: the one that waits longest.
    pub(crate) fn due_other(&self, now: Instant) -> Option<InstanceId> {
        self.others.due(now).map(InstanceId)
    }
}
