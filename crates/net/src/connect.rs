//! Connections to members.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use crate::stream::Stream;

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

/// Connects within `time` (error of kind `TimedOut`). Small writes go out at once (TCP_NODELAY).
pub async fn connect(target: &Target, time: Duration) -> io::Result<Stream> {
    let attempt = async {
        #[cfg(feature = "sim")]
        if let Some(stream) = crate::sim::connect(target).await {
            return stream.map(Stream::Sim);
        }
        match target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                refuse_self(&stream)?;
                Ok(Stream::Tcp(stream))
            }
            Target::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    };
    tokio::time::timeout(time, attempt)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A dead member on this machine whose port lies in the ephemeral range: the kernel may choose
/// that very port as our own and connect the socket to itself (TCP simultaneous open).
fn refuse_self(stream: &TcpStream) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    if peer.ip().is_loopback() && stream.local_addr()? == peer {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(())
}
