//! Listening sockets that pass from one process to the next: from systemd (`LISTEN_FDS`), and from
//! the running binary to the one that replaces it. Sockets travel by inheritance; their names say
//! which listener and address they serve.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::sys;

/// The variable that tells the next process which descriptors it inherits:
/// `FD=ADDRESS;FD=ADDRESS…`.
pub const SOCKETS: &str = "EVENKEEL_SOCKETS";
/// The variable that tells the next process where to say that it is ready: a descriptor number.
pub const READY: &str = "EVENKEEL_READY_FD";

/// Lets a descriptor be inherited by processes started from now on, or no longer.
pub fn set_inheritable(socket: impl AsFd, inheritable: bool) -> io::Result<()> {
    let flags = if inheritable { FdFlags::empty() } else { FdFlags::CLOEXEC };
    Ok(fcntl_setfd(socket, flags)?)
}

/// The value of [`SOCKETS`] for these sockets.
pub fn describe<'a>(sockets: impl Iterator<Item = (&'a str, &'a OwnedFd)>) -> String {
    let entries: Vec<String> =
        sockets.map(|(address, socket)| format!("{}={address}", socket.as_raw_fd())).collect();
    entries.join(";")
}

/// The sockets that this process inherited, by the address they serve, from [`SOCKETS`]; or from
/// systemd's `LISTEN_FDS` if `LISTEN_PID` is this process, under the key `systemd:N` (N from 0) and
/// their real address. Call once, before any other descriptor is opened.
pub fn inherited(
    env: &dyn Fn(&str) -> Option<String>,
) -> io::Result<BTreeMap<String, Vec<OwnedFd>>> {
    let mut sockets: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
    if let Some(text) = env(SOCKETS) {
        for entry in text.split(';').filter(|entry| !entry.is_empty()) {
            let (fd, address) = entry.split_once('=').ok_or(io::ErrorKind::InvalidData)?;
            let fd: i32 = fd.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            let socket = sys::adopt(fd)?;
            set_inheritable(&socket, false)?;
            sockets.entry(address.to_owned()).or_default().push(socket);
        }
        return Ok(sockets);
    }
    let for_us = env("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    let count: i32 = env("LISTEN_FDS").and_then(|n| n.parse().ok()).unwrap_or(0);
    if for_us {
        for n in 0..count.clamp(0, 1024) {
            let socket = sys::adopt(3 + n)?;
            set_inheritable(&socket, false)?;
            let address = address_of(&socket);
            sockets.entry(address).or_default().push(socket);
        }
    }
    Ok(sockets)
}

/// The pipe on which the previous process waits for this one to be ready.
pub fn ready_pipe(env: &dyn Fn(&str) -> Option<String>) -> Option<OwnedFd> {
    let pipe = sys::adopt(env(READY)?.parse().ok()?).ok()?;
    set_inheritable(&pipe, false).ok()?;
    Some(pipe)
}

/// A pipe, reading end first.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// The address a listening socket serves, as configuration spells it.
fn address_of(socket: &OwnedFd) -> String {
    if let Some(address) = crate::listen::local_address(socket) {
        let datagrams = rustix::net::sockopt::socket_type(socket);
        return match datagrams {
            Ok(rustix::net::SocketType::DGRAM) => format!("udp:{address}"),
            _ => address.to_string(),
        };
    }
    let local = socket2::SockRef::from(socket).local_addr().ok();
    let path = local.as_ref().and_then(|a| a.as_pathname()).map(|p| p.display().to_string());
    path.map_or_else(|| "unknown".to_owned(), |path| format!("unix:{path}"))
}
