//! Attributes as they are written: type, length, value, padding. What is read comes through [`crate::socket`]'s frames.
//!
//! `netlink-packet-route` writes addresses and links. Routes and rules are written here, beside the constants by which
//! they are read: its types lack some of what they need (ILA), and each attribute stands in one place so.

use std::net::IpAddr;

use netlink_packet_core::NetlinkSerializable;

/// `NLA_F_NESTED`: the value is attributes again.
const NESTED: u16 = 1 << 15;

/// A whole request, header and attributes, of a message type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raw {
    kind: u16,
    bytes: Vec<u8>,
}

impl Raw {
    /// A message of this type that begins with this header.
    pub(crate) fn new(kind: u16, header: &[u8]) -> Self {
        Self {
            kind,
            bytes: header.to_vec(),
        }
    }

    /// Appends bytes that are no attribute.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends an attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        self.wrap(kind, |inner| inner.bytes(value));
    }

    /// Appends a number in host byte order.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// Appends a string with its closing zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.wrap(kind, |inner| {
            inner.bytes(value.as_bytes());
            inner.bytes(&[0]);
        });
    }

    /// Appends an address.
    pub(crate) fn address(&mut self, kind: u16, value: IpAddr) {
        self.wrap(kind, |inner| inner.address_bytes(value));
    }

    /// Appends an address without attribute.
    pub(crate) fn address_bytes(&mut self, value: IpAddr) {
        match value {
            IpAddr::V4(value) => self.bytes(&value.octets()),
            IpAddr::V6(value) => self.bytes(&value.octets()),
        }
    }

    /// Appends an attribute that is made of attributes.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        self.wrap(kind | NESTED, fill);
    }

    /// Appends an attribute that `fill` writes.
    pub(crate) fn wrap(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes(&[0; 2]);
        self.bytes(&kind.to_ne_bytes());
        fill(self);
        self.close(start);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Writes how long it has become since `start` there; attributes and next hops begin with their length.
    pub(crate) fn close(&mut self, start: usize) {
        // The longest request here is a route of some hundred next hops; the kernel refuses what is cut.
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// How long it is.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What the kernel reads after `struct nlmsghdr`.
    #[cfg(test)]
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes
    }
}

impl NetlinkSerializable for Raw {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..self.bytes.len()].copy_from_slice(&self.bytes);
    }
}
