use std::path::PathBuf;
use std::time::Duration;

use evenkeel_httpd::expr::Expr;

use crate::Check;

/// What an Apache configuration says of a balancer that has no native form.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PoolRules {
    /// `forcerecovery=Off`: errors end by time only.
    pub no_forced_recovery: bool,
    /// `failontimeout=On`: a late answer is an error.
    pub timeouts_count: bool,
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
    /// Members of the configuration.
    pub configured: usize,
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
    /// `status=+S`: not checked either.
    pub stopped: bool,
    /// `secret`, for AJP.
    pub secret: Option<String>,
    /// `ping`, for AJP: how long the member may take to show that it is there.
    pub ping: Option<Duration>,
    /// `hcmethod` and its like.
    pub check: Option<MemberCheck>,
}

/// A check of one member.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberCheck {
    /// What is asked.
    pub check: Check,
    /// `hcinterval`.
    pub interval: Duration,
    /// `hcpasses`.
    pub rise: u32,
    /// `hcfails`; successes in between do not count.
    pub fall: u32,
    /// `hcexpr`: decides in place of the status.
    pub expr: Option<Expr>,
}

impl PoolRules {
    /// The rules of a member.
    pub fn member(&self, at: usize) -> Option<&MemberRules> {
        self.members.get(at)
    }
}
