//! The only `unsafe` code of the crate.
#![allow(unsafe_code)]

pub(crate) mod datagrams;

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// More follows at once: a small segment waits for it.
pub(crate) const MORE: libc::c_int = libc::MSG_MORE;

/// Lets a socket use addresses that are not this machine's (IP_TRANSPARENT; the address family
/// says which). Needs CAP_NET_ADMIN.
pub(crate) fn set_transparent(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, name) = match v6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT),
        false => (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
    };
    datagrams::set_option(socket, level, name, 1)
}

/// Lets the kernel choose the port only when the socket is connected.
pub(crate) fn bind_without_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    datagrams::set_option(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// The kernel's monotonic clock, in microseconds.
pub(crate) fn monotonic_micros() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a `timespec` that lives through the call. It cannot fail: Linux
    // always has this clock. (The vDSO serves it, without a system call.)
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // Neither part of this clock is ever negative.
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// Takes ownership of an inherited descriptor by its number. An error if no such descriptor is
/// open.
pub(crate) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the borrow lasts only for the call, which asks the kernel whether the number names an
    // open descriptor and fails with EBADF if not; -1, the one forbidden value, is refused above.
    let probe = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(probe)?;
    // SAFETY: the descriptor is open (checked above), and it was passed to this process by number
    // for it to own: the caller reads each number once, at start-up, from the environment that the
    // parent made for this purpose.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
