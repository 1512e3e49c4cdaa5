//! UDP: datagrams in batches, sent and received with segmentation where the kernel offers it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use crate::sys::datagrams::{self, MESSAGE, Slots};

/// Receive and send buffers asked of the kernel, which caps them at `net.core.rmem_max` and
/// `wmem_max`.
const BUFFERS: usize = 2 << 20;
/// Datagrams that the kernel cuts one message into at most (UDP_MAX_SEGMENTS of older kernels).
const SEGMENTS_MAX: usize = 64;
/// Bytes of one message that is cut.
const SEGMENTED_MAX: usize = 65_000;

/// Makes a UDP socket bound to an address, not yet part of any event loop. `reuse_port`: further
/// sockets may share the address, and the kernel deals clients to them. On a wildcard address
/// datagrams come with the address they were sent to, so that answers can leave from it.
pub fn bind_udp(address: SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    // Buffers smaller than wished for are no reason to fail, nor is a kernel without GRO.
    let _ = socket.set_recv_buffer_size(BUFFERS);
    let _ = socket.set_send_buffer_size(BUFFERS);
    let _ = datagrams::set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if address.ip().is_unspecified() {
        let (level, name) = match address {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        datagrams::set_option(socket.as_fd(), level, name, 1)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A UDP socket as part of this core's event loop.
pub struct UdpSocket {
    socket: AsyncFd<OwnedFd>,
    /// The kernel or the device refused to cut messages: not asked again.
    whole: Cell<bool>,
}

/// How a socket is connected.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connect {
    /// The address to send from; the system's choice by default.
    pub source: Option<SocketAddr>,
    /// The source is not this machine's (IP_TRANSPARENT, needs CAP_NET_ADMIN).
    pub transparent: bool,
    /// Many datagrams are expected: they are received put together (GRO).
    pub many: bool,
}

impl UdpSocket {
    /// Joins a bound socket to the event loop of the thread that calls.
    pub fn new(socket: OwnedFd) -> io::Result<UdpSocket> {
        SockRef::from(&socket).set_nonblocking(true)?;
        UdpSocket::watched(socket)
    }

    /// The same for a socket that does not block.
    fn watched(socket: OwnedFd) -> io::Result<UdpSocket> {
        let socket = datagrams::watch(socket)?;
        Ok(UdpSocket { socket, whole: Cell::new(false) })
    }

    /// A socket that sends to one address and receives from it only. That nobody listens there
    /// (ICMP port unreachable) comes as `ConnectionRefused` from a later receive or send.
    pub fn connect(to: SocketAddr, how: &Connect) -> io::Result<UdpSocket> {
        let (domain, kind) = (Domain::for_address(to), Type::DGRAM.nonblocking());
        let socket = Socket::new(domain, kind, Some(Protocol::UDP))?;
        if how.many {
            let _ = datagrams::set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
        }
        if let Some(source) = how.source {
            if how.transparent {
                crate::sys::set_transparent(socket.as_fd(), source.is_ipv6())?;
                // The client's own port may be in use for another of its flows.
                socket.set_reuse_address(true)?;
            }
            socket.bind(&source.into())?;
        }
        socket.connect(&to.into())?;
        UdpSocket::watched(socket.into())
    }

    /// The address of our end.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let local = SockRef::from(self.socket.get_ref()).local_addr()?;
        local.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Waits until something may be received: messages, or an error.
    pub async fn wait(&self) -> io::Result<Waited<'_>> {
        // A refusal comes as an error without anything to read.
        self.socket.ready(Interest::READABLE | Interest::ERROR).await.map(Waited)
    }

    /// Receives at least one message.
    pub async fn recv(&self, batch: &mut Batch) -> io::Result<usize> {
        loop {
            match self.wait().await?.receive(batch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// Sends the datagrams that lie one after another in the slices: each has `segment` bytes,
    /// only the last of all may be shorter. As few system calls as possible: one where the kernel
    /// cuts the message (UDP_SEGMENT). `to`: `None` on connected sockets; `from`: the address of
    /// this machine that they leave from. Never waits; how many went out.
    ///
    /// # Errors
    /// None went out: `WouldBlock`, or what the kernel says.
    pub fn try_send(
        &self,
        slices: &[IoSlice<'_>],
        segment: usize,
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
    ) -> io::Result<usize> {
        let socket = self.socket.get_ref().as_fd();
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total <= segment.max(1) {
            return datagrams::send(socket, slices, 0, to, from).map(|()| 1);
        }
        let count = total.div_ceil(segment);
        if count <= SEGMENTS_MAX && total <= SEGMENTED_MAX && !self.whole.get() {
            // A datagram is shorter than 64 KiB.
            match datagrams::send(socket, slices, segment as u16, to, from) {
                Ok(()) => return Ok(count),
                Err(error) if is_refused_segmentation(&error) => self.whole.set(true),
                Err(error) => return Err(error),
            }
        }
        self.send_in_pieces(slices, segment, to, from)
    }

    fn send_in_pieces(
        &self,
        slices: &[IoSlice<'_>],
        segment: usize,
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
    ) -> io::Result<usize> {
        let socket = self.socket.get_ref().as_fd();
        let mut sent = 0;
        for slice in slices {
            let many = SEGMENTS_MAX.min(SEGMENTED_MAX / segment).max(1);
            let size = if self.whole.get() { segment } else { segment * many };
            for piece in slice.chunks(size) {
                let cut = if piece.len() > segment { segment as u16 } else { 0 };
                match datagrams::send(socket, &[IoSlice::new(piece)], cut, to, from) {
                    Ok(()) => sent += piece.len().div_ceil(segment),
                    Err(error) if sent == 0 => return Err(error),
                    Err(_) => return Ok(sent),
                }
            }
        }
        Ok(sent)
    }
}

/// A socket on which something may have come.
pub struct Waited<'a>(AsyncFdReadyGuard<'a, OwnedFd>);

impl Waited<'_> {
    /// Receives the messages that wait, as many as the batch holds, in one system call.
    ///
    /// # Errors
    /// `WouldBlock`: there were none; wait again. `ConnectionRefused`: nobody listens at the other
    /// end of a connected socket.
    pub fn receive(&mut self, batch: &mut Batch) -> io::Result<usize> {
        loop {
            match batch.slots.receive(self.0.get_inner().as_fd()) {
                Ok(received) => {
                    if received < batch.slots.count() {
                        // Nothing else waits; what comes later is told anew.
                        self.0.clear_ready();
                    }
                    return Ok(received);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        self.0.clear_ready();
                    }
                    return Err(error);
                }
            }
        }
    }
}

fn is_refused_segmentation(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP))
}

/// Messages of one batch.
const MESSAGES: usize = 32;

/// Where messages are received: 32 of up to 64 KiB. One for each core is enough, since what was
/// received is passed on before the next call.
pub struct Batch {
    slots: Slots,
}

/// Datagrams of one sender that were received together.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The sender.
    pub peer: SocketAddr,
    /// The address they were sent to, if the socket has a wildcard address.
    pub local: Option<IpAddr>,
    /// The datagrams, one after another.
    pub bytes: &'a [u8],
    /// The size of each; the last may be shorter.
    pub segment: usize,
    /// Whether the end is missing; it cannot happen with UDP's own limits.
    pub truncated: bool,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty one. The memory is taken when it is first used.
    pub fn new() -> Batch {
        Batch { slots: Slots::new(MESSAGES) }
    }

    /// What was received last.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.slots.received().map(|slot| Message {
            peer: slot.peer,
            local: slot.local,
            bytes: slot.bytes,
            segment: match slot.segment {
                0 => slot.bytes.len().max(1),
                size => size.min(MESSAGE),
            },
            truncated: slot.truncated,
        })
    }
}

/// Messages of one sender and size, in the order in which they came, to be sent on together.
#[derive(Debug)]
pub struct Run<'a> {
    /// The first of them.
    pub first: Message<'a>,
    /// The bytes of all, as [`UdpSocket::try_send`] wants them.
    pub slices: &'a [IoSlice<'a>],
    /// How many datagrams they are.
    pub count: usize,
}

impl Batch {
    /// What was received last, by senders: the order of each sender's datagrams is kept.
    pub fn runs(&self, mut each: impl FnMut(&Run<'_>)) {
        let mut waiting: [Option<Message<'_>>; MESSAGES] = [None; MESSAGES];
        waiting.iter_mut().zip(self.messages()).for_each(|(place, message)| *place = Some(message));
        for at in 0..MESSAGES {
            let Some(first) = waiting[at].take() else { continue };
            let mut slices = [IoSlice::new(first.bytes); MESSAGES];
            let (mut used, mut bytes, mut count) = (1, first.bytes.len(), first.count());
            let mut open = first.is_whole(first.segment);
            for place in waiting.iter_mut().skip(at + 1) {
                let Some(next) = place.filter(|next| next.is_like(&first)) else { continue };
                // A datagram of another size ends the run; it begins the next of its sender.
                let fits = next.segment == first.segment || next.bytes.len() < first.segment;
                let small = bytes + next.bytes.len() <= SEGMENTED_MAX
                    && count + next.count() <= SEGMENTS_MAX;
                if !(open && fits && small) || next.bytes.is_empty() {
                    break;
                }
                open = next.is_whole(first.segment);
                (bytes, count) = (bytes + next.bytes.len(), count + next.count());
                slices[used] = IoSlice::new(next.bytes);
                used += 1;
                *place = None;
            }
            each(&Run { first, slices: &slices[..used], count });
        }
    }
}

impl Message<'_> {
    /// Whether every one of its datagrams has that size.
    fn is_whole(&self, segment: usize) -> bool {
        !self.bytes.is_empty() && self.bytes.len().is_multiple_of(segment)
    }

    /// Whether it has the same ends.
    fn is_like(&self, other: &Message<'_>) -> bool {
        self.peer == other.peer && self.local == other.local
    }

    /// How many datagrams they are.
    pub fn count(&self) -> usize {
        // An empty datagram is one, too.
        self.bytes.len().div_ceil(self.segment).max(1)
    }
}

#[cfg(test)]
mod tests;
