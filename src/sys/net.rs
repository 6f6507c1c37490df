//! Socket calls that neither nix nor socket2 offers.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{LinkAddr, SockaddrLike};

/// `struct sockaddr_ll` for sending a frame of `protocol` (an `ETH_P_*` number) on an interface.
pub(crate) fn link_address(ifindex: i32, protocol: u16, destination: [u8; 6]) -> Option<LinkAddr> {
    let mut address = [0; 8];
    address[..6].copy_from_slice(&destination);
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET.cast_unsigned().try_into().ok()?,
        sll_protocol: protocol.to_be(),
        sll_ifindex: ifindex,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: address,
    };
    let length = libc::socklen_t::try_from(mem::size_of_val(&raw)).ok()?;
    // SAFETY: `raw` is a whole, initialised sockaddr_ll that outlives the call, and `length` is its size; `from_raw`
    // copies out of it.
    unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) }
}

/// `IPV6_CHECKSUM`: the kernel writes and verifies the checksum at this offset of a raw IPv6 socket's packets.
pub(crate) fn set_ipv6_checksum(socket: &impl AsFd, offset: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(mem::size_of_val(&offset)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for the length of the borrow, and the option value is a c_int that outlives the
    // call, with its true size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_CHECKSUM,
            (&raw const offset).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
