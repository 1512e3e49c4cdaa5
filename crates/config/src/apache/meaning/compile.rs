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

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_httpd::BadFields;
use evenkeel_httpd::access::Access;
use evenkeel_httpd::remote::RemoteIp;
use evenkeel_httpd::rewrite;
use evenkeel_httpd::site::{EncodedSlashes, Matched, Pass, Place, SetEnvIf, SiteAddress, Via};
use evenkeel_plan::{Plan, Source, Untold};

pub(super) use pass::worker_name;

use super::Told;
use super::pools::METHODS;
use super::sites::{Balancer, Listen, MemberLine, Word, is_balancer};
use crate::apache::{Node, Tree};

/// The plan of a configuration, with the rules by which requests are served.
pub(super) fn compile(tree: &Tree, told: &mut Told) -> Plan {
    let mut making = Making { loaded: loaded(&tree.nodes), ..Making::default() };
    making.speaks_tls = making.has("ssl_module") && switches_tls_on(&tree.nodes);
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
    /// Those of them that only rewriting names.
    of_rules: Vec<usize>,
    /// `<Proxy http://…>` and `ProxySet http://…`.
    worker_words: Vec<(String, Vec<Word>)>,
    templates: Vec<(usize, String, Vec<Word>)>,
    exprs: Vec<(usize, String, String)>,
    /// `ServerRoot`.
    root: PathBuf,
    /// `DefaultRuntimeDir`.
    runtime: Option<PathBuf>,
    /// `HeartbeatStorage`.
    heartbeat: Option<PathBuf>,
    /// One for each target, in the order in which they were met: which pool.
    targets: Vec<TargetOf>,
    /// The modules of `LoadModule`.
    loaded: Vec<String>,
    /// `SSLProxyEngine On` stands somewhere outside of balancers' sections.
    speaks_tls: bool,
}

impl Making {
    /// The address that members of a server's balancers and workers see.
    fn source(&self, scope: usize) -> Source {
        let of = |scope: usize| self.servers.get(scope).and_then(|server| server.source);
        of(scope).or_else(|| of(0)).map_or(Source::System, Source::Address)
    }

    /// Whether a module is loaded; all are where no `LoadModule` is.
    fn has(&self, module: &str) -> bool {
        self.loaded.is_empty() || self.loaded.iter().any(|loaded| loaded == module)
    }

    /// Methods of balancing whose modules are not loaded.
    fn missing_methods(&self) -> Vec<&'static str> {
        let missing = METHODS.iter().filter(|(_, module)| !self.has(module));
        missing.map(|(name, _)| *name).collect()
    }
}

fn loaded(nodes: &[Node]) -> Vec<String> {
    let lines = nodes.iter().filter_map(|node| match node {
        Node::Directive(directive) if directive.canonical == "LoadModule" => directive.args.first(),
        _ => None,
    });
    lines.map(|arg| arg.text.clone()).collect()
}

/// Why members of `https://` cannot be spoken to, if they cannot, as far as it is the same for all.
pub(super) fn untold(tree: &Tree) -> Untold {
    let making = Making { loaded: loaded(&tree.nodes), ..Making::default() };
    match (making.has("ssl_module"), says_tls_on(&tree.nodes)) {
        (false, _) => Untold::Missing,
        (true, true) => Untold::No,
        (true, false) => Untold::Off,
    }
}

/// The same, balancers' sections not excepted.
fn says_tls_on(nodes: &[Node]) -> bool {
    let inner = |node: &Node| match node {
        Node::Section(section) => says_tls_on(&section.nodes),
        Node::Directive(_) => false,
    };
    switches_tls_on(nodes) || nodes.iter().any(inner)
}

/// Whether `SSLProxyEngine On` stands somewhere. Servers inherit it in ways that do not show where
/// a balancer is defined, so anywhere counts, but for other balancers' sections.
fn switches_tls_on(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Directive(line) => {
            let on = line.args.first().is_some_and(|arg| arg.text.eq_ignore_ascii_case("on"));
            on && line.canonical == "SSLProxyEngine"
        }
        Node::Section(section) => {
            let first = section.args.first().map_or("", |arg| &*arg.text);
            let of_balancer = section.canonical == "Proxy" && is_balancer(first);
            !of_balancer && switches_tls_on(&section.nodes)
        }
    })
}

/// A balancer and the server it was defined in; 0: the main one.
struct Scoped {
    scope: usize,
    balancer: Balancer,
    ssl: tls::Ssl,
    /// Somebody said more than its name.
    defined: bool,
    /// The path of the last `ProxyPass` that names it.
    path: Option<String>,
    /// Its members are those of the main server's balancer of its name.
    shares: bool,
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
    /// `ProxyBadHeader`.
    bad_fields: Option<BadFields>,
    /// `ProxySourceAddress`.
    source: Option<IpAddr>,
    /// `ProxyBlock`.
    blocked: Vec<String>,
    trace: Option<bool>,
    rewriting: Vec<rewrite::Rule>,
    rewrite_engine: Option<bool>,
    conditions: Vec<rewrite::Condition>,
    rewrite_options: Option<rewriting::Options>,
    /// How many of `BalancerInherit` and `ProxyPassInherit` are off: only both together count.
    inherits_off: usize,
    /// `BalancerPersist`.
    persist: bool,
    keep_alive: Option<bool>,
    keep_alive_timeout: Option<Duration>,
    keep_alive_requests: Option<u32>,
}
