//! Sockets that accept. Each core has its own socket on the same address (SO_REUSEPORT), so that
//! the kernel deals connections to cores and nothing is shared.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::stream::Stream;

/// Connections that the kernel holds for us until they are accepted. The kernel caps it at
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Who is at the other end of an accepted connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client on a unix socket of this machine.
    Unix,
}

impl Peer {
    /// The IP address; unix clients count as loopback.
    pub fn ip(&self) -> IpAddr {
        match self {
            Peer::Tcp(address) => address.ip().to_canonical(),
            Peer::Unix => IpAddr::from([127, 0, 0, 1]),
        }
    }
}

/// Makes a TCP socket that listens, not yet part of any event loop. `reuse_port`: further sockets
/// may listen on the same address.
pub fn bind_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let socket = bound_tcp(address, reuse_port)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether nobody listens on the address, not even one who would share it. No client is let in
/// meanwhile: it would be reset.
///
/// # Errors
/// Somebody does, or it cannot be bound for another reason.
pub fn is_free_tcp(address: SocketAddr) -> io::Result<()> {
    bound_tcp(address, false).map(drop)
}

fn bound_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // `[::]:80` beside `0.0.0.0:80` is what people write.
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit it: one call here instead of one per connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Sets what connections accepted from now on inherit; nothing for unix sockets. `keep_alive`:
/// silence after which the system asks whether the peer lives. `user_timeout`: how long sent data
/// may stay unacknowledged.
pub fn tune(
    socket: &OwnedFd,
    keep_alive: Option<Duration>,
    user_timeout: Option<Duration>,
) -> io::Result<()> {
    if local_address(socket).is_none() {
        return Ok(());
    }
    let socket = socket2::SockRef::from(socket);
    match keep_alive {
        Some(time) => socket.set_tcp_keepalive(&keep_alive_after(time))?,
        None => socket.set_keepalive(false)?,
    }
    socket.set_tcp_user_timeout(user_timeout)
}

/// Asks after that silence, and three times at the same distance until the peer counts as dead.
pub(crate) fn keep_alive_after(time: Duration) -> TcpKeepalive {
    TcpKeepalive::new().with_time(time).with_interval(time).with_retries(3)
}

/// Makes a unix socket that listens. A socket file that nobody listens on any more is replaced.
pub fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = socket2::SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_dead(path) => {
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        other => other?,
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_dead(path: &Path) -> bool {
    let refused = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
    std::os::unix::net::UnixStream::connect(path).as_ref().is_err_and(refused)
}

/// The TCP address that a listening socket got (port 0 was replaced by the kernel's choice);
/// `None` for other sockets.
pub fn local_address(socket: &OwnedFd) -> Option<SocketAddr> {
    socket2::SockRef::from(socket).local_addr().ok()?.as_socket()
}

/// A listening socket as part of this core's event loop.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
    /// A listener of the simulated network.
    #[cfg(feature = "sim")]
    Sim(crate::sim::SimListener),
}

impl Listener {
    /// Joins a listening socket to the event loop of the thread that calls.
    pub fn new(socket: OwnedFd) -> io::Result<Listener> {
        let tcp = local_address(&socket).is_some();
        if tcp {
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            return TcpListener::from_std(listener).map(Listener::Tcp);
        }
        let listener = std::os::unix::net::UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Listener::Unix)
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Peer::Tcp(peer)))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
            #[cfg(feature = "sim")]
            Listener::Sim(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Sim(stream), Peer::Tcp(peer)))
            }
        }
    }
}
