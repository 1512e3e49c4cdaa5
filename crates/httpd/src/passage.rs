//! The way of a request through a server's rules: from its target to what is done with it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::access::Access;
use crate::document::Before;
use crate::env::Env;
use crate::expr::Scene;
use crate::headers::{Fields, Head, Times, apply, joined, put};
use crate::interpolate::interpolated;
use crate::path::{self, Refused};
use crate::pattern::shell_match;
use crate::rewrite::{self, Outcome};
use crate::scene::{Facts, Stage, TlsFacts, port_of};
use crate::servlet;
use crate::site::{
    EncodedSlashes, Handler, LookedAt, Matched, Pass, PassPath, Place, Redirect, SetEnvIf, Site,
    Sites, Target,
};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The path of the target as sent, or `*`.
    pub path: &'a [u8],
    /// What follows its question mark.
    pub query: Option<&'a [u8]>,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub protocol: &'static str,
    /// `Host`, or the host of an absolute target.
    pub host: &'a [u8],
    /// Whether the client's connection is secured.
    pub https: bool,
    /// What TLS agreed on with the client.
    pub tls: &'a TlsFacts,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// When it came.
    pub times: Times,
    /// How large its head is.
    pub size: HeadSize,
}

/// How large a head is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeadSize {
    /// Bytes of the request line.
    pub line: usize,
    /// Fields.
    pub fields: usize,
    /// Bytes of the longest line of a field.
    pub field: usize,
}

/// What is done with a request.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// A member serves it.
    Proxy(Toward),
    /// It is answered here: with this status, and a place to go to.
    Own(u16, Option<Vec<u8>>),
    /// A page of ours.
    Page(Handler),
}

/// Where a request goes.
#[derive(Clone, PartialEq, Debug)]
pub struct Toward {
    /// The route, by position in the plan.
    pub route: usize,
    /// The balancer, by position in [`Sites::balancers`].
    pub balancer: usize,
    /// Path and query, without the member's own path before it.
    pub target: Vec<u8>,
}

/// A request on its way.
#[derive(Clone, PartialEq, Debug)]
pub struct Passage {
    /// What is done with it.
    pub verdict: Verdict,
    /// What is known of it.
    pub facts: Facts,
    /// Its environment.
    pub env: Env,
    /// What counts for it.
    pub(crate) place: Place,
    pub(crate) sites: Arc<Sites>,
    pub(crate) site: usize,
    pub(crate) times: Times,
    /// The fields of the answer, where a log tells them.
    pub(crate) answered: Fields,
    /// Status, phrase and challenge of an answer that gave way to a page of ours.
    pub(crate) overridden: Option<(u16, Vec<u8>, Option<Vec<u8>>)>,
    /// What it was before it became one for the document of an error.
    pub(crate) before: Option<Box<Before>>,
}

impl Passage {
    /// Takes a request through the rules. `fields`: those of its head that do not end here, without
    /// `Host`; `ending`: those that do.
    pub fn new<'f>(
        sites: &Arc<Sites>,
        asked: &Asked<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        ending: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Passage {
        let at = sites.select(asked.local, asked.host);
        let site = &sites.sites[at];
        let path = path::decoded(asked.path, site.slashes, !site.keep_slashes);
        let mut facts = facts_of(asked, gathered(fields), gathered(ending), site);
        let refused = path.as_ref().err().copied();
        facts.path = path.unwrap_or_else(|_| asked.path.to_vec());
        let mut passage = Passage {
            verdict: Verdict::Own(404, None),
            facts,
            env: Env::default(),
            place: (*site.everywhere).clone(),
            sites: sites.clone(),
            site: at,
            times: asked.times,
            answered: Fields::new(),
            overridden: None,
            before: None,
        };
        // A rule for paths as they are sent does not mind what is encoded in them.
        let refused = match refused {
            Some(Refused(404)) if passage.is_taken_encoded(site) => {
                passage.facts.path = path::plain(asked.path);
                None
            }
            other => other,
        };
        let refused = too_large(sites, asked).or(refused.map(|Refused(status)| status));
        passage.verdict = match refused {
            Some(status) => Verdict::Own(status, None),
            None => {
                if let Some(rule) = &site.remote_ip {
                    rule.believe(&mut passage.facts);
                }
                passage.decide(site)
            }
        };
        passage
    }

    /// The position of the server that was chosen.
    pub fn site(&self) -> usize {
        self.site
    }

    /// The server's name as the request means it: of its host, or its own.
    pub fn server_name(&self) -> String {
        let stage = Stage::asked(&self.facts, &self.env);
        let host = self.facts.host_name();
        match host.is_empty() || self.server().canonical_name {
            true => String::from_utf8_lossy(&stage.variable("SERVER_NAME")).into_owned(),
            false => String::from_utf8_lossy(host).into_owned(),
        }
    }

    /// The server that was chosen.
    pub(crate) fn server(&self) -> &Site {
        &self.sites.sites[self.site]
    }

    /// Time that members may take, unless their pool says otherwise.
    pub fn timeout(&self) -> Option<std::time::Duration> {
        self.server().timeout
    }

    /// What is done with the request, once it is known who asks.
    pub(crate) fn decide(&mut self, site: &Site) -> Verdict {
        set_env_if(&site.set_env_if, &self.facts, &mut self.env);
        if self.facts.path == b"*" {
            self.lay(site, None);
            let is_known = self.facts.method == b"OPTIONS";
            return Verdict::Own(if is_known { 200 } else { 400 }, None);
        }
        if site.no_trace && self.facts.method == b"TRACE" {
            return Verdict::Own(405, None);
        }
        let verdict = match self.translate(site) {
            Ok(verdict) => verdict,
            Err(early) => {
                self.lay(site, None);
                return early;
            }
        };
        let url = match &verdict {
            Verdict::Proxy(_) => self.env.get("proxied-url").map(<[u8]>::to_vec),
            _ => None,
        };
        self.env.unset("proxied-url");
        self.lay(site, url.as_deref());
        let rules = std::mem::take(&mut self.place.set_env_if);
        set_env_if(&rules, &self.facts, &mut self.env);
        if !self.may_come() {
            return Verdict::Own(403, None);
        }
        self.fix(verdict)
    }

    /// `Require` and the words of old.
    fn may_come(&self) -> bool {
        let facts = &self.facts;
        let stage = Stage::asked(facts, &self.env);
        let admits = |access: &Arc<Access>| access.admits(facts.client, facts.local.ip(), &stage);
        let required = self.place.access.as_ref().map(admits);
        let Some(old) = &self.place.old_access else { return required.unwrap_or(true) };
        let allowed = old.admits(facts.client, &stage);
        match required {
            Some(required) if old.either(&facts.method) => allowed || required,
            required => allowed && required.unwrap_or(true),
        }
    }

    /// Last changes before the request is served.
    fn fix(&mut self, verdict: Verdict) -> Verdict {
        for (name, value) in std::mem::take(&mut self.place.set_env) {
            match value {
                Some(value) => self.env.set(&name, value),
                None => self.env.unset(&name),
            }
        }
        if self.place.tls_variables == Some(true) && self.facts.https {
            self.env.set("HTTPS", "on");
            for (name, value) in self.facts.tls.variables() {
                self.env.set(name, value);
            }
        }
        let mut redirects = self.place.redirects.iter().rev();
        if let Some(verdict) = redirects.find_map(|rule| redirected(rule, &self.facts)) {
            return verdict;
        }
        let mut fields = std::mem::take(&mut self.facts.fields);
        let rules = std::mem::take(&mut self.place.request_headers);
        apply(rules.iter(), Head::Request, &mut fields, &self.facts, &mut self.env, self.times);
        self.facts.fields = fields;
        match (verdict, self.place.handler) {
            (Verdict::Proxy(toward), _) => match self.hops().or_else(|| self.unswitched(&toward)) {
                Some(status) => Verdict::Own(status, None),
                None => Verdict::Proxy(toward),
            },
            (Verdict::Own(404, None), Some(page @ (Handler::Manager | Handler::Status))) => {
                Verdict::Page(page)
            }
            (verdict, _) => verdict,
        }
    }

    /// The status for a request that does not ask to switch, where a member of `ws://` serves none
    /// but those that do.
    fn unswitched(&self, toward: &Toward) -> Option<u16> {
        if self.place.websocket_fallback != Some(false) {
            return None;
        }
        let member = self.sites.balancers.get(toward.balancer)?.members.first()?;
        let url = member.url.rsplit('|').next().unwrap_or_default();
        if !url.starts_with("ws://") && !url.starts_with("wss://") {
            return None;
        }
        match self.facts.field(b"upgrade") {
            Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => None,
            Some(_) => Some(426),
            None => Some(404),
        }
    }

    /// `Max-Forwards`: one less, or the end.
    fn hops(&mut self) -> Option<u16> {
        let name = b"max-forwards";
        let given = joined(&self.facts.fields, name);
        let given = given.map(|text| String::from_utf8_lossy(&text).trim().parse().unwrap_or(0));
        let left: i64 = match given {
            // The end of the way answers itself.
            Some(0) if matches!(&self.facts.method[..], b"TRACE" | b"OPTIONS") => return Some(200),
            Some(given) if given <= 0 => return Some(400),
            Some(given) => given - 1,
            None => i64::from(self.server().max_forwards.filter(|most| *most > 0)?),
        };
        put(&mut self.facts.fields, b"Max-Forwards", left.to_string().into_bytes());
        None
    }

    /// Rewriting, then `ProxyPass`, then redirects. An error ends it before anything else is asked.
    fn translate(&mut self, site: &Site) -> Result<Verdict, Verdict> {
        if let Some(rewriting) = &site.rewriting {
            match rewrite::run(rewriting, &mut self.facts, &mut self.env) {
                Outcome::On => {}
                Outcome::Proxy(target, path) => {
                    let mut verdict = self.toward(&target, path);
                    if let Verdict::Proxy(toward) = &mut verdict {
                        self.join_query(&mut toward.target);
                    }
                    return Ok(verdict);
                }
                Outcome::Redirect(status, to) => return Err(Verdict::Own(status, Some(to))),
                Outcome::Status(status) => return Err(Verdict::Own(status, None)),
                // A file, by now: rules of the proxy are not asked any more.
                Outcome::File => return Ok(Verdict::Own(404, None)),
            }
        }
        if !self.env.has("no-proxy") {
            let mut own = None;
            for (matched, place) in &site.locations {
                if place.pass.is_some() && self.is_at(matched) {
                    own = place.pass.as_ref();
                }
            }
            let interpolates = self.interpolates(site);
            let passes = own.into_iter().chain(&site.passes);
            for pass in passes {
                if let Some(rest) = self.taken(pass, site, interpolates && pass.interpolate) {
                    let Some(target) = &pass.to else { break };
                    let mut verdict = self.toward(target, rest);
                    if let Verdict::Proxy(toward) = &mut verdict {
                        self.join_query(&mut toward.target);
                    }
                    return Ok(verdict);
                }
            }
        }
        let found = site.redirects.iter().find_map(|rule| redirected(rule, &self.facts));
        match found {
            Some(verdict) => Err(verdict),
            None => Ok(Verdict::Own(404, None)),
        }
    }

    /// Whether a rule takes the path as it was sent (`mapping=encoded`).
    fn is_taken_encoded(&self, site: &Site) -> bool {
        let encoded = site.passes.iter().filter(|pass| pass.encoded || pass.servlet);
        encoded.into_iter().any(|pass| self.taken(pass, site, false).is_some())
    }

    /// What a rule makes of the path: all that follows the target's authority.
    fn taken(&self, pass: &Pass, site: &Site, interpolate: bool) -> Option<Vec<u8>> {
        let plain;
        let path: &[u8] = match pass.encoded || pass.servlet {
            true => {
                plain = path::plain(&self.facts.raw_path);
                &plain
            }
            false => &self.facts.path,
        };
        let to = pass.to.as_ref().map_or("", |target| &target.path);
        let fill = |text, escaped| match interpolate {
            true => interpolated(text, &self.env, escaped),
            false => Cow::Borrowed(text.as_bytes()),
        };
        let to = &*fill(to, pass.raw || pass.encoded);
        let joined = match &pass.path {
            PassPath::Start(rule) if pass.servlet => {
                [to, &servlet::rest(path, &fill(rule, false))?].concat()
            }
            PassPath::Start(rule) => {
                let rule = fill(rule, false);
                let rest = path::after_rule(&rule, path)?;
                // The raw path need not be normal: then the rule is not there to be cut off.
                let raw = pass.raw.then(|| path::after_rule(&rule, &self.facts.raw_path));
                [to, raw.flatten().unwrap_or(rest)].concat()
            }
            PassPath::Found(pattern, filled) => {
                let decoded = pattern.groups(path)?;
                // The raw path counts where the pattern is found in it too.
                let raw = pass.raw.then(|| pattern.groups(&self.facts.raw_path)).flatten();
                let path = if raw.is_some() { &self.facts.raw_path } else { path };
                if *filled {
                    let mut out = Vec::new();
                    raw.unwrap_or(decoded).fill(to, &mut out);
                    out
                } else {
                    [to, path].concat()
                }
            }
        };
        if pass.raw || pass.encoded || pass.servlet {
            return Some(joined);
        }
        Some(path::encoded(&joined, site.slashes))
    }

    fn toward(&mut self, target: &Target, path: Vec<u8>) -> Verdict {
        if self.is_blocked(target) {
            return Verdict::Own(403, None);
        }
        let authority = target.url.len() - target.path.len();
        let url = [&target.url.as_bytes()[..authority], &path].concat();
        self.env.set("proxied-url", url);
        let path = match &path[..] {
            b"" => b"/".to_vec(),
            [b'/', ..] => path,
            // It would become a part of the authority.
            _ => return Verdict::Own(500, None),
        };
        Verdict::Proxy(Toward { route: target.route, balancer: target.balancer, target: path })
    }

    fn join_query(&self, target: &mut Vec<u8>) {
        if let Some(query) = &self.facts.query {
            target.push(b'?');
            target.extend_from_slice(query);
        }
    }

    fn is_at(&self, matched: &Matched) -> bool {
        match matched {
            Matched::Start(location) => path::is_within(location.as_bytes(), &self.facts.path),
            Matched::Shell(pattern) => shell_match(pattern.as_bytes(), &self.facts.path, true),
            Matched::Found(pattern) => pattern.is_found(&self.facts.path),
        }
    }

    /// Lays what counts for the target, the path and the conditions over what counts everywhere.
    fn lay(&mut self, site: &Site, url: Option<&[u8]>) {
        for (matched, place) in &site.proxies {
            let Some(url) = url else { break };
            let is_it = match matched {
                Matched::Start(start) => url.starts_with(start.as_bytes()),
                Matched::Shell(pattern) => shell_match(pattern.as_bytes(), url, false),
                Matched::Found(pattern) => pattern.is_found(url),
            };
            if is_it {
                name_groups(matched, url, &mut self.env);
                self.place.lay(place);
            }
        }
        for (matched, place) in &site.locations {
            if self.is_at(matched) {
                name_groups(matched, &self.facts.path, &mut self.env);
                self.place.lay(place);
            }
        }
        // What is laid may bring conditions of its own.
        while !self.place.conditions.is_empty() {
            for chain in std::mem::take(&mut self.place.conditions) {
                let stage = Stage::asked(&self.facts, &self.env);
                if let Some((_, place)) = chain.iter().find(|(expr, _)| expr.holds(&stage)) {
                    self.place.lay(place);
                }
            }
        }
    }

    /// `ProxyPassInterpolateEnv`, as far as it is known before there is a target.
    fn interpolates(&self, site: &Site) -> bool {
        let within = site.locations.iter().filter(|(matched, _)| self.is_at(matched));
        let said = within.filter_map(|(_, place)| place.interpolates).next_back();
        said.or(site.everywhere.interpolates) == Some(true)
    }

    /// `ProxyBlock`.
    fn is_blocked(&self, target: &Target) -> bool {
        let blocked = &self.server().blocked;
        let Some(balancer) = self.sites.balancers.get(target.balancer) else { return false };
        let is = |host: &str| blocked.iter().any(|word| word == "*" || host.contains(&**word));
        !blocked.is_empty()
            && !balancer.members.is_empty()
            && balancer.members.iter().all(|member| is(&member.host))
    }
}

/// The status for a head that is larger than the server of the address takes, or names no host.
fn too_large(sites: &Sites, asked: &Asked<'_>) -> Option<u16> {
    let limits = sites.sites[sites.first_of(asked.local)].limits;
    let size = asked.size;
    if size.line > limits.line {
        return Some(414);
    }
    let too_many = limits.fields > 0 && size.fields > limits.fields;
    (too_many || size.field > limits.field || asked.host.ends_with(b":")).then_some(400)
}

/// Lines of one name joined.
fn gathered<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Fields {
    let mut all: Fields = Vec::new();
    for (name, value) in fields {
        match all.iter_mut().find(|field| field.0.eq_ignore_ascii_case(name)) {
            Some(field) => {
                field.1.extend_from_slice(b", ");
                field.1.extend_from_slice(value);
            }
            None => all.push((name.to_vec(), value.to_vec())),
        }
    }
    all
}

fn facts_of(asked: &Asked<'_>, fields: Fields, ending: Fields, site: &Site) -> Facts {
    let asked_port = port_of(asked.host).filter(|_| !site.canonical_name);
    let usual = if asked.https || site.named_https { 443 } else { 80 };
    Facts {
        method: asked.method.to_vec(),
        raw_path: asked.path.to_vec(),
        path: Vec::new(),
        query: asked.query.map(<[u8]>::to_vec),
        protocol: asked.protocol,
        host: asked.host.to_vec(),
        https: asked.https,
        tls: asked.tls.clone(),
        client: asked.peer.ip().to_canonical(),
        peer: asked.peer.ip().to_canonical(),
        client_port: asked.peer.port(),
        local: asked.local,
        server_name: site.name.clone(),
        canonical_name: site.canonical_name,
        server_port: asked_port.or(site.port).unwrap_or(usual),
        named_https: site.named_https,
        began: asked.times.began / 1_000_000,
        cookies: Fields::new(),
        fields,
        ending,
    }
}

fn name_groups(matched: &Matched, text: &[u8], env: &mut Env) {
    let Matched::Found(pattern) = matched else { return };
    let Some(groups) = pattern.groups(text) else { return };
    for (n, name) in pattern.names() {
        env.set(&format!("MATCH_{}", name.to_ascii_uppercase()), groups.get(n));
    }
}

fn set_env_if(rules: &[SetEnvIf], facts: &Facts, env: &mut Env) {
    for rule in rules {
        let stage = Stage::asked(facts, env);
        let groups = match &rule.looked_at {
            LookedAt::Expr(expr) => expr.groups(&stage),
            LookedAt::Known(name, pattern) => pattern.groups(&stage.variable(name)),
            LookedAt::Named(name, pattern) => {
                let is_host = name.eq_ignore_ascii_case("host");
                let by_pattern = rule.names.as_ref().and_then(|names| {
                    let mut fields = facts.fields.iter();
                    fields.find(|field| names.is_found(&field.0)).map(|field| field.1.clone())
                });
                let text = match facts.field(name.as_bytes()) {
                    _ if is_host => facts.host.clone(),
                    _ if by_pattern.is_some() => by_pattern.unwrap_or_default(),
                    Some(text) => text,
                    None => stage.environment(name),
                };
                pattern.groups(&text)
            }
        };
        let Some(groups) = groups else { continue };
        for (name, value) in &rule.variables {
            match value {
                Some(value) => {
                    let mut out = Vec::new();
                    groups.fill(value, &mut out);
                    env.set(name, out);
                }
                None => env.unset(name),
            }
        }
    }
}

fn redirected(rule: &Redirect, facts: &Facts) -> Option<Verdict> {
    let mut to = match &rule.path {
        PassPath::Start(path) => {
            let rest = facts.path.strip_prefix(path.as_bytes())?;
            if !(rest.is_empty() || rest.starts_with(b"/") || path.ends_with('/')) {
                return None;
            }
            [rule.to.as_bytes(), &path::encoded(rest, EncodedSlashes::Off)].concat()
        }
        PassPath::Found(pattern, _) => {
            let groups = pattern.groups(&facts.path)?;
            let mut out = Vec::new();
            groups.fill(rule.to.as_bytes(), &mut out);
            out
        }
    };
    if !(300..400).contains(&rule.status) {
        return Some(Verdict::Own(rule.status, None));
    }
    if to.starts_with(b"/") {
        to = [facts.own_url(), to].concat();
    }
    if let Some(query) = facts.query.as_ref().filter(|_| !to.contains(&b'?')) {
        to.push(b'?');
        to.extend_from_slice(query);
    }
    Some(Verdict::Own(rule.status, Some(to)))
}
