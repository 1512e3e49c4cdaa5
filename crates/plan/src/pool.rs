use std::net::IpAddr;
use std::time::Duration;

use crate::{Affinity, HashKey, Health, Member, Name, Percent, Policy, PoolLimits, PoolTimeouts};

/// A named set of members and how to use them.
#[derive(Clone, PartialEq, Debug)]
pub struct Pool {
    /// Unique among pools.
    pub name: Name,
    /// How members are picked.
    pub policy: Policy,
    /// What hashing policies hash.
    pub hash_key: HashKey,
    /// How one client stays on one member.
    pub affinity: Option<Affinity>,
    /// When a request is tried again.
    pub retry: Retry,
    /// How long members may take.
    pub timeouts: PoolTimeouts,
    /// What the pool holds at most.
    pub limits: PoolLimits,
    /// What the members speak; HTTP/1.1. (Those of an Apache configuration: see its rules.)
    pub protocol: crate::MemberProtocol,
    /// Whether calls of gRPC-Web become calls of gRPC; for members that speak HTTP/2. Off.
    pub grpc_web: bool,
    /// The PROXY header that connections to members begin with, if any. Such connections carry one
    /// client's data only and are not kept.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Which address members see as the source.
    pub source: Source,
    /// Which port of the member is used.
    pub port: MemberPort,
    /// Options of the TCP connections to members.
    pub tcp: TcpOptions,
    /// What becomes of relayed connections (layer 4, and HTTP after an upgrade) whose member goes
    /// down or is disabled.
    pub on_down: OnDown,
    /// The `Host` that HTTP members get.
    pub host: HostHeader,
    /// TLS, spoken to members.
    pub tls: Option<crate::PoolTls>,
    /// How the pool learns whether members live.
    pub health: Health,
    /// The members in file order, 0 to 65535. An empty pool answers 503.
    pub members: Vec<Member>,
    /// What came from an Apache configuration and has no native form.
    pub rules: Option<Box<crate::PoolRules>>,
}

impl Pool {
    /// A pool with every default and no members.
    pub fn new(name: Name) -> Pool {
        Pool {
            name,
            policy: Policy::default(),
            hash_key: HashKey::default(),
            affinity: None,
            retry: Retry::default(),
            timeouts: PoolTimeouts::default(),
            limits: PoolLimits::default(),
            protocol: crate::MemberProtocol::Http,
            grpc_web: false,
            proxy_protocol: None,
            source: Source::default(),
            port: MemberPort::default(),
            tcp: TcpOptions::default(),
            on_down: OnDown::default(),
            host: HostHeader::default(),
            tls: None,
            health: Health::default(),
            members: Vec::new(),
            rules: None,
        }
    }

    /// The check of a member and how it is judged.
    pub fn check_of(&self, at: usize) -> Option<Health> {
        let Some(rules) = &self.rules else {
            return self.health.check.is_some().then(|| self.health.clone());
        };
        // Members of another pool are checked there.
        let rules = Some(rules).filter(|rules| rules.shares.is_none())?;
        let own = &rules.member(at).filter(|member| !member.stopped)?.check;
        Some(Health {
            check: Some(own.check.clone()?),
            interval: own.interval,
            timeout: self.timeouts.response.min(Duration::from_secs(60)),
            fall: own.fall,
            rise: own.rise,
            passive: self.health.passive.clone(),
        })
    }

    /// What the members speak, whoever says so.
    pub fn spoken(&self) -> crate::MemberProtocol {
        self.rules.as_ref().map_or(self.protocol, |rules| rules.protocol)
    }

    /// The member of that tag, or else of that address.
    pub fn member_index(&self, tag_or_address: &str) -> Option<usize> {
        let by_tag = self.members.iter().position(|m| m.tag == *tag_or_address);
        by_tag.or_else(|| self.members.iter().position(|m| m.address.to_string() == tag_or_address))
    }
}

/// A version of the PROXY header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyVersion {
    /// One line of text: addresses and nothing more.
    V1,
    /// Binary: addresses, a checksum (CRC32c), and the server name and ALPN where known.
    V2,
}

impl ProxyVersion {
    /// Every version with its name in configuration and API.
    pub const ALL: [(ProxyVersion, &'static str); 2] =
        [(ProxyVersion::V1, "v1"), (ProxyVersion::V2, "v2")];

    /// The name in configuration and API.
    pub fn name(self) -> &'static str {
        match self {
            ProxyVersion::V1 => "v1",
            ProxyVersion::V2 => "v2",
        }
    }
}

/// The `Host` that HTTP members get.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HostHeader {
    /// As the client sent it.
    #[default]
    Client,
    /// The member's own address, as Apache does without `ProxyPreserveHost`.
    Member,
}

/// What becomes of relayed connections whose member goes down or is disabled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnDown {
    /// They go on as long as both ends do.
    #[default]
    Keep,
    /// They are reset, so that clients come again and get another member.
    Close,
}

/// Which address members see as the source of connections and datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Source {
    /// The one the system chooses.
    #[default]
    System,
    /// This address of the machine.
    Address(IpAddr),
    /// The client's own (IP_TRANSPARENT): needs CAP_NET_ADMIN, and members whose answers are
    /// routed back through this machine. Kept connections are not shared between clients.
    Client,
}

/// Which port of a member is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemberPort {
    /// The one of its address.
    #[default]
    Own,
    /// The one the client came to: for listeners with ranges of ports.
    Listener,
}

/// Options of TCP connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// Silence after which the system asks whether the peer still lives (SO_KEEPALIVE), three times
    /// at the same distance; 1 s to 9 h. `None`: never.
    pub keep_alive: Option<Duration>,
    /// How long sent data may stay unacknowledged before the connection counts as broken
    /// (TCP_USER_TIMEOUT, RFC 5482); `None`: as the system has it, about 15 minutes.
    pub user_timeout: Option<Duration>,
}

impl TcpOptions {
    /// What listeners have unless told otherwise. It is set once, on the listening socket.
    pub const LISTENER_KEEP_ALIVE: Duration = Duration::from_secs(120);
}

/// When and how often a request is tried again, on another member where there is one.
#[derive(Clone, PartialEq, Debug)]
pub struct Retry {
    /// Further attempts after the first; 2. 0 turns retries off.
    pub attempts: u8,
    /// What is tried again. Only a failed connect is tried again for methods that are not
    /// idempotent, unless `non_idempotent` says otherwise.
    pub on: Vec<RetryOn>,
    /// Retries per request over the last ten seconds, as a share; ten a second are always
    /// allowed. 20 %.
    pub budget: Percent,
    /// Whether methods that are not idempotent (RFC 9110 section 9.2.2) are tried again after
    /// their head was sent. Off by default.
    pub non_idempotent: bool,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            attempts: 2,
            on: vec![RetryOn::Connect, RetryOn::ResetBeforeResponse],
            budget: Percent::new(20).expect("20 is at most 100"),
            non_idempotent: false,
        }
    }
}

/// A cause for another attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetryOn {
    /// No connection could be made: refused, unreachable, too slow.
    Connect,
    /// The member closed or reset before the first byte of its answer.
    ResetBeforeResponse,
    /// The member did not begin its answer in time.
    Timeout,
    /// A call of gRPC was answered at once with UNAVAILABLE (14), and nothing else. Whoever lists
    /// it says that such calls may be tried again.
    GrpcUnavailable,
    /// The member answered this status (500..=599, or 429).
    Status(u16),
}
