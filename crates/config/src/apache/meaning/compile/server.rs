//! What is said of servers.

use std::time::Duration;

use evenkeel_httpd::pattern::Pattern;
use evenkeel_httpd::site::{
    EncodedSlashes, LookedAt, Matched, Pass, PassPath, SetEnvIf, SiteAddress, Via,
};

use super::bounds::{bounded_line, known_word, partly_read};
use super::logs::log_line;
use super::pass::worker_name;
use super::remote::remote_line;
use super::tls::Ssl;
use super::{Making, Scoped, Server};
use crate::apache::meaning::checks::Probing;
use crate::apache::meaning::sites::{
    Balancer, Listen, MemberLine, Word, balancer_name, is_balancer, words,
};
use crate::apache::meaning::{Fate, Told};
use crate::apache::{Arg, Directive, Node, Place as At, Section};

impl Making {
    /// What stands in a server; `scope` is its number.
    pub(super) fn server(&mut self, nodes: &[Node], scope: usize, told: &mut Told) -> Server {
        let mut server = Server::default();
        // Balancers and templates first: rules may come before what they name.
        self.balancers_in(nodes, scope, told);
        self.order(nodes, scope, told);
        self.walk(nodes, scope, &mut server, told);
        if let Some(last) = server.conditions.pop() {
            let at = At { file: 0, line: 1, span: 0..0, used_at: None };
            let text = format!("RewriteCond {} is followed by no RewriteRule", last.subject);
            told.warning(&at, text, None);
        }
        server
    }

    fn walk(&mut self, nodes: &[Node], scope: usize, server: &mut Server, told: &mut Told) {
        // `<Else>` may stand apart from its `<If>`.
        let mut chain = Vec::new();
        for node in nodes {
            match node {
                Node::Directive(directive) => {
                    known_word(directive, told);
                    let known = self.server_line(directive, scope, server, told)
                        || self.place_line(directive, &mut server.everywhere, told);
                    let redirects = &server.everywhere.redirects;
                    if redirects.last().is_some_and(|rule| rule.is_everything) {
                        server.everywhere.redirects.pop();
                        let text = "Redirect: URL to redirect to is missing".to_owned();
                        told.error(&directive.at, text, None);
                    }
                    fate(directive, known, told);
                }
                Node::Section(section) => match &*section.canonical {
                    "VirtualHost" => {
                        let number = self.servers.len() + 1;
                        // Its place is taken before its inner parts are read.
                        self.servers.push(Server::default());
                        let mut host = self.server(&section.nodes, number, told);
                        let addresses = section.args.iter().map(|arg| address(&arg.text));
                        host.addresses = addresses.collect();
                        self.servers[number - 1] = host;
                    }
                    "If" | "ElseIf" | "Else" => {
                        self.condition(section, &mut chain, &mut server.everywhere, told);
                    }
                    _ => self.section(section, scope, server, told),
                },
            }
        }
    }

    fn section(&mut self, section: &Section, scope: usize, server: &mut Server, told: &mut Told) {
        let first = section.args.first().map_or("", |arg| &*arg.text);
        let second = section.args.get(1).map_or("", |arg| &*arg.text);
        let matched = match (&*section.canonical, first) {
            ("Proxy", _) => self.proxy_section(section, told),
            ("Location", "~") => found(second, &section.at, told),
            ("ProxyMatch" | "LocationMatch", _) => found(first, &section.at, told),
            ("Location", text) if text.contains(['*', '?', '[']) => {
                Some(Matched::Shell(text.to_owned()))
            }
            ("Location", text) => Some(Matched::Start(text.to_owned())),
            ("FilesMatch", text) => {
                self.files(section, text, scope, server, told);
                return;
            }
            // Files are not served here.
            ("Directory" | "DirectoryMatch" | "Files", _) => {
                if let Some(handler) = handler_of(section) {
                    told.not_yet(&handler.at, &format!("a handler in <{}>", section.name));
                }
                return;
            }
            ("RequireAll" | "RequireAny" | "RequireNone", _) => {
                let rule = self.access_section(section, told);
                server.access.extend(rule);
                return;
            }
            _ => {
                told.not_yet(&section.at, &format!("<{}>", section.name));
                told.unused_nodes(&section.nodes);
                return;
            }
        };
        let Some(matched) = matched else { return };
        match section.canonical.starts_with("Proxy") {
            true => {
                let place = self.place(&section.nodes, None, scope, told);
                server.proxies.push((matched, place.into()));
            }
            false => {
                let place = self.place(&section.nodes, Some(&matched), scope, told);
                server.locations.push((matched, place.into()));
            }
        }
    }

    /// Which targets `<Proxy>` is about.
    fn proxy_section(&mut self, section: &Section, told: &mut Told) -> Option<Matched> {
        let url = section.args.first().map_or("", |arg| &*arg.text);
        let rest = section.args.get(1..).unwrap_or_default();
        let is_shell = url.contains(['*', '?', '[']);
        let wrong = match url {
            // httpd takes a pattern after it for parameters.
            "~" => Some("non url"),
            _ if is_shell && !rest.is_empty() => Some("wildchar url"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let text = format!("<Proxy> arguments are not supported for {wrong}.");
            let help = rest.first().map(|second| format!("write <ProxyMatch {}>", second.text));
            told.error(&section.at, text, help.filter(|_| url == "~"));
            return None;
        }
        if is_shell {
            return Some(Matched::Shell(url.to_owned()));
        }
        if is_balancer(url) {
            let (name, path) = split_balancer(url);
            let start = format!("balancer://{name}{path}");
            return Some(Matched::Start(start.trim_end_matches('/').into()));
        }
        let (mut more, _) = words(rest, &section.at);
        for node in &section.nodes {
            let Node::Directive(directive) = node else { continue };
            if directive.canonical == "ProxySet" {
                more.extend(only_words(&directive.args, &directive.at, told));
                told.fate(directive, Fate::Honoured);
            }
        }
        self.worker_words.push((worker_name(url), more));
        Some(Matched::Start(url.to_owned()))
    }

    /// `<FilesMatch>` with a handler that passes files on by their names.
    fn files(
        &mut self,
        section: &Section,
        pattern: &str,
        scope: usize,
        server: &mut Server,
        told: &mut Told,
    ) {
        let Some(handler) = handler_of(section) else { return };
        let url = handler.args.first().and_then(|arg| arg.text.strip_prefix("proxy:"));
        let Some(url) = url else { return told.unused(handler) };
        let Some(Matched::Found(pattern)) = found(pattern, &section.at, told) else { return };
        let target = self.target(url, Vec::new(), scope, &handler.at, told);
        let to = target.map(|mut target| {
            target.path = String::new();
            target
        });
        let path = PassPath::Found(pattern, false);
        server.files.push(Pass {
            path,
            to,
            raw: false,
            encoded: false,
            servlet: false,
            interpolate: false,
        });
        told.fate(handler, Fate::Honoured);
    }

    /// Members, parameters and templates, wherever they stand.
    fn balancers_in(&mut self, nodes: &[Node], scope: usize, told: &mut Told) {
        for node in nodes {
            match node {
                Node::Directive(directive) => self.balancer_line(directive, scope, told),
                Node::Section(section) if section.canonical == "Proxy" => {
                    let first = section.args.first().map_or("", |arg| &*arg.text);
                    if is_balancer(first) {
                        self.balancer_section(section, first, scope, told);
                    }
                }
                Node::Section(_) => {}
            }
        }
    }

    fn balancer_section(&mut self, section: &Section, url: &str, scope: usize, told: &mut Told) {
        let (more, _) = words(section.args.get(1..).unwrap_or_default(), &section.at);
        let scoped = self.balancer(url, scope);
        scoped.defined = true;
        scoped.balancer.words.extend(more);
        for node in &section.nodes {
            let Node::Directive(directive) = node else { continue };
            match &*directive.canonical {
                "BalancerMember" => self.member(&directive.args, &directive.at, url, scope),
                "ProxySet" => {
                    let more = only_words(&directive.args, &directive.at, told);
                    self.balancer(url, scope).balancer.words.extend(more);
                }
                name if name.starts_with("SSLProxy") => {
                    // Its fate is told where the section is read.
                    self.balancer(url, scope).ssl.take(directive);
                    continue;
                }
                _ => continue,
            }
            told.fate(directive, Fate::Honoured);
        }
    }

    fn balancer_line(&mut self, directive: &Directive, scope: usize, told: &mut Told) {
        let at = &directive.at;
        let Some(first) = directive.args.first().map(|arg| &*arg.text) else { return };
        let rest = &directive.args[1..];
        match &*directive.canonical {
            "BalancerMember" if is_balancer(first) => self.member(rest, at, first, scope),
            "ProxySet" if is_balancer(first) => {
                let more = only_words(rest, at, told);
                self.balancer(first, scope).balancer.words.extend(more);
            }
            "ProxySet" => self.worker_words.push((worker_name(first), words(rest, at).0)),
            "ProxyHCTemplate" => {
                let words = words(rest, at).0;
                // What is wrong with them is told here, whoever uses them.
                words.iter().for_each(|word| Probing::default().take(word, told));
                self.templates.push((scope, first.to_owned(), words));
            }
            "ProxyHCExpr" => {
                let text = directive.raw_args.trim_start();
                let text = text.strip_prefix(first).unwrap_or(text).trim();
                let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                let text = text.map_or(rest.first().map_or("", |arg| &*arg.text), str::trim);
                if let Err(why) = evenkeel_httpd::expr::expression(text) {
                    told.error(at, format!("ProxyHCExpr {first}: {why}"), None);
                }
                self.exprs.push((scope, first.to_owned(), text.to_owned()));
            }
            _ => return,
        }
        told.fate(directive, Fate::Honoured);
    }

    fn member(&mut self, args: &[Arg], at: &At, balancer: &str, scope: usize) {
        let Some(url) = args.first() else { return };
        let line = MemberLine {
            url: url.text.clone(),
            words: words(&args[1..], at).0,
            at: At { span: url.span.clone(), ..at.clone() },
        };
        let scoped = self.balancer(balancer, scope);
        scoped.defined = true;
        scoped.balancer.members.push(line);
    }

    /// The balancer as a server sees it: the main server's, or its own, made when it is new.
    pub(super) fn balancer(&mut self, url: &str, scope: usize) -> &mut Scoped {
        let name = balancer_name(url);
        let is_it = |scoped: &Scoped| scoped.balancer.name == name && scoped.scope == scope;
        let at = match self.balancers.iter().position(is_it) {
            Some(at) => at,
            None => {
                let (members, words) = (Vec::new(), Vec::new());
                let balancer = Balancer { name, members, words, in_host: false };
                self.balancers.push(Scoped {
                    scope,
                    balancer,
                    ssl: Ssl::default(),
                    defined: false,
                    path: None,
                    shares: false,
                });
                self.balancers.len() - 1
            }
        };
        &mut self.balancers[at]
    }

    fn server_line(
        &mut self,
        directive: &Directive,
        scope: usize,
        server: &mut Server,
        told: &mut Told,
    ) -> bool {
        let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
        let at = &directive.at;
        match (&*directive.canonical, &args[..]) {
            ("Listen", [address, ..]) => match listen(address) {
                Some(listen) => self.listens.push(listen),
                None => told.error(at, format!("Listen {address}: no such port"), None),
            },
            ("ServerName", [name]) => {
                server.named_https = name.to_ascii_lowercase().starts_with("https://");
                server.name = Some(without_scheme(name).to_owned());
            }
            ("ServerAlias", names) => {
                server.names.extend(names.iter().map(|name| name.to_ascii_lowercase()));
            }
            ("ProxyPass" | "ProxyPassMatch", _) => {
                if let Some(pass) = self.pass(directive, None, scope, told) {
                    server.passes.push(pass);
                }
            }
            ("BalancerMember" | "ProxySet" | "ProxyHCTemplate" | "ProxyHCExpr", _) => {}
            ("RewriteEngine" | "RewriteCond" | "RewriteRule" | "RewriteOptions", _) => {
                self.rewriting_line(directive, scope, server, told);
            }
            ("TraceEnable", [word]) => server.trace = Some(!word.eq_ignore_ascii_case("off")),
            ("ProxyMaxForwards", [number]) => server.max_forwards = number.parse().ok(),
            ("Timeout", [number]) => {
                partly_read("Timeout", number, &directive.at, told);
                server.timeout = Some(seconds(number));
            }
            ("KeepAlive", [word]) => server.keep_alive = Some(on(word)),
            ("KeepAliveTimeout", [time]) if time.starts_with(|c: char| c.is_ascii_digit()) => {
                server.keep_alive_timeout = Some(duration(time))
            }
            ("MaxKeepAliveRequests", [number]) => server.keep_alive_requests = number.parse().ok(),
            ("ServerRoot", [path]) => self.root = path.into(),
            ("DefaultRuntimeDir", [path]) => self.runtime = Some(path.into()),
            ("BalancerPersist", [word]) => server.persist = on(word),
            ("DocumentRoot", [path]) => server.root = Some((*path).to_owned()),
            ("HeartbeatStorage", [path]) => self.heartbeat = Some(path.into()),
            ("BalancerInherit" | "ProxyPassInherit", [word]) => {
                server.inherits_off += usize::from(!on(word));
            }
            _ => {
                return paths_line(directive, server)
                    || bounded_line(directive, server, told)
                    || remote_line(directive, server, told)
                    || log_line(directive, server, told)
                    || server_environment(directive, server, told);
            }
        }
        true
    }
}

/// What is said about paths and names of a server; false when it is something else.
fn paths_line(directive: &Directive, server: &mut Server) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    match (&*directive.canonical, &args[..]) {
        ("AllowEncodedSlashes", [word]) => {
            server.slashes = Some(match &*word.to_ascii_lowercase() {
                "on" => EncodedSlashes::On,
                "nodecode" => EncodedSlashes::NoDecode,
                _ => EncodedSlashes::Off,
            });
        }
        ("MergeSlashes", [word]) => server.merge_slashes = Some(on(word)),
        ("UseCanonicalName", [word]) => server.canonical_name = Some(on(word)),
        ("ProxyVia", [word]) => {
            server.via = Some(match &*word.to_ascii_lowercase() {
                "on" => Via::On,
                "full" => Via::Full,
                "block" => Via::Block,
                _ => Via::Off,
            });
        }
        _ => return false,
    }
    true
}

/// `SetEnvIf` and its like, which are read before a location is known.
fn server_environment(directive: &Directive, server: &mut Server, told: &mut Told) -> bool {
    match &*directive.canonical {
        "ProxyRequests" => directive.args.first().is_some_and(|arg| !on(&arg.text)),
        "LoadModule" => true,
        _ if server.ssl.take(directive) => true,
        _ => match set_env_if(directive, told) {
            Some(rule) => {
                server.set_env_if.extend(rule);
                true
            }
            None => false,
        },
    }
}

/// `SetHandler` in a section.
fn handler_of(section: &Section) -> Option<&Directive> {
    section.nodes.iter().find_map(|node| match node {
        Node::Directive(directive) if directive.canonical == "SetHandler" => Some(directive),
        _ => None,
    })
}

/// What became of a line.
pub(super) fn fate(directive: &Directive, known: bool, told: &mut Told) {
    match known {
        true => told.fate(directive, Fate::Honoured),
        false => told.unused(directive),
    }
}

/// `SetEnvIf`, `SetEnvIfNoCase`, `SetEnvIfExpr`, `BrowserMatch`, `BrowserMatchNoCase`: outer `None`
/// when it is none of them.
pub(super) fn set_env_if(directive: &Directive, told: &mut Told) -> Option<Option<SetEnvIf>> {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let any_case = directive.canonical.ends_with("NoCase");
    let (attribute, pattern, variables) = match (&*directive.canonical, &args[..]) {
        ("SetEnvIf" | "SetEnvIfNoCase", [attribute, pattern, variables @ ..]) => {
            (*attribute, *pattern, variables)
        }
        ("BrowserMatch" | "BrowserMatchNoCase", [pattern, variables @ ..]) => {
            ("User-Agent", *pattern, variables)
        }
        ("SetEnvIfExpr", [text, variables @ ..]) => {
            let looked_at = match evenkeel_httpd::expr::expression(text) {
                Ok(expr) => LookedAt::Expr(expr),
                Err(why) => {
                    told.error(&directive.at, format!("SetEnvIfExpr: {why}"), None);
                    return Some(None);
                }
            };
            return Some(Some(SetEnvIf { looked_at, names: None, variables: assigned(variables) }));
        }
        _ => return None,
    };
    let plain =
        !pattern.contains(['^', '.', '$', '|', '(', ')', '[', ']', '*', '+', '?', '{', '}']);
    let pattern = match Pattern::new(pattern, any_case) {
        Ok(pattern) => pattern,
        Err(why) => {
            told.error(&directive.at, format!("{}: {why}", directive.name), None);
            return Some(None);
        }
    };
    let mut variables = assigned(variables);
    if plain {
        // Without a pattern nothing is filled in.
        let values = variables.iter_mut().filter_map(|(_, value)| value.as_mut());
        values.for_each(|value| *value = String::from_utf8_lossy(value).replace('$', "\\$").into());
    }
    let known = match &*attribute.to_ascii_lowercase() {
        "remote_addr" => Some("REMOTE_ADDR"),
        "remote_host" => Some("REMOTE_HOST"),
        "server_addr" => Some("SERVER_ADDR"),
        "request_uri" => Some("REQUEST_URI"),
        "request_method" => Some("REQUEST_METHOD"),
        "request_protocol" => Some("REQUEST_PROTOCOL"),
        _ => None,
    };
    let looked_at = match known {
        Some(name) => LookedAt::Known(name, pattern),
        None => LookedAt::Named(attribute.to_owned(), pattern),
    };
    let is_pattern = attribute.contains(['^', '$', '*', '[', '(', '|', '+', '?']);
    let names = is_pattern.then(|| Pattern::new(attribute, true).ok()).flatten();
    Some(Some(SetEnvIf { looked_at, names, variables }))
}

fn assigned(words: &[&str]) -> Vec<(String, Option<Vec<u8>>)> {
    let one = |word: &&str| match (word.strip_prefix('!'), word.split_once('=')) {
        (Some(name), _) => (name.to_owned(), None),
        (None, Some((name, value))) => (name.to_owned(), Some(value.as_bytes().to_vec())),
        (None, None) => ((*word).to_owned(), Some(b"1".to_vec())),
    };
    words.iter().map(one).collect()
}

pub(super) fn found(text: &str, at: &At, told: &mut Told) -> Option<Matched> {
    match Pattern::new(text, false) {
        Ok(pattern) => Some(Matched::Found(pattern)),
        Err(why) => {
            told.error(at, format!("`{text}`: {why}"), None);
            None
        }
    }
}

/// Name and path of `balancer://Name/path`.
pub(super) fn split_balancer(url: &str) -> (String, &str) {
    let rest = url.get("balancer://".len()..).unwrap_or_default();
    let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (name.to_ascii_lowercase(), path)
}

pub(super) fn on(word: &str) -> bool {
    word.eq_ignore_ascii_case("on")
}

/// Digits up to what is none, as httpd reads numbers.
fn seconds(text: &str) -> Duration {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Duration::from_secs(text[..end].parse().unwrap_or(0).clamp(1, 86_400))
}

/// A number of seconds, or one with `ms`.
fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().unwrap_or(1).clamp(1, 86_400_000)),
        None => seconds(text),
    }
}

fn without_scheme(name: &str) -> &str {
    name.split_once("://").map_or(name, |(_, rest)| rest)
}

/// `*:80`, `10.0.0.1`, `[::1]:80`, `_default_:80`.
fn address(text: &str) -> SiteAddress {
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return SiteAddress { ip: Some(ip), port: None };
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (text, None),
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    SiteAddress { ip, port }
}

fn listen(text: &str) -> Option<Listen> {
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) => (Some(address.to_owned()), port),
        None => (None, text),
    };
    let address = address.filter(|address| !matches!(&**address, "*" | "0.0.0.0"));
    Some(Listen { address, port: port.parse().ok().filter(|port| *port > 0)? })
}

/// `key=value` words; anything else is a mistake.
fn only_words(args: &[Arg], at: &At, told: &mut Told) -> Vec<Word> {
    let (words, others) = words(args, at);
    if let Some(other) = others.first() {
        let text = "Invalid ProxySet parameter. Parameter must be in the form 'key=value'";
        told.error(at, text.to_owned(), Some(format!("write {other}=...")));
    }
    words
}
