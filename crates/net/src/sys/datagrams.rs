//! `recvmmsg` and `sendmsg` with what the safe crates do not offer: batches, segmentation (GSO,
//! GRO) and the local address of each datagram.

use std::io::{self, IoSlice};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The largest message: datagrams that the kernel put together, or one of the largest size.
pub(crate) const MESSAGE: usize = 1 << 16;

/// Room for the control messages that are asked for: a segment size and an address.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 128]);

/// Where a batch is received. All memory is its own and is reused.
pub(crate) struct Slots {
    bytes: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    // Points to `bytes`.
    iovecs: Box<[libc::iovec]>,
    // Points to all of the above.
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

/// Joins a socket to the event loop, to hear of datagrams and errors.
pub(crate) fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    let interest = Interest::READABLE | Interest::ERROR;
    // SAFETY: an `OwnedFd` names the same open descriptor for as long as it lives, which is as
    // long as the registration: nobody takes it out.
    let watched = unsafe { AsyncFd::register_with_interest(socket, interest) };
    watched.map_err(|error| error.into_parts().1)
}

/// What one slot received.
pub(crate) struct Slot<'a> {
    pub(crate) peer: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) bytes: &'a [u8],
    /// Zero when the message is one datagram.
    pub(crate) segment: usize,
    pub(crate) truncated: bool,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        // SAFETY: all of these are plain C structs for which zeroes are a value.
        let (name, header): (libc::sockaddr_storage, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let mut slots = Slots {
            bytes: vec![0; count * MESSAGE].into_boxed_slice(),
            names: vec![name; count].into_boxed_slice(),
            controls: vec![Control([0; 128]); count].into_boxed_slice(),
            iovecs: vec![empty; count].into_boxed_slice(),
            headers: vec![header; count].into_boxed_slice(),
            received: 0,
        };
        let pieces = slots.bytes.chunks_exact_mut(MESSAGE);
        for (iovec, piece) in slots.iovecs.iter_mut().zip(pieces) {
            iovec.iov_base = piece.as_mut_ptr().cast();
            iovec.iov_len = piece.len();
        }
        slots.received = count;
        slots.renew();
        slots
    }

    /// Makes the slots that were used ready for another call.
    fn renew(&mut self) {
        for at in 0..self.received {
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = ptr::from_mut(&mut self.iovecs[at]);
            header.msg_iovlen = 1;
            header.msg_control = self.controls[at].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>() as _;
            header.msg_flags = 0;
        }
        self.received = 0;
    }

    pub(crate) fn count(&self) -> usize {
        self.headers.len()
    }

    /// Receives what waits, without waiting.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.renew();
        // SAFETY: the headers point to memory that this value owns and that lives on the heap, so
        // that moves of the value do not move it; lengths are those of that memory. The kernel
        // writes there during the call only.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// What was received; slots whose sender has no address are passed over.
    pub(crate) fn received(&self) -> impl Iterator<Item = Slot<'_>> {
        (0..self.received).filter_map(|at| self.slot(at))
    }

    fn slot(&self, at: usize) -> Option<Slot<'_>> {
        let header = &self.headers[at];
        let peer = address(&self.names[at])?;
        let start = at * MESSAGE;
        let bytes = self.bytes.get(start..start + header.msg_len as usize)?;
        let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let mut slot = Slot { peer, local: None, bytes, segment: 0, truncated };
        self.read_controls(at, &mut slot);
        Some(slot)
    }

    fn read_controls(&self, at: usize, slot: &mut Slot<'_>) {
        let header = &self.headers[at].msg_hdr;
        // SAFETY: the kernel filled the header's control buffer, which this value owns and nobody
        // writes to meanwhile, with well-formed control messages within `msg_controllen`, which
        // is what these functions walk. Data is read unaligned, and only when the message says
        // that it is long enough.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while !control.is_null() {
                let data = libc::CMSG_DATA(control);
                let long = |size: usize| {
                    (*control).cmsg_len as usize >= libc::CMSG_LEN(size as u32) as usize
                };
                match ((*control).cmsg_level, (*control).cmsg_type) {
                    (libc::SOL_UDP, libc::UDP_GRO) if long(size_of::<libc::c_int>()) => {
                        let size = ptr::read_unaligned(data.cast::<libc::c_int>());
                        slot.segment = usize::try_from(size).unwrap_or(0);
                    }
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) if long(size_of::<libc::in_pktinfo>()) => {
                        let info = ptr::read_unaligned(data.cast::<libc::in_pktinfo>());
                        let ip = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                        slot.local = Some(ip.into());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                        if long(size_of::<libc::in6_pktinfo>()) =>
                    {
                        let info = ptr::read_unaligned(data.cast::<libc::in6_pktinfo>());
                        slot.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                    }
                    _ => {}
                }
                control = libc::CMSG_NXTHDR(header, control);
            }
        }
    }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let name = ptr::from_ref(name);
    // SAFETY: `sockaddr_storage` is large and aligned enough for every kind of address, and its
    // family says which one it holds.
    unsafe {
        match libc::c_int::from((*name).ss_family) {
            libc::AF_INET => {
                let v4 = ptr::read(name.cast::<libc::sockaddr_in>());
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = ptr::read(name.cast::<libc::sockaddr_in6>());
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

/// Sends the slices as one message, without waiting; cut into datagrams of `segment` bytes when
/// that is not zero.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    segment: u16,
    to: Option<SocketAddr>,
    from: Option<IpAddr>,
) -> io::Result<()> {
    let mut control = Control([0; 128]);
    let to = to.map(socket2::SockAddr::from);
    // SAFETY: zeroes are a value of this plain C struct.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    if let Some(to) = &to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
    }
    // `IoSlice` has the layout of `iovec`, by its documentation.
    header.msg_iov = slices.as_ptr().cast_mut().cast();
    header.msg_iovlen = slices.len() as _;
    let mut used = 0;
    if segment > 0 {
        used = put(&mut control, used, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    match from {
        None => {}
        Some(IpAddr::V4(ip)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(ip).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            used = put(&mut control, used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                ipi6_ifindex: 0,
            };
            used = put(&mut control, used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
    if used > 0 {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = used as _;
    }
    loop {
        // SAFETY: the header points to memory that outlives the call: the address, the caller's
        // slices, which the kernel only reads, and the control buffer up to where it was filled.
        let sent = unsafe {
            libc::sendmsg(
                socket.as_raw_fd(),
                &raw const header,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Appends a control message; returns how much of the buffer is used then.
fn put<T: Copy>(
    control: &mut Control,
    used: usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) -> usize {
    let size = size_of::<T>() as u32;
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
    let (space, len) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size)) };
    assert!(used + space <= control.0.len(), "two control messages fit");
    let at = control.0[used..].as_mut_ptr().cast::<libc::cmsghdr>();
    // SAFETY: `at` points into the buffer, whose alignment is that of `cmsghdr` and whose used part
    // is a multiple of it; header and data fit, as was just checked.
    unsafe {
        ptr::write(at, libc::cmsghdr { cmsg_len: len as _, cmsg_level: level, cmsg_type: kind });
        ptr::write_unaligned(libc::CMSG_DATA(at).cast::<T>(), value);
    }
    used + space
}

/// Sets an option whose value is an int.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer is to an int that lives through the call, and the length is its own.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
