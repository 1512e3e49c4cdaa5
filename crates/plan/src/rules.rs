use std::path::PathBuf;
use std::time::Duration;

use evenkeel_httpd::expr::Expr;

use crate::{Check, HttpCheck, MemberState, Name, TcpCheck};

/// What an Apache configuration says of a balancer that has no native form.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PoolRules {
    /// `forcerecovery=Off`: errors end by time only.
    pub no_forced_recovery: bool,
    /// `failontimeout=On`: a late answer is an error.
    pub timeouts_count: bool,
    /// A member that is late gives 504; for httpd, 502.
    pub late_is_timeout: bool,
    /// `scolonpathdelim=On`: a semicolon ends a session in a target.
    pub semicolon_ends: bool,
    /// `timeout`: how long a request waits for any usable member.
    pub wait: Duration,
    /// `HeartbeatStorage`, with `lbmethod=heartbeat`.
    pub heartbeat: Option<PathBuf>,
    /// `nonce`: what forms must name; `None` (the word) takes forms away.
    pub nonce: Option<String>,
    /// `growth`: members that may be added at run time.
    pub growth: usize,
    /// `maxattempts` counts: it was said, or there was more than one member at the start.
    pub attempts_count: bool,
    /// `nofailover=On`: a session whose member cannot be used is refused.
    pub no_failover: bool,
    /// `stickysessionsep`: what stands between session and route; `None`: all of it is the route.
    pub separator: Option<u8>,
    /// The path of the last `ProxyPass` that names it, for the page.
    pub path: String,
    /// Members of the configuration.
    pub configured: usize,
    /// The pool whose members these are: that of the main server's balancer, of which a virtual host
    /// says something else.
    pub shares: Option<Name>,
    /// What the members speak.
    pub protocol: MemberProtocol,
    /// Of each member, in order.
    pub members: Vec<MemberRules>,
}

/// What members speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemberProtocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/2, without asking first (RFC 9113 section 3.3).
    Http2,
    /// AJP/1.3, to servlet containers.
    Ajp,
    /// FastCGI.
    FastCgi,
}

/// What an Apache configuration says of a member.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MemberRules {
    /// `route`: several members may have the same.
    pub route: String,
    /// `redirect`: the route to use while it cannot be used.
    pub redirect: String,
    /// `retry`: how long an error lasts; 0: no time at all.
    pub retry: Duration,
    /// `status=+I`: it is never in error, and nothing is tried elsewhere because of it.
    pub ignore_errors: bool,
    /// `status=+D`: it gets no requests.
    pub disabled: bool,
    /// `status=+N`: only sessions that are bound to it.
    pub drain: bool,
    /// `status=+S`: no requests, and not checked either.
    pub stopped: bool,
    /// `status=+C`: begins as one whose check has failed.
    pub failed: bool,
    /// It is spoken to without TLS, though others of its pool are not.
    pub plain: bool,
    /// It is to be spoken to by TLS, which is not switched on.
    pub untold: Untold,
    /// `secret`, for AJP.
    pub secret: Option<String>,
    /// `ping`: how long the member may take to show that it is there; in HTTP before a body.
    pub ping: Option<Duration>,
    /// `max`: exchanges with it at a time.
    pub places: Option<u32>,
    /// `acquire`: how long one waits for a place of those; `None`: as long as it takes.
    pub patience: Option<Duration>,
    /// `responsefieldsize`: the longest line of a head of an answer, in bytes; 0: 8192.
    pub line_max: u32,
    /// `hcmethod` and its like.
    pub check: MemberCheck,
    /// What was said of its connections, for the page alone.
    pub shown: Shown,
}

/// Why a member of `https://` cannot be spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Untold {
    /// It can, or there is no need of TLS.
    #[default]
    No,
    /// `SSLProxyEngine` is not on: an error of the member.
    Off,
    /// mod_ssl is not loaded: nobody's error.
    Missing,
}

/// Parameters of a member as they were written; `None`: they were not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// `smax`.
    pub smax: Option<u32>,
    /// `min`.
    pub min: Option<u32>,
    /// `ttl`, in seconds.
    pub ttl: Option<u64>,
    /// `timeout`, in seconds.
    pub timeout: Option<u64>,
    /// `receivebuffersize`.
    pub receive_buffer: Option<u64>,
    /// `iobuffersize`.
    pub io_buffer: Option<u64>,
    /// `keepalive`.
    pub keepalive: Option<bool>,
    /// `disablereuse`.
    pub disable_reuse: Option<bool>,
    /// `connectiontimeout`.
    pub connect: Option<Duration>,
    /// `retry`, in seconds.
    pub retry: Option<u64>,
}

/// A check of one member.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberCheck {
    /// `hcmethod`.
    pub method: CheckMethod,
    /// `hcuri`, as written.
    pub uri: String,
    /// `hcinterval`.
    pub interval: Duration,
    /// `hcpasses`.
    pub rise: u32,
    /// `hcfails`; successes in between do not count.
    pub fall: u32,
    /// `hcexpr`: its name, and what decides in place of the status.
    pub expr: Option<(String, Expr)>,
    /// What is asked; `None`: nothing.
    pub check: Option<Check>,
}

impl Default for MemberCheck {
    /// No check; every 30 seconds, one pass and one fail, were there one.
    fn default() -> MemberCheck {
        MemberCheck {
            method: CheckMethod::None,
            uri: String::new(),
            interval: Duration::from_secs(30),
            rise: 1,
            fall: 1,
            expr: None,
            check: None,
        }
    }
}

impl MemberCheck {
    /// Makes what is asked of method and URI; `path` and `host` are the member's.
    pub fn settle(&mut self, path: &str, host: &str) {
        self.check = match self.method {
            CheckMethod::None => None,
            CheckMethod::Tcp | CheckMethod::Cping => Some(Check::Tcp(TcpCheck::default())),
            CheckMethod::Http { method, .. } => {
                let path = match (path, &*self.uri) {
                    _ if method == "OPTIONS" => "*".to_owned(),
                    ("", uri) => uri.to_owned(),
                    (path, "") => path.to_owned(),
                    (path, uri) => format!("{path}/{uri}"),
                };
                let host = Some(host.to_owned());
                let method = method.to_owned();
                Some(Check::Http(HttpCheck { method, path, host, ..HttpCheck::default() }))
            }
        };
    }
}

/// `hcmethod`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CheckMethod {
    /// No check.
    #[default]
    None,
    /// A connection.
    Tcp,
    /// A ping of AJP.
    Cping,
    /// A request.
    Http {
        /// `GET`, `HEAD` or `OPTIONS`.
        method: &'static str,
        /// HTTP/1.1, not 1.0.
        modern: bool,
    },
}

impl CheckMethod {
    /// The method of a name in any case.
    pub fn named(name: &str) -> Option<CheckMethod> {
        let upper = name.to_ascii_uppercase();
        let http = |method, modern| Some(CheckMethod::Http { method, modern });
        match &*upper {
            "NONE" => Some(CheckMethod::None),
            "TCP" => Some(CheckMethod::Tcp),
            "CPING" => Some(CheckMethod::Cping),
            "GET" => http("GET", false),
            "HEAD" => http("HEAD", false),
            "OPTIONS" => http("OPTIONS", false),
            "GET11" => http("GET", true),
            "HEAD11" => http("HEAD", true),
            "OPTIONS11" => http("OPTIONS", true),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> String {
        match self {
            CheckMethod::None => "NONE".to_owned(),
            CheckMethod::Tcp => "TCP".to_owned(),
            CheckMethod::Cping => "CPING".to_owned(),
            CheckMethod::Http { method, modern } => {
                format!("{method}{}", if modern { "11" } else { "" })
            }
        }
    }
}

impl MemberRules {
    /// What the letters D, S and N come to.
    pub fn state(&self) -> MemberState {
        match (self.disabled || self.stopped, self.drain) {
            (true, _) => MemberState::Disabled,
            (false, true) => MemberState::Drain,
            (false, false) => MemberState::Ready,
        }
    }
}

impl PoolRules {
    /// The rules of a member.
    pub fn member(&self, at: usize) -> Option<&MemberRules> {
        self.members.get(at)
    }
}
