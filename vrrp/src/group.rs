//! Sync groups: instances that change state together.
//!
//! A member in FAULT holds all in FAULT, one that follows another master makes all BACKUP, and all become MASTER only
//! when every one of them would be. As with a single instance, what follows is drawn from the truth as it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use parser::config::VrrpSyncGroup;

use crate::action::{Notified, Transition, Whose};
use crate::engine::Engine;
use crate::event::InstanceId;
use crate::fault::FaultReason;
use crate::instance::Instance;
use crate::news::{Happening, News};
use crate::state::State;
use crate::time::Instant;

/// So many faulty members are named among the faults of another: a large group would name each to each.
const NAMED_MEMBERS: usize = 8;

/// A `vrrp_sync_group`. All fields are for reading: the engine alone writes them.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// Its configuration.
    pub config: VrrpSyncGroup,
    /// Its members, in the order of the configuration.
    pub members: Vec<InstanceId>,
    /// Its state, as the world was told; `None` while its members have not begun.
    pub state: Option<Notified>,
}

/// Where a member stands, as far as the others care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It has not begun.
    Init,
    /// It may not run.
    Fault,
    /// It follows another master.
    Follows,
    /// It listens for a master, and has heard none yet.
    Listens,
    /// It would be master.
    Ready,
    /// It is master.
    Master,
    /// It is gone.
    Gone,
}

impl Instance {
    pub(crate) fn stance(&self) -> Stance {
        match &self.state {
            State::Init { .. } => Stance::Init,
            State::Fault { .. } => Stance::Fault,
            State::Backup {
                take_over_at: None, ..
            } => Stance::Ready,
            State::Backup { .. } if self.master.is_some() => Stance::Follows,
            State::Backup { .. } => Stance::Listens,
            State::Master(_) => Stance::Master,
            State::Stopped | State::Removed => Stance::Gone,
        }
    }

    fn has_own_fault(&self) -> bool {
        self.own_faults.iter().any(|reason| !reason.is_waiting())
    }
}

impl Engine {
    /// A member did something on its own account: the others follow if they must. `before` is where it stood.
    pub(crate) fn follow_up(&mut self, id: InstanceId, before: Stance, now: Instant) {
        let instance = &self.instances[id.0 as usize];
        let after = instance.stance();
        match instance.group {
            Some(group) if before != after => self.agree(group, id, before == Stance::Master, now),
            Some(_) | None => self.timers.set(instance),
        }
    }

    /// Draws the consequences of what these instances found when they looked.
    pub(crate) fn conclude(&mut self, looked: &[InstanceId], now: Instant) {
        let mut groups = BTreeSet::new();
        for id in looked {
            let instance = &mut self.instances[id.0 as usize];
            match instance.group {
                None => {
                    let may_lead = instance.would_lead(now);
                    instance.conclude(BTreeSet::new(), may_lead, now, &mut self.out);
                    self.timers.set(instance);
                }
                Some(group) => {
                    if groups.insert(group) {
                        let culprit = self.groups[group].members.iter().find(|member| {
                            looked.contains(member) && self.instances[member.0 as usize].has_own_fault()
                        });
                        self.agree(group, culprit.copied().unwrap_or(*id), false, now);
                    }
                }
            }
        }
    }

    /// Brings the members of a group in step. `first` is the one that began; `left`: it left MASTER of its own accord.
    fn agree(&mut self, group: usize, first: InstanceId, left: bool, now: Instant) {
        let told = self.out.transitions.len();
        let members = self.members_from(group, first);
        self.share_faults(group, &members, now);
        let stances: Vec<Stance> = self.stances(&members).collect();
        let yields = left || stances.contains(&Stance::Follows);
        if yields && stances.contains(&Stance::Master) {
            self.all_backup(group, &members, now);
        } else if stances.contains(&Stance::Ready)
            && stances
                .iter()
                .all(|stance| matches!(stance, Stance::Ready | Stance::Master))
        {
            self.all_master(group, &members, now);
        }
        self.tell_group(group, told);
        for id in members {
            self.timers.set(&self.instances[id.0 as usize]);
        }
    }

    /// Every member has its own faults and those of the others.
    fn share_faults(&mut self, group: usize, members: &[InstanceId], now: Instant) {
        let instances = &self.instances;
        let members_of = || members.iter().map(|id| &instances[id.0 as usize]);
        let may_lead = members_of().all(|member| member.would_lead(now));
        let faulty = members_of().filter(|member| member.has_own_fault());
        let mut reasons: Vec<FaultReason> = faulty
            .map(|member| FaultReason::Member(Arc::clone(&member.name)))
            .take(NAMED_MEMBERS + 1)
            .collect();
        let waiting = members_of().filter(|member| !member.own_faults.is_empty() && !member.has_own_fault());
        reasons.extend(
            waiting
                .map(|member| FaultReason::AwaitingMember(Arc::clone(&member.name)))
                .take(NAMED_MEMBERS + 1),
        );
        for (index, id) in members.iter().enumerate() {
            let instance = &mut self.instances[id.0 as usize];
            let is_other = |reason: &&FaultReason| match reason {
                FaultReason::Member(name) | FaultReason::AwaitingMember(name) => *name != instance.name,
                _ => true,
            };
            let others = reasons.iter().filter(is_other).cloned().collect();
            let before = instance.stance();
            instance.conclude(others, may_lead, now, &mut self.out);
            let after = instance.stance();
            if index == 0 && before != after {
                let to = match after {
                    Stance::Fault => Notified::Fault,
                    Stance::Master => Notified::Master,
                    Stance::Init | Stance::Follows | Stance::Listens | Stance::Ready | Stance::Gone => {
                        Notified::Backup
                    }
                };
                self.tell_syncing(group, to);
            }
        }
    }

    fn all_backup(&mut self, group: usize, members: &[InstanceId], now: Instant) {
        self.tell_syncing(group, Notified::Backup);
        for id in members {
            let instance = &mut self.instances[id.0 as usize];
            if instance.stance() == Stance::Master {
                instance.become_backup(now + instance.master_down(), now, &mut self.out);
            }
        }
    }

    fn all_master(&mut self, group: usize, members: &[InstanceId], now: Instant) {
        for id in members {
            let instance = &mut self.instances[id.0 as usize];
            if instance.stance() == Stance::Ready {
                instance.become_master(now, &mut self.out);
                if *id == members[0] {
                    self.tell_syncing(group, Notified::Master);
                }
            }
        }
    }

    /// Says that the others follow; not at the start, where there is nothing to bring in step.
    fn tell_syncing(&mut self, group: usize, to: Notified) {
        let group = &self.groups[group];
        if group.state.is_some_and(|state| state != to) {
            self.out.tell(News {
                subject: Arc::clone(&group.name),
                what: Happening::Syncing(to),
            });
        }
    }

    /// Tells the world of the group's state, if that is another now. At the start keepalived names the group before its
    /// members; `told` transitions were waiting before theirs.
    fn tell_group(&mut self, group: usize, told: usize) {
        let Some(state) = self.group_state(group) else {
            return;
        };
        let group = &mut self.groups[group];
        let before = group.state.replace(state);
        if before == Some(state) {
            return;
        }
        let transition = transition_of(&group.name, state);
        if before.is_none() && state != Notified::Master {
            self.out.transitions.insert(told, transition);
        } else {
            self.out.notify(transition);
        }
    }

    /// What the group is: a member that a reload has added may still listen while the others are master.
    fn group_state(&self, group: usize) -> Option<Notified> {
        let members = &self.groups[group].members;
        let has = |wanted: &[Stance]| self.stances(members).any(|stance| wanted.contains(&stance));
        if has(&[Stance::Fault]) {
            Some(Notified::Fault)
        } else if has(&[Stance::Master]) {
            Some(Notified::Master)
        } else if has(&[Stance::Follows, Stance::Listens, Stance::Ready]) {
            Some(Notified::Backup)
        } else {
            None
        }
    }

    /// The end of all groups, after that of all instances.
    pub(crate) fn stop_groups(&mut self) {
        for group in &mut self.groups {
            group.state = Some(Notified::Stop);
            self.out.notify(transition_of(&group.name, Notified::Stop));
        }
    }

    /// The other members of an instance's group.
    pub(crate) fn fellows(&self, id: InstanceId) -> Vec<InstanceId> {
        let group = self.instances[id.0 as usize].group;
        let members = group.map_or(&[][..], |group| &self.groups[group].members);
        members.iter().copied().filter(|member| *member != id).collect()
    }

    fn members_from(&self, group: usize, first: InstanceId) -> Vec<InstanceId> {
        let others = self.groups[group].members.iter().copied();
        std::iter::once(first)
            .chain(others.filter(|id| *id != first))
            .collect()
    }

    fn stances<'a>(&'a self, members: &'a [InstanceId]) -> impl Iterator<Item = Stance> + 'a {
        members.iter().map(|id| self.instances[id.0 as usize].stance())
    }
}

fn transition_of(group: &Arc<str>, to: Notified) -> Transition {
    Transition {
        whose: Whose::Group(Arc::clone(group)),
        to,
        priority: 0,
    }
}
