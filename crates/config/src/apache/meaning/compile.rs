//! From the tree to what httpd's rules decide by ([`evenkeel_httpd`]), with the listeners, routes
//! and pools that go with it.

mod access;
mod bounds;
mod finish;
mod headers;
mod logs;
mod order;
mod pass;
mod place;
mod remote;
mod rewriting;
mod server;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_httpd::access::Access;
use evenkeel_httpd::remote::RemoteIp;
use evenkeel_httpd::rewrite;
use evenkeel_httpd::site::{EncodedSlashes, Matched, Pass, Place, SetEnvIf, SiteAddress, Via};
use evenkeel_plan::Plan;

pub(super) use pass::worker_name;

use super::Told;
use super::sites::{Balancer, Listen, MemberLine, Word};
use crate::apache::Tree;

/// The plan of a configuration, with the rules by which requests are served.
pub(super) fn compile(tree: &Tree, told: &mut Told) -> Plan {
    let mut making = Making::default();
    let main = making.server(&tree.nodes, 0, told);
    making.servers.insert(0, main);
    making.finish(told)
}

/// What is known while the tree is walked.
#[derive(Default)]
struct Making {
    listens: Vec<Listen>,
    /// The main server comes to stand first when it is done.
    servers: Vec<Server>,
    balancers: Vec<Scoped>,
    /// Workers of their own: rules that name a URL.
    workers: Vec<(MemberLine, String, usize)>,
    /// `<Proxy http://…>` and `ProxySet http://…`.
    worker_words: Vec<(String, Vec<Word>)>,
    templates: Vec<(usize, String, Vec<Word>)>,
    exprs: Vec<(usize, String, String)>,
    /// `ServerRoot`.
    root: PathBuf,
    /// `HeartbeatStorage`.
    heartbeat: Option<PathBuf>,
    /// One for each target, in the order in which they were met: which pool.
    targets: Vec<TargetOf>,
}

/// A balancer and the server it was defined in; 0: the main one.
struct Scoped {
    scope: usize,
    balancer: Balancer,
    ssl: tls::Ssl,
    /// Somebody said more than its name.
    defined: bool,
}

/// What a target leads to.
#[derive(Clone)]
enum TargetOf {
    /// A balancer, as seen from a server.
    Balancer(usize, String),
    /// A worker of its own, by position.
    Worker(usize),
}

/// A server as it is written, before it is laid over the main one.
#[derive(Default)]
struct Server {
    addresses: Vec<SiteAddress>,
    name: Option<String>,
    /// It begins with `https://`.
    named_https: bool,
    names: Vec<String>,
    passes: Vec<Pass>,
    /// Files by their names; asked when no other rule takes a path.
    files: Vec<Pass>,
    ssl: tls::Ssl,
    /// `DocumentRoot`.
    root: Option<String>,
    everywhere: Place,
    access: Vec<Access>,
    proxies: Vec<(Matched, Arc<Place>)>,
    locations: Vec<(Matched, Arc<Place>)>,
    slashes: Option<EncodedSlashes>,
    merge_slashes: Option<bool>,
    canonical_name: Option<bool>,
    via: Option<Via>,
    set_env_if: Vec<SetEnvIf>,
    remote_ip: Option<RemoteIp>,
    timeout: Option<Duration>,
    proxy_timeout: Option<Duration>,
    max_forwards: Option<u32>,
    /// `LimitRequestLine`, `LimitRequestFields`, `LimitRequestFieldSize`.
    head_line: Option<usize>,
    head_fields: Option<usize>,
    head_field: Option<usize>,
    logs: logs::Logs,
    /// `ProxyBlock`.
    blocked: Vec<String>,
    trace: Option<bool>,
    rewriting: Vec<rewrite::Rule>,
    rewrite_engine: Option<bool>,
    conditions: Vec<rewrite::Condition>,
    rewrite_options: Option<rewriting::Options>,
    /// How many of `BalancerInherit` and `ProxyPassInherit` are off: only both together count.
    inherits_off: usize,
    keep_alive: Option<bool>,
    keep_alive_timeout: Option<Duration>,
    keep_alive_requests: Option<u32>,
}
