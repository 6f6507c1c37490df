//! What a packet does to its session: RFC 5880 6.8.6, from where the session is found.

use clockwork::Instant;

use crate::packet::{Diagnostic, Packet, State};
use crate::refusal::Refusal;
use crate::session::{Poll, Remote, Session, Shared};

impl Session {
    pub(crate) fn hear(&mut self, packet: &Packet, now: Instant, shared: &mut Shared) -> Result<(), Refusal> {
        if self.state == State::AdminDown {
            return Err(Refusal::AdminDown);
        }
        let remote = Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            multiplier: packet.multiplier,
            min_rx: packet.required_min_rx,
            desired_min_tx: packet.desired_min_tx,
            demand: packet.demand,
        };
        shared.changed |= remote != self.remote;
        self.remote = remote;
        if packet.final_ {
            self.answered(shared);
        }
        if let Some((state, diagnostic)) = next(self.state, packet.state) {
            self.enter(state, diagnostic, now, shared);
        }
        if packet.poll {
            self.answer(shared);
        }
        self.pace(now);
        self.expire_at = self.detection_time().map(|time| now + time);
        Ok(())
    }

    /// The neighbour knows our intervals: they are in force.
    fn answered(&mut self, shared: &mut Shared) {
        match self.poll {
            Poll::Idle => {}
            Poll::Asking => {
                (self.tx, self.rx) = (self.desired_min_tx, self.required_min_rx);
                self.poll = Poll::Idle;
                shared.changed = true;
            }
            // The answer was to what we asked before.
            Poll::AskingAgain => self.poll = Poll::Asking,
        }
    }
}

/// Where a session in state `own` goes when it hears that the neighbour's is in state `heard`; `None` if it stays.
fn next(own: State, heard: State) -> Option<(State, Diagnostic)> {
    match (own, heard) {
        (State::Down, State::Down) => Some((State::Init, Diagnostic::NONE)),
        (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
            Some((State::Up, Diagnostic::NONE))
        }
        (State::Init, State::AdminDown) | (State::Up, State::AdminDown | State::Down) => {
            Some((State::Down, Diagnostic::NEIGHBOR_DOWN))
        }
        (State::AdminDown, _)
        | (State::Down, State::AdminDown | State::Up)
        | (State::Init, State::Down)
        | (State::Up, State::Init | State::Up) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_state_table() {
        use State::{AdminDown, Down, Init, Up};
        let rows = [
            // own, then where it goes on hearing AdminDown, Down, Init, Up
            (AdminDown, [AdminDown, AdminDown, AdminDown, AdminDown]),
            (Down, [Down, Init, Up, Down]),
            (Init, [Down, Init, Up, Up]),
            (Up, [Down, Down, Up, Up]),
        ];
        for (own, goes) in rows {
            for (heard, to) in State::ALL.into_iter().zip(goes) {
                let reached = next(own, heard).map_or(own, |(state, _)| state);
                assert_eq!(reached, to, "{own} hears {heard}");
                let diagnostic = next(own, heard).map(|(_, diagnostic)| diagnostic);
                let down = to == Down && own != Down;
                assert_eq!(
                    diagnostic == Some(Diagnostic::NEIGHBOR_DOWN),
                    down,
                    "{own} hears {heard}"
                );
            }
        }
    }
}
