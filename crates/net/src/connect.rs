//! Connections to members.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::stream::Stream;
use crate::{listen, sys};

/// An address that needs no resolving.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(Arc<Path>),
}

impl Target {
    /// A unix socket's path as a target.
    pub fn unix(path: PathBuf) -> Target {
        Target::Unix(path.into())
    }

    /// The same machine at another port; unix sockets have none.
    pub fn set_port(&mut self, port: u16) {
        if let Target::Tcp(address) = self {
            address.set_port(port);
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Tcp(address) => write!(f, "{address}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is special about a connection; nothing by default, and then it costs nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The address to connect from; port 0 lets the system choose. Left out of account where the
    /// target is of the other family.
    pub source: Option<SocketAddr>,
    /// The source is not this machine's (IP_TRANSPARENT, needs CAP_NET_ADMIN).
    pub transparent: bool,
    /// Silence after which the system asks whether the peer lives.
    pub keep_alive: Option<Duration>,
    /// How long sent data may stay unacknowledged (TCP_USER_TIMEOUT).
    pub user_timeout: Option<Duration>,
}

/// Connects within `time` (error of kind `TimedOut`). Small writes go out at once (TCP_NODELAY).
pub async fn connect(target: &Target, time: Duration) -> io::Result<Stream> {
    connect_with(target, time, &Options::default()).await
}

/// The same with options.
pub async fn connect_with(
    target: &Target,
    time: Duration,
    options: &Options,
) -> io::Result<Stream> {
    let attempt = async {
        #[cfg(feature = "sim")]
        if let Some(stream) = crate::sim::connect(target).await {
            return stream.map(Stream::Sim);
        }
        match target {
            Target::Tcp(address) => {
                let stream = match *options == Options::default() {
                    true => TcpStream::connect(address).await?,
                    false => prepared(*address, options)?.connect(*address).await?,
                };
                stream.set_nodelay(true)?;
                refuse_self(&stream, *address)?;
                Ok(Stream::Tcp(stream))
            }
            Target::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    };
    tokio::time::timeout(time, attempt)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn prepared(to: SocketAddr, options: &Options) -> io::Result<TcpSocket> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let raw = socket2::SockRef::from(&socket);
    if let Some(time) = options.keep_alive {
        raw.set_tcp_keepalive(&listen::keep_alive_after(time))?;
    }
    if options.user_timeout.is_some() {
        raw.set_tcp_user_timeout(options.user_timeout)?;
    }
    if let Some(source) = options.source.filter(|source| source.is_ipv4() == to.is_ipv4()) {
        if options.transparent {
            sys::set_transparent(socket.as_fd(), source.is_ipv6())?;
        }
        // A port is chosen when the target is known, so that it may serve several of them.
        if source.port() == 0 {
            sys::bind_without_port(socket.as_fd())?;
        } else {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(source)?;
    }
    Ok(socket)
}

/// The lowest port that a kernel may be told to choose by itself (Linux' own choice begins at
/// 32768).
const EPHEMERAL: u16 = 1024;

/// A dead member on this machine whose port lies in the ephemeral range: the kernel may choose
/// that very port as our own and connect the socket to itself (TCP simultaneous open).
fn refuse_self(stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    if peer.ip().is_loopback() && peer.port() >= EPHEMERAL && stream.local_addr()? == peer {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(())
}
