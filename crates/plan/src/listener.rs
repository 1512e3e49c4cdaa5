use crate::{BindAddress, Cidr, ListenerLimits, ListenerTimeouts, Name};

/// What accepts traffic.
#[derive(Clone, PartialEq, Debug)]
pub struct Listener {
    /// Unique among listeners. Default: the protocol and the first address.
    pub name: Name,
    /// Where it accepts; 1 to 64 addresses.
    pub bind: Vec<BindAddress>,
    /// What it speaks.
    pub protocol: Protocol,
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
}

impl Listener {
    /// A listener with every default.
    pub fn new(name: Name, bind: Vec<BindAddress>) -> Listener {
        Listener {
            name,
            bind,
            protocol: Protocol::Http,
            proxy_protocol: ProxyProtocol::Off,
            pool: None,
            timeouts: ListenerTimeouts::default(),
            limits: ListenerLimits::default(),
            forwarded: Forwarded::default(),
        }
    }
}

/// What a listener speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
}

impl Protocol {
    /// The name in configuration, API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http => "http",
        }
    }
}

/// Whether connections begin with a PROXY header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
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
    /// Neither; client-sent ones from untrusted networks are still removed.
    Off,
}
