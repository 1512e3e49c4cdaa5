//! What the kernel lets this process have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of descriptors this process may open as far as it may, and says how far.
pub fn raise_descriptors() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            limit = wanted;
        }
    }
    limit.current.unwrap_or(u64::MAX)
}

/// Whether the error means that descriptors or memory ran out, so that trying again soon may help.
pub fn is_exhaustion(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let codes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| codes.iter().any(|e| e.raw_os_error() == code))
}
