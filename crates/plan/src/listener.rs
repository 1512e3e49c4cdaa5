use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{BindAddress, Cidr, ListenerLimits, ListenerTimeouts, Name, TcpOptions};

/// What accepts traffic.
#[derive(Clone, PartialEq, Debug)]
pub struct Listener {
    /// Unique among listeners. Default: the protocol and the first address.
    pub name: Name,
    /// Where it accepts; 1 to 1024 addresses.
    pub bind: Vec<BindAddress>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Which versions of HTTP, for HTTP listeners.
    pub versions: Versions,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// Where traffic goes that no route takes; needed for protocols without routes.
    pub pool: Option<Name>,
    /// How long clients may take.
    pub timeouts: ListenerTimeouts,
    /// How much clients may ask.
    pub limits: ListenerLimits,
    /// What is told to members about the client.
    pub forwarded: Forwarded,
    /// Options of the clients' TCP connections.
    pub tcp: TcpOptions,
    /// TLS, spoken to clients of an HTTP or TCP listener.
    pub tls: Option<crate::ListenerTls>,
    /// Requests are sent to `https` at this port of their host (status 308), those for
    /// `/.well-known/acme-challenge/` aside. For HTTP listeners without TLS.
    pub redirect_https: Option<u16>,
    /// How flows of a UDP listener are told apart and ended.
    pub udp: Udp,
}

impl Listener {
    /// A listener with every default.
    pub fn new(name: Name, bind: Vec<BindAddress>) -> Listener {
        Listener {
            name,
            bind,
            protocol: Protocol::Http,
            versions: Versions::Any,
            proxy_protocol: ProxyProtocol::default(),
            pool: None,
            timeouts: ListenerTimeouts::default(),
            limits: ListenerLimits::default(),
            forwarded: Forwarded::default(),
            tcp: TcpOptions {
                keep_alive: Some(TcpOptions::LISTENER_KEEP_ALIVE),
                user_timeout: None,
            },
            tls: None,
            redirect_https: None,
            udp: Udp::default(),
        }
    }

    /// The same listener for another protocol, with what that protocol has as its defaults.
    pub fn speaking(mut self, protocol: Protocol) -> Listener {
        self.protocol = protocol;
        self.timeouts.idle = ListenerTimeouts::default_idle(protocol);
        self
    }
}

/// What a listener speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// TCP: bytes are passed on as they are. With routes by server name or ALPN, the TLS
    /// ClientHello is read first; nothing is decrypted.
    Tcp,
    /// UDP: datagrams are passed on as they are, by flows of one client address and port.
    Udp,
}

impl Protocol {
    /// The name in configuration, API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// Which versions of HTTP a listener speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Versions {
    /// All: the client's choice by ALPN under TLS, by how it begins in clear.
    #[default]
    Any,
    /// HTTP/1.1, and 1.0.
    Http1,
    /// HTTP/2, in clear with prior knowledge.
    Http2,
}

impl Versions {
    /// The name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Versions::Any => "any",
            Versions::Http1 => "1.1",
            Versions::Http2 => "2",
        }
    }

    /// The names in ALPN, the preferred one first (RFC 7301 section 6).
    pub fn alpn(self) -> &'static [&'static str] {
        match self {
            Versions::Any => &["h2", "http/1.1"],
            Versions::Http1 => &["http/1.1"],
            Versions::Http2 => &["h2"],
        }
    }
}

/// Whether connections begin with a PROXY header (versions 1 and 2), and whose are believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyProtocol {
    /// Whether a header is awaited.
    pub mode: ProxyMode,
    /// Networks whose headers are believed. By default loopback, private, shared, link-local and
    /// unique local addresses; clients on unix sockets count as loopback.
    pub trusted: Vec<Cidr>,
}

/// Whether connections begin with a PROXY header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProxyMode {
    /// They do not: such a header would be passed on as data.
    #[default]
    Off,
    /// Those of trusted networks may; what others send is data.
    Accept,
    /// All must: connections from other networks, and those without a header, are closed.
    Require,
}

impl ProxyMode {
    /// Every mode with its name in configuration and API.
    pub const ALL: [(ProxyMode, &'static str); 3] =
        [(ProxyMode::Off, "off"), (ProxyMode::Accept, "accept"), (ProxyMode::Require, "require")];

    /// The name in configuration and API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("off", |(_, name)| name)
    }
}

impl ProxyProtocol {
    /// The networks that are trusted unless others are named.
    pub fn default_trusted() -> Vec<Cidr> {
        let v4 = |a, b, bits| Cidr::new(Ipv4Addr::new(a, b, 0, 0).into(), bits);
        let v6 = |first, bits| Cidr::new(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0).into(), bits);
        let networks = [
            v4(127, 0, 8),
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(100, 64, 10),
            v4(169, 254, 16),
            Cidr::new(Ipv6Addr::LOCALHOST.into(), 128),
            v6(0xfc00, 7),
            v6(0xfe80, 10),
        ];
        networks.into_iter().flatten().collect()
    }
}

impl Default for ProxyProtocol {
    fn default() -> ProxyProtocol {
        ProxyProtocol { mode: ProxyMode::Off, trusted: ProxyProtocol::default_trusted() }
    }
}

/// How flows of a UDP listener are told apart and ended. A flow also ends when it was silent for
/// `timeouts.idle`; there are at most `limits.connections` of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Udp {
    /// Datagrams from the member for each one from the client: when they have come, the flow ends
    /// (DNS: 1). `None` (default): flows end by silence only.
    pub responses: Option<u32>,
    /// The datagrams are QUIC: a client whose address changes stays with its member, as far as
    /// connection ids tell (RFC 9312). Off by default.
    pub quic: bool,
}

/// What is told to members about the client, and whose word is taken for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forwarded {
    /// Which headers are written.
    pub style: ForwardedStyle,
    /// Networks whose `X-Forwarded-*`, `Forwarded` and request id are believed; what others send
    /// is removed. None by default.
    pub trusted: Vec<Cidr>,
    /// Whether `Via` is added; on by default.
    pub via: bool,
    /// The header that carries the request id, lower case; `x-request-id`. `None`: no id.
    pub request_id: Option<String>,
}

impl Default for Forwarded {
    fn default() -> Forwarded {
        Forwarded {
            style: ForwardedStyle::XForwarded,
            trusted: Vec::new(),
            via: true,
            request_id: Some("x-request-id".to_owned()),
        }
    }
}

/// Which headers tell members about the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardedStyle {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Rfc7239,
    /// Both.
    Both,
    /// As Apache does: `X-Forwarded-For`, `-Host` and `-Server`, each after what the client sent.
    Apache,
    /// Neither; client-sent ones from untrusted networks are still removed.
    Off,
}
