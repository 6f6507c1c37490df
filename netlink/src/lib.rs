//! Addresses and links over rtnetlink. Hands: nothing here knows the configuration or VRRP.

pub mod address;

pub use address::Address;
