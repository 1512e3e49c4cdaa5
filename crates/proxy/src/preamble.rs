//! What a connection to a member tells about the client before the client's bytes: the addresses
//! it uses, and the PROXY header.

use std::io::IoSlice;
use std::net::SocketAddr;

use evenkeel_net::{Deadline, Peer, Stream, clock};
use evenkeel_plan::{MemberPort, ProxyVersion, Source};
use evenkeel_wire::proxy_protocol::{self, Addresses, Command, V2Writer, kind};

use crate::cause::Failure;
use crate::snapshot::PoolRt;

/// What is known about a client beyond its address.
#[derive(Default)]
pub(crate) struct Told {
    /// The name in its ClientHello.
    pub(crate) server_name: Option<String>,
    /// The protocol that its ClientHello offers first.
    pub(crate) alpn: Option<Vec<u8>>,
}

/// What connections to members of a pool carry of one client.
#[derive(Default)]
pub(crate) struct Preamble {
    /// The address to connect from.
    pub(crate) source: Option<SocketAddr>,
    /// The port to connect to instead of the member's own.
    pub(crate) port: Option<u16>,
    /// The first bytes.
    header: Vec<u8>,
}

impl Preamble {
    /// For a client and a pool. `local`: what the client came to, if a PROXY header named it.
    /// The system is asked only for what the pool needs.
    pub(crate) fn of(
        pool: &PoolRt,
        peer: Peer,
        local: Option<SocketAddr>,
        stream: &Stream,
        told: &Told,
    ) -> Preamble {
        if pool.shared {
            return Preamble::default();
        }
        let client = match peer {
            Peer::Tcp(address) => Some(canonical(address)),
            Peer::Unix => None,
        };
        let local = local.or_else(|| stream.local_address()).map(canonical);
        let same_port = pool.plan.port == MemberPort::Listener;
        Preamble {
            source: client.filter(|_| pool.plan.source == Source::Client),
            port: local.filter(|_| same_port).map(|address| address.port()),
            header: pool
                .plan
                .proxy_protocol
                .map(|version| header(version, client, local, told))
                .unwrap_or_default(),
        }
    }

    /// Sends the header, if there is one, on a connection just made.
    pub(crate) async fn send(&self, stream: &mut Stream, pool: &PoolRt) -> Result<(), Failure> {
        if self.header.is_empty() {
            return Ok(());
        }
        let mut wait = Deadline::never();
        wait.set_after(clock::now(), pool.plan.timeouts.connect);
        let sent = stream.send(&mut [IoSlice::new(&self.header)], &mut wait).await;
        sent.map_err(|_| Failure::CONNECT_FAILED)
    }
}

fn header(
    version: ProxyVersion,
    client: Option<SocketAddr>,
    local: Option<SocketAddr>,
    told: &Told,
) -> Vec<u8> {
    let addresses = match client.zip(local) {
        Some((source, destination)) => Addresses::Tcp { source, destination },
        None => Addresses::Unknown,
    };
    let mut out = Vec::with_capacity(128);
    match version {
        ProxyVersion::V1 => proxy_protocol::write_v1(&mut out, &addresses),
        ProxyVersion::V2 => {
            let mut writer = V2Writer::begin(&mut out, Command::Proxy, &addresses);
            // Names and protocols have at most 255 bytes: there is room for both.
            if let Some(name) = &told.server_name {
                let _ = writer.tlv(kind::AUTHORITY, name.as_bytes());
            }
            if let Some(alpn) = &told.alpn {
                let _ = writer.tlv(kind::ALPN, alpn);
            }
            let _ = writer.finish(true);
        }
    }
    out
}

/// A v4-mapped v6 address as the v4 address it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
