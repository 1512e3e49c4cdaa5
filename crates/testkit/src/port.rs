//! Addresses for programs that cannot be told to choose a port themselves.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to others, which begin at 32768.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An address of 127.0.0.1 whose port is free, and which nobody gets who asks for any port. Each
/// process begins elsewhere, and no address is given twice.
///
/// # Panics
/// When no port is free.
#[track_caller]
pub fn quiet_address() -> SocketAddr {
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Processes with neighbouring numbers are kept apart.
        let offset = (u32::from(start) * 101 + u32::from(step)) % u32::from(COUNT);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + offset as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}
