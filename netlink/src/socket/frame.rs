//! Netlink framing as the kernel writes it: messages in a datagram, attributes in a message, errors.

use std::fmt;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlaBuffer, NlasIterator,
};
use nix::errno::Errno;

use super::{HEADER_LEN, KernelError};

/// `NLMSGERR_ATTR_MSG`: the kernel's words.
const ATTR_MSG: u16 = 1;

/// One netlink message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    /// `nlmsg_flags`.
    pub(crate) flags: u16,
    /// `nlmsg_seq`: the sequence number of the request that caused it, whoever sent that one.
    pub(crate) sequence: u32,
    /// `nlmsg_pid`: address of the socket that sent that request.
    pub(crate) port: u32,
    /// What follows the header.
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram, up to the first one that is cut short.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let message = Message {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            port: buffer.port_number(),
            payload: rest.get(HEADER_LEN..length)?,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in `bytes`, up to the first one that is cut short.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// An address attribute of this family.
pub(crate) fn ip(family: i32, value: &[u8]) -> Option<IpAddr> {
    match family {
        libc::AF_INET => Some(<[u8; 4]>::try_from(value).ok()?.into()),
        libc::AF_INET6 => Some(<[u8; 16]>::try_from(value).ok()?.into()),
        _ => None,
    }
}

/// A string attribute without its closing zero.
pub(crate) fn text(value: &[u8]) -> Option<String> {
    let bytes = value.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// A number attribute in host byte order.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

impl Message<'_> {
    /// The refusal in an `NLMSG_ERROR` or `NLMSG_DONE`; `None` when all is well.
    pub(crate) fn refusal(&self, request: &(impl fmt::Display + ?Sized)) -> Option<KernelError> {
        let code = number(self.payload)?.cast_signed();
        if code >= 0 {
            return None;
        }
        Some(KernelError {
            errno: Errno::from_raw(code.saturating_neg()),
            message: self.words(),
            request: request.to_string(),
        })
    }

    /// The extended acknowledgement's text.
    fn words(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let start = match self.kind {
            NLMSG_DONE => 4,
            // The request's header follows the code, and unless NETLINK_CAP_ACK is in force the rest of it too.
            NLMSG_ERROR if self.flags & NLM_F_CAPPED != 0 => 4 + HEADER_LEN,
            NLMSG_ERROR => {
                4 + usize::try_from(number(self.payload.get(4..)?)?)
                    .ok()?
                    .next_multiple_of(4)
            }
            _ => return None,
        };
        let attribute =
            attributes(self.payload.get(start..)?).find(|attribute| attribute.kind() == ATTR_MSG)?;
        text(attribute.value())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(flags: u16, code: i32, echoed: usize, words: &str) -> Vec<u8> {
        let mut payload = code.to_ne_bytes().to_vec();
        payload.extend(u32::try_from(echoed).unwrap().to_ne_bytes());
        payload.resize(4 + echoed.next_multiple_of(4), 0);
        payload.extend(u16::try_from(words.len() + 5).unwrap().to_ne_bytes());
        payload.extend(ATTR_MSG.to_ne_bytes());
        payload.extend(words.as_bytes());
        payload.push(0);
        payload.resize(payload.len().next_multiple_of(4), 0);
        let mut datagram = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
        datagram.extend(NLMSG_ERROR.to_ne_bytes());
        datagram.extend(flags.to_ne_bytes());
        datagram.extend(7u32.to_ne_bytes());
        datagram.extend(99u32.to_ne_bytes());
        datagram.extend(payload);
        datagram
    }

    #[test]
    fn the_kernels_words_are_found_behind_a_capped_and_an_uncapped_request() {
        for (flags, echoed) in [(NLM_F_ACK_TLVS | NLM_F_CAPPED, 16), (NLM_F_ACK_TLVS, 42)] {
            let datagram = error(flags, -22, echoed, "ipv4: bad");
            let message = messages(&datagram).next().unwrap();
            assert_eq!((message.sequence, message.port), (7, 99));
            let refusal = message.refusal("do that").unwrap();
            assert_eq!(
                refusal.to_string(),
                "cannot do that: Invalid argument (ipv4: bad)"
            );
        }
    }

    #[test]
    fn an_acknowledgement_is_no_refusal() {
        let datagram = error(NLM_F_CAPPED, 0, 16, "");
        assert_eq!(messages(&datagram).next().unwrap().refusal("do that"), None);
    }

    #[test]
    fn every_cut_of_a_datagram_is_read_without_harm() {
        let whole = [
            error(NLM_F_ACK_TLVS, -1, 20, "no"),
            error(NLM_F_ACK_TLVS, -1, 20, "no"),
        ]
        .concat();
        for cut in 0..whole.len() {
            for message in messages(&whole[..cut]) {
                message.refusal("do that");
            }
        }
        assert_eq!(messages(&whole).count(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(prop_oneof![0..40u8, any::<u8>()], 0..300)) {
            for message in messages(&bytes) {
                message.refusal("do that");
                attributes(message.payload).for_each(|attribute| drop(text(attribute.value())));
            }
        }
    }
}
