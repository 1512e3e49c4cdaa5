//! What would happen to a TCP connection or a UDP flow.

use std::fmt::Write;
use std::net::SocketAddr;

use evenkeel_balance::{NoMember, Standing, Why};
use evenkeel_plan::{
    BindAddress, HostMatch, Member, MemberPort, Plan, Pool, Protocol, ProxyMode, ProxyVersion,
    RetryOn, Route, Source,
};
use evenkeel_proxy::Failure;
use evenkeel_proxy::explain::{Ahead, Arrival, Way, explain_arrival, no_hello, no_proxy_header};
use evenkeel_proxy::route::Miss;
use evenkeel_proxy::snapshot::{ListenerRt, Snapshot};

use super::place;
use crate::cli::Question;

pub(super) fn answer(
    question: &Question,
    protocol: Protocol,
    asked: &str,
    snapshot: &Snapshot,
) -> Result<String, String> {
    let (listener, address) = place::of_arrival(snapshot, protocol, asked)?;
    let id = question.connection_id.as_ref().map(|id| &id.0[..]);
    if id.is_some() && !listener.plan.udp.quic {
        let name = &listener.plan.name;
        return Err(format!(
            "--connection-id: {name} goes by addresses; udp = {{ quic = true }} lets it go by ids"
        ));
    }
    let alpn: Vec<&[u8]> = question.alpn.iter().map(String::as_bytes).collect();
    let server_name = question.sni.as_deref().unwrap_or_default();
    let arrival = Arrival { client: question.client, server_name, alpn: &alpn, connection_id: id };
    let way = explain_arrival(snapshot, listener, &arrival);
    let mut out = String::new();
    let tell =
        Tell { out: &mut out, question, listener, address: address.or_else(|| first(listener)) };
    tell.all(&way, &snapshot.plan);
    Ok(out)
}

/// The first address of a listener.
fn first(listener: &ListenerRt) -> Option<SocketAddr> {
    listener.plan.bind.iter().find_map(|bind| match bind {
        BindAddress::Socket(address) => Some(*address),
        BindAddress::Unix(_) => None,
    })
}

struct Tell<'a> {
    out: &'a mut String,
    question: &'a Question,
    listener: &'a ListenerRt,
    /// What the client came to.
    address: Option<SocketAddr>,
}

impl Tell<'_> {
    fn line(&mut self, word: &str, text: impl AsRef<str>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.out, "{word:<10}{}", text.as_ref());
    }

    fn is_tcp(&self) -> bool {
        self.listener.plan.protocol == Protocol::Tcp
    }

    fn all(mut self, way: &Way<'_>, plan: &Plan) {
        let listener = &self.listener.plan;
        let (name, kind) = (&listener.name, listener.protocol.name());
        self.line("listener", format!("{name} ({}), {kind}", place::binds(self.listener)));
        self.line("client", client(self.question.client));
        if self.is_tcp() {
            self.beginning();
        }
        self.route(way, plan);
        if let Some(ahead) = &way.ahead {
            self.pool(ahead);
            self.members(ahead);
            self.preamble(&ahead.pool.plan);
            self.otherwise(&ahead.pool.plan);
            if !self.question.live {
                self.line(
                    "note",
                    "health and load are those of a start; --live asks the running server",
                );
            }
        }
    }

    /// What is read before a member is looked for.
    fn beginning(&mut self) {
        let plan = &self.listener.plan;
        let proxy = &plan.proxy_protocol;
        let trusted: Vec<String> = proxy.trusted.iter().map(ToString::to_string).collect();
        let trusted = trusted.join(" ");
        match proxy.mode {
            ProxyMode::Off => {}
            ProxyMode::Accept => self.line(
                "header",
                format!("a PROXY header may come first and name the client, from {trusted}; from elsewhere it is data"),
            ),
            ProxyMode::Require => self.line(
                "header",
                format!(
                    "a PROXY header must come first and name the client, from {trusted}; else reset: {}, {}, {}",
                    Failure::PROXY_UNTRUSTED.cause,
                    no_proxy_header().cause,
                    Failure::PROXY_TIMEOUT.cause
                ),
            ),
        }
        let hello = match (&self.question.sni, &self.question.alpn[..]) {
            (None, []) => None,
            (None, alpn) => Some(format!("no server name, alpn {}", alpn.join(" "))),
            (Some(name), []) => Some(format!("server name {name}")),
            (Some(name), alpn) => Some(format!("server name {name}, alpn {}", alpn.join(" "))),
        };
        let reads = self.listener.by_hello() || plan.tls.is_some();
        match (reads, hello) {
            (true, hello) => {
                let told = hello.unwrap_or_else(|| "without server name and alpn".to_owned());
                self.line(
                    "hello",
                    format!("{told}; what is no ClientHello ends with {}", no_hello().cause),
                );
            }
            (false, Some(_)) => {
                self.line("note", "no route of this listener goes by the ClientHello: --sni and --alpn change nothing");
            }
            (false, None) => {}
        }
        if plan.tls.is_some() {
            self.line("tls", "ends here; members get what was in it");
        }
    }

    fn route(&mut self, way: &Way<'_>, plan: &Plan) {
        for (route, miss) in &way.missed {
            let text = match miss {
                Miss::Name => format!("asks for {}", listed(&names(route))),
                Miss::Protocol => {
                    format!(
                        "asks for alpn {}, which the client does not offer",
                        listed(&route.alpn)
                    )
                }
            };
            self.line("not", format!("{}: {text}", route.name));
        }
        let Some(route) = way.route else {
            let cause = Failure::NO_ROUTE_TCP.cause;
            return self
                .line("route", format!("none, and the listener has no pool: reset, {cause}"));
        };
        let planned = plan.routes.iter().find(|planned| planned.name == route.name);
        match planned.filter(|_| self.listener.by_hello()) {
            Some(planned) => {
                let text = format!(
                    "{}: the first in file order that matches ({})",
                    route.name,
                    matchers(planned)
                );
                self.line("route", text);
            }
            None if self.listener.by_hello() => {
                self.line("route", "none matches; the listener's own pool takes the rest");
            }
            None => self.line("route", "none; the listener's own pool takes all"),
        }
    }

    fn pool(&mut self, ahead: &Ahead<'_>) {
        let plan = &ahead.pool.plan;
        let each = if self.is_tcp() { "connection" } else { "flow" };
        let how = match ahead.is_certain {
            true => String::new(),
            false => format!("; decides between the candidates for each {each}"),
        };
        self.line("pool", format!("{} ({}{how})", plan.name, plan.policy.name()));
    }

    fn members(&mut self, ahead: &Ahead<'_>) {
        let pool = &ahead.pool.plan;
        let picked = match ahead.member {
            Ok((at, why)) if ahead.is_certain => {
                if let Some(member) = pool.members.get(at) {
                    self.line(
                        "member",
                        format!("{} ({})", self.whom(pool, member), self.why(ahead, why)),
                    );
                }
                Some(at)
            }
            Ok(_) => None,
            Err(why) => {
                self.nobody(pool, why);
                None
            }
        };
        for (at, (member, standing)) in pool.members.iter().zip(&ahead.standings).enumerate() {
            if picked == Some(at) {
                continue;
            }
            let whom = self.whom(pool, member);
            match out(*standing) {
                Some(why) => self.line("out", format!("{whom}: {why}")),
                None if picked.is_none() => self.line(
                    "candidate",
                    format!("{whom} (weight {})", ahead.pool.balance.members()[at].weight()),
                ),
                None => self.line("other", format!("{whom}: serves other clients")),
            }
        }
    }

    /// A member as it is reached.
    fn whom(&self, pool: &Pool, member: &Member) -> String {
        let port = self.address.filter(|_| pool.port == MemberPort::Listener);
        let port = port.map_or_else(String::new, |address| format!(" at port {}", address.port()));
        format!("{} {}{port}", member.tag, member.address)
    }

    fn why(&self, ahead: &Ahead<'_>, why: Why) -> &'static str {
        match why {
            Why::Affinity if self.question.connection_id.is_some() => "by its connection id",
            Why::Affinity => "by the client's address: affinity",
            Why::Policy if ahead.pool.plan.policy.hashes() => "by the hash of the client's address",
            Why::Policy => "the only one that serves",
            Why::Backup => "no other member of its tier is usable",
            Why::Spare => "it stands in for an unusable member",
            Why::Panic => "all members are ejected, so ejections are ignored",
        }
    }

    fn nobody(&mut self, pool: &Pool, why: NoMember) {
        let text = match (why, self.is_tcp()) {
            (NoMember::AllBusy, true) => format!(
                "every one is at its max_requests: the client waits up to {:?}, then is reset, {}; \
                 when {} wait already, at once, {}",
                pool.timeouts.queue,
                Failure::QUEUE_TIMEOUT.cause,
                pool.limits.queue,
                Failure::QUEUE_FULL.cause
            ),
            (NoMember::AllBusy, false) => {
                format!("every one is at its max_requests: dropped, {}", Failure::QUEUE_FULL.cause)
            }
            (_, true) => format!("none is usable: reset, {}", Failure::NO_MEMBER.cause),
            (_, false) => format!("none is usable: dropped, {}", Failure::NO_MEMBER.cause),
        };
        self.line("member", text);
    }

    /// How members are spoken to.
    fn preamble(&mut self, pool: &Pool) {
        if let Some(version) = pool.proxy_protocol.filter(|_| self.is_tcp()) {
            let to = self.address.map_or_else(|| "unknown".to_owned(), |to| to.to_string());
            let from = client(self.question.client);
            let told = if version == ProxyVersion::V2 { self.told() } else { String::new() };
            let version = version.name();
            self.line("sends", format!("a PROXY header {version} first: {from} to {to}{told}"));
        }
        match pool.source {
            Source::System => {}
            Source::Address(address) => self.line("sends", format!("from {address}")),
            Source::Client => self.line("sends", "from the client's own address"),
        }
        if pool.tls.is_some() && self.is_tcp() {
            self.line("sends", "by TLS");
        }
    }

    /// What a PROXY header of version 2 tells beside addresses: what was read of the client.
    fn told(&self) -> String {
        let by_hello = self.listener.by_hello();
        let named = by_hello || self.listener.plan.tls.is_some();
        let name = self.question.sni.iter().filter(|_| named);
        let alpn = self.question.alpn.first().filter(|_| by_hello);
        let parts = name.map(|name| format!(", server name {}", name.to_ascii_lowercase()));
        parts.chain(alpn.map(|alpn| format!(", alpn {alpn}"))).collect()
    }

    /// What happens when the member cannot be reached, or says nothing.
    fn otherwise(&mut self, pool: &Pool) {
        let again = pool.retry.on.contains(&RetryOn::Connect) && pool.retry.attempts > 0;
        let times = pool.retry.attempts;
        if self.is_tcp() {
            let causes =
                [Failure::CONNECT_REFUSED, Failure::CONNECT_FAILED, Failure::CONNECT_TIMEOUT];
            let causes = causes.map(|failure| failure.cause).join(", ");
            let then = match again {
                true => format!("another member is tried, {times} more at most; then reset"),
                false => "reset".to_owned(),
            };
            return self.line("if not", format!("without a connection {then}: {causes}"));
        }
        let refused = Failure::UDP_REFUSED.cause;
        self.line(
            "if not",
            format!("a closed port ({refused}) sends the next datagram to another member"),
        );
        let listener = &self.listener.plan;
        if listener.udp.responses.is_some() {
            let (idle, cause) = (listener.timeouts.idle, Failure::UNANSWERED.cause);
            self.line("if not", format!("no answer within {idle:?}: {cause}"));
        }
    }
}

/// The client's address, with its port if that is known.
fn client(client: SocketAddr) -> String {
    if client.port() == 0 { client.ip().to_string() } else { client.to_string() }
}

/// Why a member is not picked; nothing when it may be.
fn out(standing: Standing) -> Option<&'static str> {
    Some(match standing {
        Standing::Serves(_) => return None,
        Standing::Full => "at its max_requests",
        Standing::Drained => "drains: no new clients",
        Standing::Disabled => "disabled",
        Standing::Down => "down: its probes fail",
        Standing::Ejected => "ejected after failures",
        Standing::Waits => "waits until those before it (tier, backup, spare) are not usable",
    })
}

fn names(route: &Route) -> Vec<String> {
    let name = |name: &HostMatch| match name {
        HostMatch::Exact(name) => name.clone(),
        HostMatch::Wildcard(parent) => format!("*.{parent}"),
    };
    route.sni.iter().map(name).collect()
}

fn listed(words: &[String]) -> String {
    words.join(", ")
}

fn matchers(route: &Route) -> String {
    let names = names(route).into_iter().map(|name| format!("sni {name}"));
    let protocols = route.alpn.iter().map(|alpn| format!("alpn {alpn}"));
    let parts: Vec<String> = names.chain(protocols).collect();
    if parts.is_empty() { "every connection".to_owned() } else { parts.join(", ") }
}
