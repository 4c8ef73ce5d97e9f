//! The address of a packet socket, which no crate makes without `unsafe`.

use std::io;

use socket2::SockAddr;

/// Where a frame of `protocol` goes on the interface `index`: to everybody (Ethernet broadcast).
#[allow(unsafe_code)]
pub(crate) fn broadcast_address(index: u32, protocol: u16) -> io::Result<SockAddr> {
    let index = i32::try_from(index).map_err(io::Error::other)?;
    // SAFETY: `try_init` hands out zeroed storage that is aligned for, and larger than, any
    // socket address; all-zero bytes are a valid `sockaddr_ll`, so a reference to it may be made
    // and its fields set; the length said is that of the structure written.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = &mut *storage.cast::<libc::sockaddr_ll>();
            link.sll_family = libc::AF_PACKET as u16;
            link.sll_protocol = protocol.to_be();
            link.sll_ifindex = index;
            link.sll_halen = 6;
            link.sll_addr = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}
