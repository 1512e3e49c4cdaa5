//! Telling systemd (sd_notify(3)): ready, reloading, stopping, and which process is the main one.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use evenkeel_net::clock;

/// Sends lines of state; does nothing when no `NOTIFY_SOCKET` is set.
pub fn tell(state: &str) {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!("systemd was not told \"{}\": {error}", state.replace('\n', " "));
    }
}

/// The state during a reload; systemd wants its time.
pub fn reloading() -> String {
    format!("RELOADING=1\nMONOTONIC_USEC={}", clock::boot_micros())
}
