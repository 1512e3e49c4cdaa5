//! The only `unsafe` code of the crate.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

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
