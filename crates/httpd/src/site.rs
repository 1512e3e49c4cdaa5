//! What a configuration says, compiled: servers, locations and their rules.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::access::{Access, Merging, Old};
use crate::expr::{Expr, Word};
use crate::headers::HeaderRule;
use crate::log::SiteLog;
use crate::pattern::Pattern;
use crate::remote::RemoteIp;
use crate::rewrite::Rewriting;

/// All servers of a configuration.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sites {
    /// The main server, then virtual hosts in file order.
    pub sites: Vec<Site>,
    /// Balancers, for `balancer://` targets and their variables.
    pub balancers: Vec<BalancerNames>,
    /// Files of access logs.
    pub logs: Vec<PathBuf>,
    /// Virtual hosts by address: [`Sites::arrange`].
    pub sets: Vec<AddressSet>,
    /// AJP is there, so that checks may ping.
    pub pings: bool,
    /// Where balancers are kept over restarts, if `BalancerPersist` asks for it somewhere.
    pub persist: Option<PathBuf>,
}

/// Virtual hosts of one address, in file order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressSet {
    /// The address.
    pub address: SiteAddress,
    /// Positions in [`Sites::sites`]; the first is the default.
    pub sites: Vec<usize>,
}

/// `ProxyHCExpr`: what the answer to a check must be like.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckExpr {
    /// Its name.
    pub name: String,
    /// What was written.
    pub text: String,
    /// The same, read.
    pub expr: Expr,
}

/// What answers call a balancer and its members.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BalancerNames {
    /// `balancer://name`; empty: a worker of its own.
    pub url: String,
    /// The server it belongs to; 0: the main one, whose balancers all servers see.
    pub scope: usize,
    /// Sessions are kept.
    pub sticky: bool,
    /// `BalancerPersist` of that server.
    pub persist: bool,
    /// Of each member.
    pub members: Vec<MemberNames>,
}

/// What answers and members call a member.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MemberNames {
    /// `http://host:8080/path`, as httpd writes it.
    pub url: String,
    /// `host:8080`, without a port that is the scheme's own: for `Host`.
    pub host: String,
    /// What paths begin with.
    pub path: String,
    /// `route=`.
    pub route: String,
    /// Protocols it may switch to; `*`: any.
    pub upgrade: Vec<String>,
    /// `timeout=`.
    pub timeout: Option<Duration>,
    /// A connection carries one request: `disablereuse=On`, or a URL that depends on the request.
    pub once: bool,
}

/// A server: the main one or a virtual host.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Site {
    /// Where it listens: `*`, an address, or none for the main server.
    pub addresses: Vec<SiteAddress>,
    /// `ServerName`, with its port when that was given.
    pub name: String,
    /// `ServerName` begins with `https://`.
    pub named_https: bool,
    /// The port of `ServerName`.
    pub port: Option<u16>,
    /// `ServerName` and `ServerAlias` as compared: lower case, without ports, `*` and `?` allowed.
    pub names: Vec<String>,
    /// `ProxyPass` and `ProxyPassMatch`; the main server's first.
    pub passes: Vec<Pass>,
    /// `RewriteRule`s of the server.
    pub rewriting: Option<Arc<Rewriting>>,
    /// What counts everywhere in it.
    pub everywhere: Arc<Place>,
    /// `<Proxy>`: by the target's URL.
    pub proxies: Vec<(Matched, Arc<Place>)>,
    /// `<Location>`, in file order, the main server's first.
    pub locations: Vec<(Matched, Arc<Place>)>,
    /// `Redirect`s of the server.
    pub redirects: Vec<Redirect>,
    /// `AllowEncodedSlashes`.
    pub slashes: EncodedSlashes,
    /// `MergeSlashes`.
    pub keep_slashes: bool,
    /// `UseCanonicalName On`.
    pub canonical_name: bool,
    /// `ProxyVia`.
    pub via: Via,
    /// `SetEnvIf` of the server.
    pub set_env_if: Vec<SetEnvIf>,
    /// `RemoteIPHeader` and whom it is believed from.
    pub remote_ip: Option<RemoteIp>,
    /// How long members may take, unless they say otherwise themselves.
    pub timeout: Option<Duration>,
    /// `ProxyMaxForwards`.
    pub max_forwards: Option<u32>,
    /// `ProxyBadHeader`.
    pub bad_fields: BadFields,
    /// `TraceEnable`.
    pub no_trace: bool,
    /// How large heads may be.
    pub limits: HeadLimits,
    /// `CustomLog` and `TransferLog`.
    pub logs: Vec<SiteLog>,
    /// `ProxyBlock`: what no member's host may have in it; `*`: any.
    pub blocked: Vec<String>,
    /// `BalancerPersist`, which no server has from another.
    pub persist: bool,
    /// `ProxyHCExpr`s; `None` where there are no checks at all.
    pub check_exprs: Option<Vec<CheckExpr>>,
}

/// `ProxyBadHeader`: what becomes of lines without a colon in the head of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BadFields {
    /// The answer is an error.
    #[default]
    Errors,
    /// They are left out.
    Ignored,
    /// The first one begins the body.
    Bodies,
}

/// `LimitRequestLine`, `LimitRequestFields`, `LimitRequestFieldSize`: those of the server that is
/// the default of an address count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of the request line.
    pub line: usize,
    /// Fields; 0: no limit.
    pub fields: usize,
    /// Bytes of the line of a field.
    pub field: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits { line: 8190, fields: 100, field: 8190 }
    }
}

/// An address of a virtual host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteAddress {
    /// `None`: `*`.
    pub ip: Option<std::net::IpAddr>,
    /// `None`: `*`.
    pub port: Option<u16>,
}

/// What a location's path, or a target's URL, must look like.
#[derive(Clone, PartialEq, Debug)]
pub enum Matched {
    /// Begins so; locations by segment.
    Start(String),
    /// As a shell would.
    Shell(String),
    /// The pattern is found; named groups become `MATCH_NAME`.
    Found(Pattern),
}

/// What is said in a server, a location or an `<If>`. Inner ones are laid over outer ones.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Place {
    /// `ProxyPass` within a location.
    pub pass: Option<Pass>,
    /// `ProxyPreserveHost`.
    pub preserve_host: Option<bool>,
    /// `ProxyAddHeaders`.
    pub add_headers: Option<bool>,
    /// `Proxy100Continue`.
    pub forwards_expectation: Option<bool>,
    /// `SSLOptions +StdEnvVars`.
    pub tls_variables: Option<bool>,
    /// `ProxyWebsocketFallbackToProxyHttp`.
    pub websocket_fallback: Option<bool>,
    /// `ProxyErrorOverride`: on or off, and for which statuses (none: all).
    pub error_override: Option<(bool, Vec<u16>)>,
    /// `ErrorDocument`.
    pub documents: Vec<(u16, Document)>,
    /// `ProxyPassReverse`: from a target to a path.
    pub reverses: Vec<Mapping>,
    /// `ProxyPassReverseCookiePath`.
    pub cookie_paths: Vec<Mapping>,
    /// `ProxyPassReverseCookieDomain`.
    pub cookie_domains: Vec<Mapping>,
    /// `ProxyPassInterpolateEnv`: `${NAME}` stands for a variable where rules say `interpolate`.
    pub interpolates: Option<bool>,
    /// `RequestHeader`.
    pub request_headers: Vec<HeaderRule>,
    /// `Header`, both tables.
    pub headers: Vec<HeaderRule>,
    /// `SetEnvIf` of a location.
    pub set_env_if: Vec<SetEnvIf>,
    /// `SetEnv` (with a value) and `UnsetEnv`.
    pub set_env: Vec<(String, Option<Vec<u8>>)>,
    /// `Require`; the innermost counts, unless `merging` says otherwise.
    pub access: Option<Arc<Access>>,
    /// `AuthMerging`.
    pub merging: Option<Merging>,
    /// `Order`, `Allow`, `Deny`; the innermost counts.
    pub old_access: Option<Arc<Old>>,
    /// `SetHandler`.
    pub handler: Option<Handler>,
    /// `Redirect` within a location.
    pub redirects: Vec<Redirect>,
    /// `<If>`, `<ElseIf>` and `<Else>`: of each chain the first that holds.
    pub conditions: Vec<Vec<(Expr, Arc<Place>)>>,
}

/// What serves a request when no member does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handler {
    /// None: what `SetHandler` said outside is taken back.
    Default,
    /// `balancer-manager`.
    Manager,
    /// `server-status`.
    Status,
}

/// What is put in the place of what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// What members say.
    pub from: String,
    /// What the client gets.
    pub to: String,
    /// `interpolate`: both have `${NAME}` in them.
    pub interpolate: bool,
}

/// `ProxyPass` and `ProxyPassMatch`.
#[derive(Clone, PartialEq, Debug)]
pub struct Pass {
    /// What the path must look like.
    pub path: PassPath,
    /// Where to; `None` for `!`.
    pub to: Option<Target>,
    /// `nocanon`: the path goes on as it came.
    pub raw: bool,
    /// `mapping=encoded`: compared and sent still encoded.
    pub encoded: bool,
    /// `mapping=servlet`: path parameters do not count in the comparison.
    pub servlet: bool,
    /// `interpolate`: path and target have `${NAME}` in them.
    pub interpolate: bool,
}

/// How a rule compares paths.
#[derive(Clone, PartialEq, Debug)]
pub enum PassPath {
    /// `ProxyPass`: what follows is joined to the target.
    Start(String),
    /// `ProxyPassMatch`; `true`: the target has `$n` in it, otherwise the path is joined to it.
    Found(Pattern, bool),
}

/// A URL to pass to.
#[derive(Clone, PartialEq, Debug)]
pub struct Target {
    /// The route (by position in the plan) whose pool serves it.
    pub route: usize,
    /// The balancer or worker, by position in [`Sites::balancers`].
    pub balancer: usize,
    /// The URL as written: for `<Proxy>` sections.
    pub url: String,
    /// What follows scheme and authority.
    pub path: String,
}

/// `AllowEncodedSlashes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EncodedSlashes {
    /// Such paths are not found.
    #[default]
    Off,
    /// They are decoded.
    On,
    /// They are allowed and stay encoded.
    NoDecode,
}

/// `ProxyVia`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Via {
    /// Fields pass untouched.
    #[default]
    Off,
    /// One is added.
    On,
    /// One with the server's version is added.
    Full,
    /// Those of requests are taken out.
    Block,
}

/// `SetEnvIf`, `BrowserMatch`, `SetEnvIfExpr`.
#[derive(Clone, PartialEq, Debug)]
pub struct SetEnvIf {
    /// What is looked at.
    pub looked_at: LookedAt,
    /// With a name that is a pattern: the first field whose name it is found in.
    pub names: Option<Pattern>,
    /// Variables and their values with `$n`; `None`: unset.
    pub variables: Vec<(String, Option<Vec<u8>>)>,
}

/// What `SetEnvIf` looks at.
#[derive(Clone, PartialEq, Debug)]
pub enum LookedAt {
    /// A field of that name, or else an earlier variable.
    Named(String, Pattern),
    /// `Remote_Addr`, `Request_URI` and the like: the variable of that name.
    Known(&'static str, Pattern),
    /// An expression.
    Expr(Expr),
}

/// `Redirect` and `RedirectMatch`.
#[derive(Clone, PartialEq, Debug)]
pub struct Redirect {
    /// The path, by segment, or a pattern.
    pub path: PassPath,
    /// 301, 302, 303, 307, 308, or 410 and the like without a target.
    pub status: u16,
    /// Where to; empty for a status without.
    pub to: String,
    /// Written without a path, as in a location: all that is in it.
    pub is_everything: bool,
}

/// `ErrorDocument`.
#[derive(Clone, PartialEq, Debug)]
pub enum Document {
    /// A text.
    Text(Word),
    /// Another server: a redirect there.
    Url(String),
    /// A path of this server.
    Path(String),
    /// What is built in.
    Default,
}

impl Place {
    /// Lays `inner` over this.
    pub fn lay(&mut self, inner: &Place) {
        let same = |one: &mut Option<bool>, other: Option<bool>| *one = other.or(*one);
        same(&mut self.preserve_host, inner.preserve_host);
        same(&mut self.add_headers, inner.add_headers);
        same(&mut self.interpolates, inner.interpolates);
        same(&mut self.forwards_expectation, inner.forwards_expectation);
        same(&mut self.websocket_fallback, inner.websocket_fallback);
        same(&mut self.tls_variables, inner.tls_variables);
        if inner.pass.is_some() {
            self.pass.clone_from(&inner.pass);
        }
        match (&mut self.error_override, &inner.error_override) {
            (Some((on, codes)), Some((inner_on, more))) => {
                *on = *inner_on;
                codes.extend(more);
            }
            (none @ None, some) => none.clone_from(some),
            (Some(_), None) => {}
        }
        for (status, document) in &inner.documents {
            self.documents.retain(|(other, _)| other != status);
            self.documents.push((*status, document.clone()));
        }
        self.reverses.extend(inner.reverses.iter().cloned());
        self.cookie_paths.extend(inner.cookie_paths.iter().cloned());
        self.cookie_domains.extend(inner.cookie_domains.iter().cloned());
        self.request_headers.extend(inner.request_headers.iter().cloned());
        self.headers.extend(inner.headers.iter().cloned());
        self.set_env_if.extend(inner.set_env_if.iter().cloned());
        self.set_env.extend(inner.set_env.iter().cloned());
        self.access = merged(self.access.take(), inner);
        if inner.old_access.is_some() {
            self.old_access.clone_from(&inner.old_access);
        }
        self.handler = inner.handler.or(self.handler);
        self.redirects.extend(inner.redirects.iter().cloned());
        self.conditions.extend(inner.conditions.iter().cloned());
    }
}

/// Rules of an inner section over those around it.
fn merged(outer: Option<Arc<Access>>, inner: &Place) -> Option<Arc<Access>> {
    match (inner.merging, outer, &inner.access) {
        (None, outer, None) => outer,
        (None | Some(Merging::Off), _, own) => own.clone(),
        (Some(Merging::And), Some(outer), Some(own)) => {
            Some(Arc::new(Access::Each(vec![(*outer).clone(), (**own).clone()])))
        }
        (Some(Merging::Or), Some(outer), Some(own)) => {
            Some(Arc::new(Access::Any(vec![(*outer).clone(), (**own).clone()])))
        }
        (Some(Merging::And | Merging::Or), outer, own) => outer.or_else(|| own.clone()),
    }
}
