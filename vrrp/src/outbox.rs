//! Where actions wait for the shell, the urgent ones first: whatever one event or timeout asks of a thousand
//! instances, all adverts leave before the first address is written, and nothing waits for a script or a log line.

use std::collections::VecDeque;
use std::time::Duration;

use crate::action::{Action, Datagram, Transition};
use crate::event::{InstanceId, ScriptId};
use crate::news::News;

#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// The time of day, for what is signed.
    pub(crate) utc: Duration,
    adverts: VecDeque<Datagram>,
    reconciles: VecDeque<InstanceId>,
    /// [`Action::Announce`] and [`Action::AnnounceAddress`], as they were asked for.
    pub(crate) announces: VecDeque<Action>,
    /// Those that have had their place in a lane ([`crate::pace`]), if there are any.
    pub(crate) paced: VecDeque<Action>,
    /// Those that are due to announce themselves on other links (`garp_extra_if`).
    pub(crate) elsewhere: Vec<InstanceId>,
    news: VecDeque<News>,
    pub(crate) transitions: VecDeque<Transition>,
    runs: VecDeque<ScriptId>,
}

impl Outbox {
    pub(crate) fn send(&mut self, datagrams: Vec<Datagram>) {
        self.adverts.extend(datagrams);
    }

    pub(crate) fn reconcile(&mut self, instance: InstanceId) {
        if self.reconciles.back() != Some(&instance) {
            self.reconciles.push_back(instance);
        }
    }

    pub(crate) fn announce(&mut self, instance: InstanceId, repeat: u32) {
        if repeat > 0 {
            self.announces.push_back(Action::Announce { instance, repeat });
        }
    }

    pub(crate) fn tell(&mut self, news: News) {
        self.news.push_back(news);
    }

    pub(crate) fn notify(&mut self, transition: Transition) {
        self.transitions.push_back(transition);
    }

    pub(crate) fn run(&mut self, script: ScriptId) {
        self.runs.push_back(script);
    }

    pub(crate) fn next(&mut self) -> Option<Action> {
        self.adverts
            .pop_front()
            .map(Action::Send)
            .or_else(|| self.reconciles.pop_front().map(Action::Reconcile))
            .or_else(|| self.paced.pop_front())
            .or_else(|| self.announces.pop_front())
            .or_else(|| self.news.pop_front().map(Action::Tell))
            .or_else(|| self.transitions.pop_front().map(Action::Notify))
            .or_else(|| self.runs.pop_front().map(Action::RunScript))
            .or_else(|| self.rest())
    }

    /// Nothing is left: what a thousand instances needed at once is given back.
    fn rest(&mut self) -> Option<Action> {
        const KEPT: usize = 64;
        self.adverts.shrink_to(KEPT);
        self.reconciles.shrink_to(KEPT);
        self.paced.shrink_to(KEPT);
        self.announces.shrink_to(KEPT);
        self.news.shrink_to(KEPT);
        self.transitions.shrink_to(KEPT);
        self.runs.shrink_to(KEPT);
        None
    }
}
