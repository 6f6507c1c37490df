//! The BFD control packet (RFC 5880 4.1): bytes to values and back. Absent: what a packet does to a session.

use std::fmt;
use std::time::Duration;

use crate::refusal::Refusal;

/// Bytes of a control packet without authentication section, the only ones that we send.
pub const LENGTH: usize = SHORTEST as usize;

/// The same, in the length field.
const SHORTEST: u8 = 24;

/// Bytes of the shortest packet with one.
const LENGTH_WITH_AUTHENTICATION: u8 = 26;

const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// State of a session, as its own side sees it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum State {
    /// Held down by its administrator.
    AdminDown,
    /// The neighbour is not heard, or does not hear us.
    #[default]
    Down,
    /// The neighbour is heard, and may not hear us yet.
    Init,
    /// Each hears the other.
    Up,
}

/// Why a session last went down (RFC 5880 4.1), 0 to 31; those above 8 are not assigned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Diagnostic(pub u8);

/// What a control packet says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet {
    /// Why the sender's session last went down.
    pub diagnostic: Diagnostic,
    /// State of the sender's session.
    pub state: State,
    /// The sender asks for a packet with `final_` at once.
    pub poll: bool,
    /// The sender answers one with `poll`.
    pub final_: bool,
    /// The sender's BFD does not share the fate of its control plane.
    pub control_plane_independent: bool,
    /// The sender asks us to be silent while the session is up on both sides.
    pub demand: bool,
    /// Packets in a row that the sender lets us miss; not 0.
    pub multiplier: u8,
    /// The sender's number of the session; not 0.
    pub my_discriminator: u32,
    /// Our number of the session, as the sender last heard it; 0 if it has not.
    pub your_discriminator: u32,
    /// How often the sender would like to speak; whole microseconds.
    pub desired_min_tx: Duration,
    /// How often the sender can hear; zero asks us not to speak at all. Whole microseconds.
    pub required_min_rx: Duration,
    /// How often the sender can hear echo packets; zero for none. Whole microseconds.
    pub required_min_echo_rx: Duration,
}

impl State {
    /// Every state, by its number on the wire.
    pub const ALL: [State; 4] = [State::AdminDown, State::Down, State::Init, State::Up];
}

/// `AdminDown`, `Down`, `Init`, `Up`: as log lines name it.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Diagnostic {
    /// The session has not gone down.
    pub const NONE: Diagnostic = Diagnostic(0);
    /// Nothing was heard for the detection time.
    pub const EXPIRED: Diagnostic = Diagnostic(1);
    /// The neighbour said that its session is down.
    pub const NEIGHBOR_DOWN: Diagnostic = Diagnostic(3);
    /// The administrator took the session down.
    pub const ADMIN_DOWN: Diagnostic = Diagnostic(7);
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            number => return write!(f, "Unknown ({number})"),
        })
    }
}

impl Packet {
    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; LENGTH] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 5 | self.diagnostic.0 & 0x1f;
        bytes[1] = (self.state as u8) << 6
            | flag(self.poll, POLL)
            | flag(self.final_, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        bytes[2] = self.multiplier;
        bytes[3] = SHORTEST;
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        for (place, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Reads the payload of a UDP datagram, with the judgements of RFC 5880 6.8.6 that need no session, in its order.
    pub fn decode(payload: &[u8]) -> Result<Packet, Refusal> {
        let &[first, second, multiplier, length, ref rest @ ..] = payload else {
            return Err(Refusal::Truncated { got: payload.len() });
        };
        if first >> 5 != VERSION {
            return Err(Refusal::Version { got: first >> 5 });
        }
        let with_authentication = second & AUTHENTICATION != 0;
        let shortest = if with_authentication {
            LENGTH_WITH_AUTHENTICATION
        } else {
            SHORTEST
        };
        if length < shortest {
            return Err(Refusal::Length { got: length });
        }
        if payload.len() < usize::from(length) {
            return Err(Refusal::Truncated { got: payload.len() });
        }
        if multiplier == 0 {
            return Err(Refusal::Multiplier);
        }
        if second & MULTIPOINT != 0 {
            return Err(Refusal::Multipoint);
        }
        let mut words = rest
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_be_bytes(*word));
        let mut word = || words.next().unwrap_or(0); // `length` says that there are enough
        let (my_discriminator, your_discriminator) = (word(), word());
        if my_discriminator == 0 {
            return Err(Refusal::MyDiscriminator);
        }
        let state = State::ALL[usize::from(second >> 6)];
        if your_discriminator == 0 && !matches!(state, State::Down | State::AdminDown) {
            return Err(Refusal::YourDiscriminator { state });
        }
        // Ours never has authentication; the section would say no more than that the packet is not for us.
        if with_authentication {
            return Err(Refusal::Authentication);
        }
        Ok(Packet {
            diagnostic: Diagnostic(first & 0x1f),
            state,
            poll: second & POLL != 0,
            final_: second & FINAL != 0,
            control_plane_independent: second & CONTROL_PLANE_INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: Duration::from_micros(word().into()),
            required_min_rx: Duration::from_micros(word().into()),
            required_min_echo_rx: Duration::from_micros(word().into()),
        })
    }
}

/// The parser keeps intervals below 2^32 microseconds.
fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet of FRR's bfdd, session going up: polls for 300 ms both ways.
    const FRR: [u8; LENGTH] = [
        0x20, 0xe0, 3, 24, 0x8d, 0x1f, 0x33, 0x0a, 0, 0, 0, 7, 0, 4, 0x93, 0xe0, 0, 4, 0x93, 0xe0, 0, 0,
        0xc3, 0x50,
    ];

    #[test]
    fn a_packet_is_read_and_written() {
        let packet = Packet::decode(&FRR).unwrap();
        assert_eq!(packet.state, State::Up);
        assert!(packet.poll && !packet.final_ && !packet.demand);
        assert_eq!((packet.multiplier, packet.diagnostic), (3, Diagnostic::NONE));
        assert_eq!(
            (packet.my_discriminator, packet.your_discriminator),
            (0x8d1f_330a, 7)
        );
        assert_eq!(packet.desired_min_tx, Duration::from_millis(300));
        assert_eq!(packet.required_min_rx, Duration::from_millis(300));
        assert_eq!(packet.required_min_echo_rx, Duration::from_millis(50));
        assert_eq!(packet.encode(), FRR);
    }

    #[test]
    fn each_refusal_has_its_packet() {
        let with = |place: usize, byte: u8| {
            let mut bytes = FRR;
            bytes[place] = byte;
            Packet::decode(&bytes)
        };
        assert_eq!(Packet::decode(&FRR[..3]), Err(Refusal::Truncated { got: 3 }));
        assert_eq!(Packet::decode(&FRR[..23]), Err(Refusal::Truncated { got: 23 }));
        assert_eq!(with(0, 0x00), Err(Refusal::Version { got: 0 }));
        assert_eq!(with(0, 0x40), Err(Refusal::Version { got: 2 }));
        assert_eq!(with(3, 23), Err(Refusal::Length { got: 23 }));
        assert_eq!(with(3, 25), Err(Refusal::Truncated { got: 24 }));
        assert_eq!(with(2, 0), Err(Refusal::Multiplier));
        assert_eq!(with(1, 0xc1), Err(Refusal::Multipoint));
        let mut no_discriminator = FRR;
        no_discriminator[4..8].fill(0);
        assert_eq!(Packet::decode(&no_discriminator), Err(Refusal::MyDiscriminator));
        assert_eq!(with(11, 0), Err(Refusal::YourDiscriminator { state: State::Up }));
        // The length of an authenticated packet counts its section.
        assert_eq!(with(1, 0xc4), Err(Refusal::Length { got: 24 }));
        let mut authenticated = [&FRR[..], &[1, 3, 0]].concat();
        (authenticated[1], authenticated[3]) = (0xc4, 27);
        assert_eq!(Packet::decode(&authenticated), Err(Refusal::Authentication));
        // What follows the packet is none of its business.
        assert!(Packet::decode(&[&FRR[..], &[0; 10]].concat()).is_ok());
    }

    #[test]
    fn diagnostics_are_named() {
        let names: Vec<String> = (0..10).map(|number| Diagnostic(number).to_string()).collect();
        assert_eq!(names[0], "No Diagnostic");
        assert_eq!(names[8], "Reverse Concatenated Path Down");
        assert_eq!(names[9], "Unknown (9)");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_fail_and_what_it_reads_it_can_write(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            forge in any::<bool>(),
        ) {
            let mut bytes = bytes;
            if forge && bytes.len() > 3 {
                // Most random bytes fall at the first hurdles.
                (bytes[0], bytes[3]) = (0x20 | bytes[0] & 0x1f, 24);
                bytes[1] &= !(MULTIPOINT | AUTHENTICATION);
            }
            if let Ok(packet) = Packet::decode(&bytes) {
                let again = packet.encode();
                prop_assert_eq!(Packet::decode(&again), Ok(packet));
                prop_assert_eq!(&again[4..], &bytes[4..LENGTH]);
            }
        }
    }
}
