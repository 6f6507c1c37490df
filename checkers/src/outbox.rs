//! Where actions wait for the shell: the table first, so that a dead server gets no more connections while a thousand
//! others are asked; the log before the notices, so that it tells why.

use std::collections::VecDeque;

use crate::action::Action;
use crate::event::ServiceId;
use crate::news::News;
use crate::notice::Notice;

/// Places that an empty queue keeps.
const SPARE: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    flush: bool,
    reconciles: VecDeque<ServiceId>,
    traffic: VecDeque<Action>,
    news: VecDeque<News>,
    notices: VecDeque<Notice>,
}

impl Outbox {
    pub(crate) fn flush(&mut self) {
        self.flush = true;
    }

    pub(crate) fn reconcile(&mut self, service: ServiceId) {
        if self.reconciles.back() != Some(&service) {
            self.reconciles.push_back(service);
        }
    }

    /// Conversations and runs of scripts keep their order.
    pub(crate) fn carry(&mut self, action: Action) {
        self.traffic.push_back(action);
    }

    pub(crate) fn tell(&mut self, news: News) {
        self.news.push_back(news);
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }

    pub(crate) fn next(&mut self) -> Option<Action> {
        if std::mem::take(&mut self.flush) {
            return Some(Action::Flush);
        }
        let next = self
            .reconciles
            .pop_front()
            .map(Action::Reconcile)
            .or_else(|| self.traffic.pop_front())
            .or_else(|| self.news.pop_front().map(Action::Tell))
            .or_else(|| self.notices.pop_front().map(Action::Notify));
        if next.is_none() {
            self.shrink();
        }
        next
    }

    /// What a start or a great failure needed is given back.
    fn shrink(&mut self) {
        if self.traffic.capacity() > SPARE {
            self.traffic.shrink_to(SPARE);
        }
        if self.news.capacity() > SPARE {
            self.news.shrink_to(SPARE);
        }
        if self.notices.capacity() > SPARE {
            self.notices.shrink_to(SPARE);
        }
    }
}
