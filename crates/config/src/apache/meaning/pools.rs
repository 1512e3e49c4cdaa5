//! Balancers, and workers of their own, as pools.

use std::time::Duration;

use evenkeel_plan::{
    Address, Affinity, Check, HostHeader, HttpCheck, Member, MemberCheck, MemberRules, MemberState,
    Name, Passive, Percent, Policy, Pool, PoolRules, RetryOn, StatusRange, TcpCheck, Weight,
};

use evenkeel_httpd::site::MemberNames;

use super::Told;
use super::sites::{Balancer, MemberLine, Settings, Word};
use crate::apache::Place;

/// A URL of a member, taken apart.
pub(super) struct Url {
    pub(super) address: Address,
    /// Without a slash at its end.
    pub(super) path: String,
    /// What httpd calls it.
    pub(super) names: MemberNames,
}

/// What checks refer to.
#[derive(Default)]
pub(super) struct Checks {
    /// `ProxyHCTemplate`s: names and words.
    pub(super) templates: Vec<(String, Vec<Word>)>,
    /// `ProxyHCExpr`s: names and texts.
    pub(super) exprs: Vec<(String, String)>,
}

/// What differs between the uses of one balancer.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Use {
    pub(super) preserve_host: bool,
    /// Cookies that announce a route.
    pub(super) announced: Vec<(String, String)>,
    pub(super) timeout: Option<Duration>,
}

impl Use {
    pub(super) fn of(own: &Settings) -> Use {
        Use {
            preserve_host: own.preserve_host.unwrap_or(false),
            announced: own.announced.clone(),
            timeout: own.proxy_timeout.or(own.timeout),
        }
    }
}

/// Reads `http://host:port/path` or `unix:/path|http://name/path`.
pub(super) fn url(text: &str, at: &Place, told: &mut Told) -> Option<Url> {
    let (socket, rest) = match text.strip_prefix("unix:").and_then(|rest| rest.split_once('|')) {
        Some((socket, rest)) => (Some(socket), rest),
        None => (None, text),
    };
    let Some((scheme, rest)) = rest.split_once("://") else {
        told.error(at, format!("`{text}` is no URL"), Some("write http://host:port".to_owned()));
        return None;
    };
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "ws") {
        told.not_yet(at, &format!("a member that speaks {scheme}"));
        return None;
    }
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = host.to_ascii_lowercase();
    let after = host.rsplit_once(']').map_or(&*host, |(_, after)| after);
    let full = if after.contains(':') { host.clone() } else { format!("{host}:80") };
    let address = match socket {
        Some(socket) => format!("unix:{socket}").parse(),
        None => full.parse(),
    };
    match address {
        Ok(address) => {
            let short = host.strip_suffix(":80").unwrap_or(&host).to_owned();
            let front = socket.map_or(String::new(), |socket| format!("unix:{socket}|"));
            let names = MemberNames {
                url: format!("{front}{scheme}://{short}{path}"),
                host: short,
                path: path.to_owned(),
                route: String::new(),
                timeout: None,
                upgrade: if scheme == "ws" { vec!["websocket".to_owned()] } else { Vec::new() },
            };
            Some(Url { address, path: path.trim_end_matches('/').to_owned(), names })
        }
        Err(why) => {
            told.error(at, format!("`{text}` is no address of a member: {why}"), None);
            None
        }
    }
}

/// A pool for a balancer.
pub(super) fn balancer(
    balancer: &Balancer,
    name: Name,
    used: &Use,
    checks: &Checks,
    told: &mut Told,
) -> (Pool, Vec<MemberNames>) {
    let mut pool = Pool::new(name);
    pool.policy = Policy::ByRequests;
    pool.host = if used.preserve_host { HostHeader::Client } else { HostHeader::Member };
    pool.timeouts.response = used.timeout.unwrap_or(Duration::from_secs(60));
    pool.timeouts.connect = pool.timeouts.response;
    let mut passive = Passive {
        errors: 1,
        eject: Duration::from_secs(60),
        only_connect: true,
        ..Passive::default()
    };
    let mut session = Session::default();
    let mut attempts = None;
    let mut rules = PoolRules::default();
    for word in &balancer.words {
        match &*word.key {
            "lbmethod" => pool.policy = method(word, told).unwrap_or(pool.policy),
            "stickysession" => session.name = Some(word.value.clone()),
            "stickysessionsep" | "stickysessiondelim" => session.separator = separator(word, told),
            "nofailover" => session.failover = !on(word, told),
            "maxattempts" => attempts = number(word, 0, 99, told),
            "failonstatus" => passive.statuses = statuses(word, told),
            "timeout" => {
                rules.wait = Duration::from_secs(number(word, 1, 86_400, told).unwrap_or(1));
                pool.timeouts.queue = rules.wait;
            }
            "forcerecovery" => rules.no_forced_recovery = !on(word, told),
            "growth" | "nonce" => {}
            "failontimeout" => rules.timeouts_count = on(word, told),
            "scolonpathdelim" => rules.semicolon_ends = on(word, told),
            _ => told.error(&word.at, format!("unknown Balancer parameter `{}`", word.key), None),
        }
    }
    let mut names: Vec<MemberNames> = Vec::new();
    for line in &balancer.members {
        let (rules, names) = (&mut rules, &mut names);
        let into = Reading { pool: &mut pool, passive: &mut passive, checks, names, rules };
        if let Some(member) = member(line, into, told) {
            pool.members.push(member);
        }
    }
    native_probes(&mut pool, &rules, told);
    uncarried(&pool.name, &rules, balancer, used, told);
    pool.rules = Some(Box::new(rules));
    pool.affinity = session.affinity(used);
    pool.health.passive = Some(passive);
    let others = pool.members.len().saturating_sub(1) as u64;
    retries(&mut pool, attempts.unwrap_or(others));
    (pool, names)
}

/// A pool for a worker that is no balancer's: it is tried anew for each request.
pub(super) fn worker(
    line: &MemberLine,
    name: Name,
    used: &Use,
    checks: &Checks,
    told: &mut Told,
) -> (Pool, Vec<MemberNames>) {
    let mut pool = Pool::new(name);
    pool.policy = Policy::ByRequests;
    pool.host = if used.preserve_host { HostHeader::Client } else { HostHeader::Member };
    pool.timeouts.response = used.timeout.unwrap_or(Duration::from_secs(60));
    pool.timeouts.connect = pool.timeouts.response;
    let mut passive = Passive { errors: 1, only_connect: true, ..Passive::default() };
    let mut rules = PoolRules { no_forced_recovery: true, ..PoolRules::default() };
    let mut names = Vec::new();
    let (into_rules, into_names) = (&mut rules, &mut names);
    let into = Reading {
        pool: &mut pool,
        passive: &mut passive,
        checks,
        names: into_names,
        rules: into_rules,
    };
    let ignoring = !line
        .words
        .iter()
        .any(|word| word.key == "status" && word.value.to_ascii_uppercase().contains("-I"));
    if let Some(mut member) = member(line, into, told) {
        // The path of its URL takes part in the rewriting of the rule.
        member.path.clear();
        pool.members.push(member);
    }
    rules.members.iter_mut().for_each(|member| member.ignore_errors = ignoring);
    if !ignoring {
        told.carried(&line.at, "status=-I of a worker");
    }
    pool.health.passive = (!ignoring).then_some(passive);
    pool.rules = Some(Box::new(rules));
    retries(&mut pool, 0);
    (pool, names)
}

fn retries(pool: &mut Pool, attempts: u64) {
    pool.retry.attempts = u8::try_from(attempts).unwrap_or(99).min(99);
    pool.retry.on = vec![RetryOn::Connect];
    pool.retry.non_idempotent = true;
    if let Some(all) = Percent::new(100) {
        pool.retry.budget = all;
    }
}

#[derive(Default)]
struct Probing {
    method: String,
    uri: String,
    interval: Option<Duration>,
    passes: u32,
    fails: u32,
    expr: Option<String>,
}

impl Probing {
    fn take(&mut self, word: &Word, told: &mut Told) {
        match &*word.key {
            "hcmethod" => self.method = word.value.to_ascii_uppercase(),
            "hcuri" => self.uri.clone_from(&word.value),
            "hcinterval" => self.interval = time(word, 1000, told),
            "hcpasses" => self.passes = number(word, 0, 1000, told).unwrap_or(1).max(1) as u32,
            "hcfails" => self.fails = number(word, 0, 1000, told).unwrap_or(1).max(1) as u32,
            "hcexpr" => self.expr = Some(word.value.clone()),
            _ => told.error(&word.at, format!("unknown parameter `{}`", word.key), None),
        }
    }

    fn check(
        self,
        names: &MemberNames,
        checks: &Checks,
        at: &Place,
        told: &mut Told,
    ) -> Option<MemberCheck> {
        let method = self.method.trim_end_matches("11");
        let expr = self.expr.as_ref().and_then(|name| {
            let found = checks.exprs.iter().find(|(known, _)| known == name);
            let Some((_, text)) = found else {
                told.error(at, format!("there is no ProxyHCExpr `{name}`"), None);
                return None;
            };
            let read = evenkeel_httpd::expr::expression(text);
            read.map_err(|why| told.error(at, format!("ProxyHCExpr {name}: {why}"), None)).ok()
        });
        let path = match (&*names.path, method) {
            (_, "OPTIONS") => "*".to_owned(),
            ("", _) => self.uri,
            (path, _) => format!("{path}/{}", self.uri),
        };
        let check = match method {
            "" | "NONE" => return None,
            "TCP" | "CPING" => Check::Tcp(TcpCheck::default()),
            "GET" | "HEAD" | "OPTIONS" => {
                let host = Some(names.host.clone());
                Check::Http(HttpCheck { method: method.into(), path, host, ..HttpCheck::default() })
            }
            _ => {
                told.error(at, format!("hcmethod={}: unknown method", self.method), None);
                return None;
            }
        };
        Some(MemberCheck {
            check,
            interval: self.interval.unwrap_or(Duration::from_secs(30)),
            rise: self.passes,
            fall: self.fails,
            expr,
        })
    }
}

/// What a member's line is read into.
struct Reading<'a> {
    pool: &'a mut Pool,
    passive: &'a mut Passive,
    checks: &'a Checks,
    names: &'a mut Vec<MemberNames>,
    rules: &'a mut PoolRules,
}

fn member(line: &MemberLine, into: Reading<'_>, told: &mut Told) -> Option<Member> {
    let Reading { pool, passive, checks, names, rules } = into;
    let mut own = MemberRules {
        route: String::new(),
        redirect: String::new(),
        retry: Duration::from_secs(60),
        ignore_errors: false,
        stopped: false,
        check: None,
    };
    let mut url = url(&line.url, &line.at, told)?;
    let mut member = Member::new(url.address);
    member.path = url.path;
    if names.iter().any(|other| url.names.url.starts_with(&other.url)) {
        told.warning(
            &line.at,
            format!("{} is a member already; this line is passed over", line.url),
            None,
        );
        return None;
    }
    let mut probing = Probing { passes: 1, fails: 1, ..Probing::default() };
    for word in &line.words {
        match &*word.key {
            "loadfactor" => member.weight = weight(word, told).unwrap_or(member.weight),
            "lbset" => member.tier = number(word, 0, 99, told).unwrap_or(0) as u8,
            "route" => {
                url.names.route.clone_from(&word.value);
                own.route.clone_from(&word.value);
                member.tag = tag(&word.value, pool, told, &word.at).unwrap_or(member.tag);
            }
            "redirect" => {
                own.redirect.clone_from(&word.value);
                member.redirect = Name::new(&word.value).ok();
            }
            "status" => status(word, &mut member, &mut own, told),
            "retry" => {
                own.retry = Duration::from_secs(number(word, 0, 86_400, told).unwrap_or(60));
                passive.eject = own.retry.max(Duration::from_millis(1));
            }
            "timeout" => {
                let seconds = number(word, 1, 86_400, told).unwrap_or(60);
                pool.timeouts.response = Duration::from_secs(seconds);
                url.names.timeout = Some(pool.timeouts.response);
            }
            "connectiontimeout" => {
                pool.timeouts.connect = time(word, 1000, told).unwrap_or(pool.timeouts.connect);
            }
            "keepalive" => {
                let time = Duration::from_secs(120);
                pool.tcp.keep_alive = on(word, told).then_some(time);
            }
            "ttl" => {
                let seconds = number(word, 1, 86_400, told).unwrap_or(60);
                pool.timeouts.idle = Duration::from_secs(seconds);
            }
            "hcmethod" | "hcuri" | "hcinterval" | "hcpasses" | "hcfails" | "hcexpr" => {
                probing.take(word, told);
            }
            "hctemplate" => template(word, &mut probing, checks, told),
            // Pools of connections are bounded otherwise here.
            "min" | "max" | "smax" | "acquire" | "addressttl" | "iobuffersize"
            | "receivebuffersize" | "responsefieldsize" | "flushpackets" | "flushwait"
            | "enablereuse" | "flusher" => {
                let text = format!("{}={} has no effect here", word.key, word.value);
                told.warning(&word.at, text, None);
            }
            "upgrade" if word.value.eq_ignore_ascii_case("any") => {
                url.names.upgrade = vec!["*".to_owned()]
            }
            "upgrade" => {
                let protocols = word.value.split(',').map(|one| one.trim().to_owned());
                url.names.upgrade = protocols.collect();
            }
            "disablereuse" if !on(word, told) => {}
            "disablereuse" => pool.limits.idle_connections = 0,
            // Waiting for `100 Continue` before a body is the member's choice here.
            "ping" => {
                let _ = time(word, 1000, told);
                told.warning(&word.at, format!("ping={} has no effect", word.value), None);
            }
            "secret" => told.not_yet(&word.at, "a secret"),
            _ => told.error(&word.at, format!("unknown Worker parameter `{}`", word.key), None),
        }
    }
    own.check = probing.check(&url.names, checks, &line.at, told);
    rules.members.push(own);
    names.push(url.names);
    Some(member)
}

fn template(word: &Word, probing: &mut Probing, checks: &Checks, told: &mut Told) {
    let found = checks.templates.iter().find(|(name, _)| *name == word.value);
    let Some((_, words)) = found else {
        told.error(&word.at, format!("there is no ProxyHCTemplate `{}`", word.value), None);
        return;
    };
    for word in words {
        probing.take(word, told);
    }
}

/// What native terms do not have.
fn uncarried(name: &Name, rules: &PoolRules, balancer: &Balancer, used: &Use, told: &mut Told) {
    let Some(line) = balancer.members.first() else { return };
    let members = &rules.members;
    let sticky = balancer.words.iter().any(|word| word.key == "stickysession");
    for (is, what) in [
        (rules.no_forced_recovery, "forcerecovery=Off"),
        (rules.timeouts_count, "failontimeout=On"),
        (rules.semicolon_ends, "scolonpathdelim=On"),
        (!rules.wait.is_zero(), "timeout"),
        (members.iter().any(|member| member.ignore_errors), "status=+I"),
        (members.iter().any(|member| member.retry != members[0].retry), "several times of retry"),
        (members.iter().any(|member| member.check.is_some()), "that a check ends an error early"),
        (
            sticky && !used.announced.is_empty() && members.iter().any(|m| m.route.is_empty()),
            "members without a route",
        ),
        (balancer.members.iter().any(|m| m.url.ends_with('/')), "slashes at the end of members"),
    ] {
        if is {
            told.carried(&line.at, &format!("balancer {name}: {what}"));
        }
    }
}

/// In native terms there is one check for all members: that of the first that has one.
fn native_probes(pool: &mut Pool, rules: &PoolRules, told: &mut Told) {
    let mut all = rules.members.iter().filter_map(|member| member.check.as_ref());
    let Some(first) = all.next() else { return };
    if all.any(|other| other != first) || first.expr.is_some() {
        let at = Place { file: 0, line: 1, span: 0..0, used_at: None };
        let text = format!("balancer {}: checks that differ, or have an expression", pool.name);
        told.carried(&at, &text);
    }
    pool.health.check = Some(first.check.clone());
    pool.health.interval = first.interval;
    (pool.health.rise, pool.health.fall) = (first.rise, first.fall);
    pool.health.timeout = pool.health.timeout.min(pool.health.interval);
}

struct Session {
    name: Option<String>,
    separator: Option<u8>,
    failover: bool,
}

impl Default for Session {
    fn default() -> Session {
        Session { name: None, separator: Some(b'.'), failover: true }
    }
}

impl Session {
    fn affinity(self, used: &Use) -> Option<Affinity> {
        let name = self.name?;
        let (cookie, parameter) = name.split_once('|').unwrap_or((&name, &name));
        let announced = used.announced.iter().find(|(announced, _)| announced == cookie);
        Some(Affinity::Application {
            cookie: cookie.to_owned(),
            parameter: parameter.to_owned(),
            separator: self.separator,
            set_cookie: announced.map(|(_, line)| line.clone()),
            failover: self.failover,
        })
    }
}

fn method(word: &Word, told: &mut Told) -> Option<Policy> {
    match &*word.value.to_ascii_lowercase() {
        "byrequests" => Some(Policy::ByRequests),
        "bytraffic" => Some(Policy::ByTraffic),
        "bybusyness" => Some(Policy::ByBusyness),
        "heartbeat" => Some(Policy::Heartbeat),
        _ => {
            let help = "there are byrequests, bytraffic, bybusyness and heartbeat".to_owned();
            told.error(&word.at, format!("unknown lbmethod `{}`", word.value), Some(help));
            None
        }
    }
}

fn status(word: &Word, member: &mut Member, own: &mut MemberRules, told: &mut Told) {
    let mut set = true;
    for letter in word.value.chars() {
        match letter.to_ascii_uppercase() {
            '+' => set = true,
            '-' => set = false,
            'D' | 'S' if set => {
                member.state = MemberState::Disabled;
                own.stopped |= letter.eq_ignore_ascii_case(&'S');
            }
            'N' if set => member.state = MemberState::Drain,
            'D' | 'S' | 'N' => member.state = MemberState::Ready,
            'H' => member.backup = set,
            'R' => member.spare = set,
            'I' => own.ignore_errors = set,
            'E' | 'C' | 'G' | 'U' | 'O' | 'F' => {}
            _ => told.error(&word.at, format!("unknown status letter `{letter}`"), None),
        }
    }
}

fn weight(word: &Word, told: &mut Told) -> Option<Weight> {
    let factor = word.value.parse::<f64>().ok().filter(|factor| (1.0..=100.0).contains(factor));
    // Cut, not rounded, and 1.1 must stay 110.
    let hundredths = factor.map(|factor| (factor * 100.0 + 1e-6) as u32);
    let weight = hundredths.and_then(Weight::from_hundredths);
    if weight.is_none() {
        told.error(&word.at, "LoadFactor must be a number between 1..100".to_owned(), None);
    }
    weight
}

/// A tag of its own for a route.
fn tag(route: &str, pool: &Pool, told: &mut Told, at: &Place) -> Option<Name> {
    let clean = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let plain: String = route.chars().map(clean).take(50).collect();
    let taken = |name: &Name| pool.members.iter().any(|member| member.tag == *name);
    let tag = (1..1000)
        .filter_map(|n| match n {
            1 => Name::new(&plain).ok(),
            n => Name::new(&format!("{plain}-{n}")).ok(),
        })
        .find(|name| !taken(name));
    if tag.as_ref().is_some_and(|tag| *tag != *route) {
        told.carried(at, &format!("route={route}, which another member has or no tag may be,"));
    }
    tag
}

fn separator(word: &Word, told: &mut Told) -> Option<u8> {
    match word.value.as_bytes() {
        [byte] => Some(*byte),
        _ if word.value.eq_ignore_ascii_case("off") => None,
        _ => {
            told.error(
                &word.at,
                "stickysessionsep must be a single character or Off".to_owned(),
                None,
            );
            None
        }
    }
}

fn on(word: &Word, told: &mut Told) -> bool {
    match &*word.value.to_ascii_lowercase() {
        "on" => true,
        "off" => false,
        _ => {
            told.error(&word.at, format!("{} must be On|Off", word.key), None);
            false
        }
    }
}

/// Digits up to what is none, as httpd reads numbers; none at all are 0.
fn number(word: &Word, least: u64, most: u64, told: &mut Told) -> Option<u64> {
    let end = word.value.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.value.len());
    let read = word.value[..end].parse().ok();
    let value = read.or((end == 0).then_some(0)).filter(|value| (least..=most).contains(value));
    match value {
        None => {
            let message = format!("{} must be a whole number from {least} to {most}", word.key);
            told.error(&word.at, message, None);
        }
        Some(value) if end < word.value.len() || end == 0 => {
            let message = format!("{}={} is read as {value}", word.key, word.value);
            told.warning(&word.at, message, Some("write a whole number".to_owned()));
        }
        Some(_) => {}
    }
    value
}

/// A number with or without a unit; without one it counts in `unit` milliseconds.
fn time(word: &Word, unit: u64, told: &mut Told) -> Option<Duration> {
    let digits = word.value.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.value.len());
    let (number, suffix) = word.value.split_at(digits);
    let scale = match &*suffix.to_ascii_lowercase() {
        "" => Some(unit),
        "ms" => Some(1),
        "s" => Some(1000),
        "mi" | "min" | "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = number.parse::<u64>().ok().zip(scale).map(|(n, scale)| n.saturating_mul(scale));
    let time = millis.filter(|millis| (1..=86_400_000).contains(millis)).map(Duration::from_millis);
    if time.is_none() {
        told.error(&word.at, format!("{} has wrong format", word.key), None);
    }
    time
}

fn statuses(word: &Word, told: &mut Told) -> Vec<StatusRange> {
    let parts = word.value.split([',', ' ']).filter(|part| !part.is_empty());
    let mut ranges = Vec::new();
    for part in parts {
        match part.parse() {
            Ok(status @ 100..=599) => ranges.push(StatusRange { first: status, last: status }),
            _ => told.error(&word.at, format!("failonstatus: `{part}` is no status"), None),
        }
    }
    ranges
}
