//! What a configuration means: plain bounded data. **Law: no parsing of files, no I/O, no locks.**
//!
//! A [`Plan`] is the meaning of a configuration after defaults, whatever door it came through
//! (TOML, Apache, the admin API). It is `Clone + PartialEq`, so two plans can be compared and a
//! change can be computed from them ([`diff`]). [`check`] finds what no single value can tell:
//! references to pools that do not exist, two listeners on one address, and the like.
#![forbid(unsafe_code)]

pub mod acme;
mod address;
mod affinity;
pub mod check;
mod conditions;
pub mod diff;
mod health;
mod limits;
mod listener;
mod member;
mod names;
mod policy;
mod pool;
mod route;
mod rules;
mod server;
mod timeout;
mod tls;
mod units;

pub use acme::{Acme, Challenge, DnsHook, ExternalAccount, KeyKind, Ordered};
pub use address::{Address, BindAddress, Cidr, HostName};
pub use affinity::{Affinity, CookieAffinity};
pub use check::Problem;
pub use conditions::{Condition, Conditions, Split, ValueMatch};
pub use health::{Check, GrpcCheck, Health, HttpCheck, Passive, StatusRange, TcpCheck, UdpCheck};
pub use limits::{ListenerLimits, PoolLimits};
pub use listener::{
    Forwarded, ForwardedStyle, Listener, Protocol, ProxyMode, ProxyProtocol, Udp, Versions,
};
pub use member::{Member, MemberState, Weight};
pub use names::Name;
pub use policy::{HashKey, Policy};
pub use pool::{
    HostHeader, MemberPort, OnDown, Pool, ProxyVersion, Retry, RetryOn, Source, TcpOptions,
};
pub use route::{
    Action, HeaderEdits, HeaderValue, HostMatch, PathMatch, Redirect, Respond, Reverse, Rewrite,
    Route,
};
pub use rules::{CheckMethod, MemberCheck, MemberProtocol, MemberRules, PoolRules, Shown, Untold};
pub use server::{AccessLog, Admin, Cores, Io, Log, LogFormat, LogTarget, Server};
pub use timeout::{ListenerTimeouts, PoolTimeouts};
pub use tls::{
    CertificateFiles, Ciphers, ClientCertificates, Hsts, ListenerTls, PoolTls, TlsVersion, Verify,
};
pub use units::{Bytes, Percent};

/// The whole meaning of a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The process: cores, I/O back end, drain time.
    pub server: Server,
    /// The admin API; off when absent.
    pub admin: Option<Admin>,
    /// Where the access log goes.
    pub log: Log,
    /// The authorities that certificates are ordered from.
    pub acme: Vec<Acme>,
    /// What accepts traffic, in file order.
    pub listeners: Vec<Listener>,
    /// Which requests go where; the first match in this order wins.
    pub routes: Vec<Route>,
    /// The sets of members.
    pub pools: Vec<Pool>,
    /// The rules of an Apache configuration: on HTTP listeners they, and not the routes, decide
    /// what becomes of a request. Targets are routes by their positions. Has no native form.
    pub sites: Option<std::sync::Arc<evenkeel_httpd::Sites>>,
}

impl Plan {
    /// The pool of that name.
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == *name)
    }

    /// The pool of that name, to change it.
    pub fn pool_mut(&mut self, name: &str) -> Option<&mut Pool> {
        self.pools.iter_mut().find(|pool| pool.name == *name)
    }

    /// The listener of that name.
    pub fn listener(&self, name: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.name == *name)
    }
}
