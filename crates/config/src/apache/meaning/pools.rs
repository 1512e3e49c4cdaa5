//! Balancers, and workers of their own, as pools.

use std::time::Duration;

use evenkeel_plan::{
    Affinity, HostHeader, MemberCheck, MemberProtocol, MemberRules, Name, Passive, Percent, Policy,
    Pool, PoolRules, RetryOn, StatusRange, Untold,
};

use evenkeel_httpd::site::MemberNames;

use super::Told;
use super::members::{Reading, member};
use super::sites::{Balancer, MemberLine, Settings, Word};
use crate::apache::Place;

/// What checks refer to.
#[derive(Default)]
pub(super) struct Checks {
    /// `ProxyHCTemplate`s: names and words.
    pub(super) templates: Vec<(String, Vec<Word>)>,
    /// `ProxyHCExpr`s: names and texts.
    pub(super) exprs: Vec<(String, String)>,
    /// There is no AJP to ping with.
    pub(super) no_pings: bool,
    /// There is nothing that checks.
    pub(super) no_checks: bool,
    /// Methods of balancing that are not loaded.
    pub(super) no_methods: Vec<&'static str>,
    /// Why members of `https://` cannot be spoken to, if they cannot.
    pub(super) untold: Untold,
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
    let mut passive = Passive { errors: 1, only_connect: true, ..Passive::default() };
    passive.eject = Duration::from_secs(60);
    let (mut session, mut attempts) = (Session::default(), None);
    let mut rules = PoolRules { separator: Some(b'.'), path: "/".into(), ..PoolRules::default() };
    for word in &balancer.words {
        match &*word.key {
            "lbmethod" => pool.policy = method(word, checks, told).unwrap_or(pool.policy),
            // httpd keeps no more of it.
            "stickysession" => session.name = Some(word.value.chars().take(63).collect()),
            "stickysessionsep" | "stickysessiondelim" => rules.separator = separator(word, told),
            "nofailover" => rules.no_failover = on(word, told),
            "maxattempts" => attempts = number(word, 0, 99, told),
            "failonstatus" => passive.statuses = statuses(word, told),
            "timeout" => {
                rules.wait = Duration::from_secs(number(word, 1, 86_400, told).unwrap_or(1));
                pool.timeouts.queue = rules.wait;
            }
            "forcerecovery" => rules.no_forced_recovery = !on(word, told),
            "growth" => rules.growth = number(word, 1, 100, told).unwrap_or(0) as usize,
            "nonce" if word.value.len() > 36 => {
                told.error(&word.at, "Provided nonce is too large".to_owned(), None);
            }
            "nonce" => rules.nonce = Some(word.value.clone()),
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
    let foreign = matches!(rules.protocol, MemberProtocol::Ajp | MemberProtocol::FastCgi);
    pool.protocol = if foreign { MemberProtocol::Http } else { rules.protocol };
    passive.only_connect = !foreign;
    lone_requests(&mut pool, &names);
    rules.configured = pool.members.len();
    rules.attempts_count = attempts.is_some() || pool.members.len() > 1;
    native_probes(&mut pool, &rules, told);
    uncarried(&pool.name, &rules, balancer, used, told);
    (session.separator, session.failover) = (rules.separator, !rules.no_failover);
    pool.rules = Some(Box::new(rules));
    pool.affinity = session.affinity(used);
    pool.health.passive = Some(passive);
    let others = pool.members.len().saturating_sub(1) as u64;
    retries(&mut pool, attempts.unwrap_or(others));
    if foreign {
        // Such a member may have gone before it answered; the next one is asked then.
        pool.retry.on = vec![RetryOn::Connect, RetryOn::ResetBeforeResponse, RetryOn::Timeout];
        pool.retry.non_idempotent = false;
    }
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
    lone_requests(&mut pool, &names);
    for member in &mut rules.members {
        member.ignore_errors = ignoring;
        // Only members of balancers are checked.
        member.check = MemberCheck::default();
    }
    member_uncarried(&rules, &line.at, told);
    if !ignoring {
        told.carried(&line.at, "status=-I of a worker");
    }
    pool.health.passive = (!ignoring).then_some(passive);
    pool.rules = Some(Box::new(rules));
    retries(&mut pool, 0);
    (pool, names)
}

/// In native terms connections are kept for all members or for none.
fn lone_requests(pool: &mut Pool, names: &[MemberNames]) {
    if !names.is_empty() && names.iter().all(|member| member.once) {
        pool.limits.idle_connections = 0;
    }
}

fn retries(pool: &mut Pool, attempts: u64) {
    pool.retry.attempts = u8::try_from(attempts).unwrap_or(99).min(99);
    pool.retry.on = vec![RetryOn::Connect];
    pool.retry.non_idempotent = true;
    if let Some(all) = Percent::new(100) {
        pool.retry.budget = all;
    }
}

/// What native terms do not have of a member.
fn member_uncarried(rules: &PoolRules, at: &Place, told: &mut Told) {
    let any = |is: fn(&MemberRules) -> bool| rules.members.iter().any(is);
    for (is, what) in [
        (any(|member| member.places.is_some()), "max"),
        (any(|member| member.failed), "status=+C"),
        (any(|member| member.ping.is_some()), "ping"),
        (any(|member| member.line_max != 0), "responsefieldsize"),
        (any(|member| member.untold != Untold::No), "https without SSLProxyEngine"),
    ] {
        if is {
            told.carried(at, &format!("{what} of a member"));
        }
    }
}

/// What native terms do not have.
fn uncarried(name: &Name, rules: &PoolRules, balancer: &Balancer, used: &Use, told: &mut Told) {
    let Some(line) = balancer.members.first() else { return };
    member_uncarried(rules, &line.at, told);
    let members = &rules.members;
    let weighted = balancer
        .words
        .iter()
        .any(|word| word.key == "lbmethod" && word.value.eq_ignore_ascii_case("bytraffic"))
        && balancer.members.iter().any(|member| member.words.iter().any(|w| w.key == "loadfactor"));
    let sticky = balancer.words.iter().any(|word| word.key == "stickysession");
    for (is, what) in [
        (
            matches!(rules.protocol, MemberProtocol::Ajp | MemberProtocol::FastCgi),
            "members that do not speak HTTP",
        ),
        (weighted, "the bytes of heads, which weighted bytraffic counts"),
        (rules.no_forced_recovery, "forcerecovery=Off"),
        (rules.timeouts_count, "failontimeout=On"),
        (rules.semicolon_ends, "scolonpathdelim=On"),
        (!rules.wait.is_zero(), "timeout"),
        (members.iter().any(|member| member.ignore_errors), "status=+I"),
        (members.iter().any(|member| member.retry != members[0].retry), "several times of retry"),
        (members.iter().any(|m| m.check.check.is_some()), "that a check ends an error early"),
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
    let mut all =
        rules.members.iter().map(|member| &member.check).filter(|check| check.check.is_some());
    let Some(first) = all.next() else { return };
    if all.any(|other| other != first) || first.expr.is_some() {
        let at = Place { file: 0, line: 1, span: 0..0, used_at: None };
        let text = format!("balancer {}: checks that differ, or have an expression", pool.name);
        told.carried(&at, &text);
    }
    pool.health.check.clone_from(&first.check);
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

/// The methods, and the modules that have them.
pub(super) const METHODS: [(&str, &str); 4] = [
    ("byrequests", "lbmethod_byrequests_module"),
    ("bytraffic", "lbmethod_bytraffic_module"),
    ("bybusyness", "lbmethod_bybusyness_module"),
    ("heartbeat", "lbmethod_heartbeat_module"),
];

fn method(word: &Word, checks: &Checks, told: &mut Told) -> Option<Policy> {
    if let Some(missing) = checks.no_methods.iter().find(|name| **name == word.value) {
        let help = METHODS.iter().find(|(name, _)| name == missing);
        let help = help.map(|(_, module)| format!("load its module: LoadModule {module} ..."));
        told.error(&word.at, format!("unknown lbmethod `{}`", word.value), help);
        return None;
    }
    match &*word.value {
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

pub(super) fn on(word: &Word, told: &mut Told) -> bool {
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
pub(super) fn number(word: &Word, least: u64, most: u64, told: &mut Told) -> Option<u64> {
    let end = word.value.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.value.len());
    let read = word.value[..end].parse().ok();
    // A sign before it is no digit, but a mistake.
    let none = end == 0 && !word.value.starts_with('-');
    let value = read.or(none.then_some(0)).filter(|value| (least..=most).contains(value));
    match value {
        None => {
            let message = format!("{} must be a whole number from {least} to {most}", word.key);
            told.error(&word.at, message, None);
        }
        Some(value) if end < word.value.len() || end == 0 => {
            let message = format!("{}={} is read as {value}", word.key, word.value);
            told.trap(&word.at, message, Some("write a whole number".to_owned()));
        }
        Some(_) => {}
    }
    value
}

/// A number with or without a unit; without one it counts in `unit` milliseconds.
pub(super) fn time(word: &Word, unit: u64, told: &mut Told) -> Option<Duration> {
    let digits = word.value.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.value.len());
    let (number, suffix) = word.value.split_at(digits);
    // Only the beginning of a unit is looked at; `m` alone could be two of them.
    let suffix = suffix.to_ascii_lowercase();
    let units = [("ms", 1), ("mi", 60_000), ("s", 1000), ("h", 3_600_000)];
    let scale = match suffix.is_empty() {
        true => Some(unit),
        false => units.iter().find(|(name, _)| suffix.starts_with(name)).map(|(_, scale)| *scale),
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
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        if end > 0 && end < part.len() {
            let text = format!("failonstatus: `{part}` is read as {}", &part[..end]);
            told.trap(&word.at, text, Some("separate statuses by commas".to_owned()));
        }
        match part[..end].parse() {
            Ok(status @ 100..=599) => ranges.push(StatusRange { first: status, last: status }),
            _ => told.error(&word.at, format!("failonstatus: `{part}` is no status"), None),
        }
    }
    ranges
}
