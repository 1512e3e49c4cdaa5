//! `BalancerMember` and its parameters.

use std::time::Duration;

use evenkeel_httpd::site::MemberNames;
use evenkeel_plan::{
    Address, Member, MemberProtocol, MemberRules, MemberState, Name, Passive, Pool, PoolRules,
    PoolTls, Verify, Weight,
};

use super::Told;
use super::checks::{Probing, template};
use super::pools::{Checks, number, on, time};
use super::sites::{MemberLine, Word};
use crate::apache::Place;

/// A URL of a member, taken apart.
pub(super) struct Url {
    pub(super) address: Address,
    /// Without a slash at its end.
    pub(super) path: String,
    pub(super) protocol: MemberProtocol,
    pub(super) tls: bool,
    /// What httpd calls it.
    pub(super) names: MemberNames,
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
    let (protocol, port) = match &*scheme {
        "http" | "ws" => (MemberProtocol::Http, 80),
        "https" | "wss" => (MemberProtocol::Http, 443),
        "h2c" => (MemberProtocol::Http2, 80),
        "h2" => (MemberProtocol::Http2, 443),
        "ajp" => (MemberProtocol::Ajp, 8009),
        "fcgi" => (MemberProtocol::FastCgi, 8000),
        _ => {
            told.not_yet(at, &format!("a member that speaks {scheme}"));
            return None;
        }
    };
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = host.to_ascii_lowercase();
    let after = host.rsplit_once(']').map_or(&*host, |(_, after)| after);
    let full = if after.contains(':') { host.clone() } else { format!("{host}:{port}") };
    let address = match socket {
        Some(socket) => format!("unix:{socket}").parse(),
        None => full.parse(),
    };
    match address {
        Ok(address) => {
            let short = host.strip_suffix(&format!(":{port}")).unwrap_or(&host).to_owned();
            let front = socket.map_or(String::new(), |socket| format!("unix:{socket}|"));
            let names = MemberNames {
                url: format!("{front}{scheme}://{short}{path}"),
                host: short,
                path: path.to_owned(),
                route: String::new(),
                timeout: None,
                once: false,
                upgrade: if matches!(&*scheme, "ws" | "wss") {
                    vec!["websocket".to_owned()]
                } else {
                    Vec::new()
                },
            };
            let path = path.trim_end_matches('/').to_owned();
            let tls = matches!(&*scheme, "https" | "wss" | "h2");
            Some(Url { address, path, names, protocol, tls })
        }
        Err(why) => {
            told.error(at, format!("`{text}` is no address of a member: {why}"), None);
            None
        }
    }
}

/// What a member's line is read into.
pub(super) struct Reading<'a> {
    pub(super) pool: &'a mut Pool,
    pub(super) passive: &'a mut Passive,
    pub(super) checks: &'a Checks,
    pub(super) names: &'a mut Vec<MemberNames>,
    pub(super) rules: &'a mut PoolRules,
}

pub(super) fn member(line: &MemberLine, into: Reading<'_>, told: &mut Told) -> Option<Member> {
    let Reading { pool, passive, checks, names, rules } = into;
    let mut own = MemberRules { retry: Duration::from_secs(60), ..MemberRules::default() };
    let mut url = url(&line.url, &line.at, told)?;
    let mut member = Member::new(url.address);
    member.path = url.path;
    // Another port is another member, though its name may begin with all of that of the first.
    let root = url.names.url.len() - url.names.path.len();
    let known =
        |other: &&MemberNames| other.url.len() >= root && url.names.url.starts_with(&other.url);
    if names.iter().any(|other| known(&other)) {
        told.warning(
            &line.at,
            format!("{} is a member already; this line is passed over", line.url),
            None,
        );
        return None;
    }
    if !rules.members.is_empty() && rules.protocol != url.protocol {
        told.not_yet(&line.at, "a balancer whose members speak several protocols");
    }
    rules.protocol = url.protocol;
    own.plain = !url.tls;
    if url.tls {
        pool.tls = Some(PoolTls { verify: Verify::Name, ..PoolTls::default() });
        own.untold = checks.untold;
    }
    let mut probing = Probing::default();
    for word in &line.words {
        let known = own_word(word, &mut member, &mut own, &mut url.names, (&*pool, told))
            || pool_word(word, &mut own, pool, told);
        match &*word.key {
            _ if known => {}
            "retry" => {
                let seconds = number(word, 0, 86_400, told).unwrap_or(60);
                (own.retry, own.shown.retry) = (Duration::from_secs(seconds), Some(seconds));
                passive.eject = own.retry.max(Duration::from_millis(1));
            }
            "timeout" => {
                let seconds = number(word, 1, 86_400, told).unwrap_or(60);
                pool.timeouts.response = Duration::from_secs(seconds);
                url.names.timeout = Some(pool.timeouts.response);
                own.shown.timeout = Some(seconds);
            }
            "hcmethod" | "hcuri" | "hcinterval" | "hcpasses" | "hcfails" | "hcexpr"
                if !checks.no_checks =>
            {
                probing.take(word, told);
            }
            "hctemplate" if !checks.no_checks => template(word, &mut probing, checks, told),
            "ping" => own.ping = time(word, 1000, told),
            "secret" if word.value.len() > 63 => {
                told.error(&word.at, "Secret length must be < 64 characters".to_owned(), None);
            }
            "secret" => own.secret = Some(word.value.clone()),
            _ => told.error(&word.at, format!("unknown Worker parameter `{}`", word.key), None),
        }
    }
    if pool.members.iter().any(|other| other.tag == member.tag) {
        let plain = member.tag.to_string();
        member.tag = tag(&plain, pool, &mut Told::default(), &line.at).unwrap_or(member.tag);
    }
    url.names.once = own.shown.disable_reuse == Some(true);
    own.check = probing.check(&url.names, checks, &line.at, told);
    rules.members.push(own);
    names.push(url.names);
    Some(member)
}

/// What is said of the member itself; false when it is something else.
fn own_word(
    word: &Word,
    member: &mut Member,
    own: &mut MemberRules,
    names: &mut MemberNames,
    (pool, told): (&Pool, &mut Told),
) -> bool {
    match &*word.key {
        "loadfactor" => member.weight = weight(word, told).unwrap_or(member.weight),
        "lbset" => member.tier = number(word, 0, 99, told).unwrap_or(0) as u8,
        "route" => {
            if word.value.len() > 63 {
                told.error(&word.at, "Route length must be < 64 characters".to_owned(), None);
            }
            names.route.clone_from(&word.value);
            own.route.clone_from(&word.value);
            member.tag = tag(&word.value, pool, told, &word.at).unwrap_or(member.tag.clone());
        }
        "redirect" => {
            if word.value.len() > 63 {
                told.error(&word.at, "Redirect length must be < 64 characters".to_owned(), None);
            }
            own.redirect.clone_from(&word.value);
            member.redirect = Name::new(&word.value).ok();
        }
        "status" => status(word, member, own, told),
        "upgrade" if word.value.eq_ignore_ascii_case("any") => {
            names.upgrade = vec!["*".to_owned()];
        }
        "upgrade" => {
            if word.value.len() > 15 {
                let text = "upgrade protocol length must be < 16 characters".to_owned();
                told.error(&word.at, text, None);
            }
            let protocols = word.value.split(',').map(|one| one.trim().to_owned());
            names.upgrade = protocols.collect();
        }
        _ => return false,
    }
    true
}

/// What is said of connections, which is the pool's here; false when it is something else.
fn pool_word(word: &Word, own: &mut MemberRules, pool: &mut Pool, told: &mut Told) -> bool {
    let shown = &mut own.shown;
    let mut some = |most| number(word, 0, most, told).and_then(|n| u32::try_from(n).ok());
    match &*word.key {
        "connectiontimeout" => {
            shown.connect = time(word, 1000, told);
            pool.timeouts.connect = shown.connect.unwrap_or(pool.timeouts.connect);
        }
        "keepalive" => {
            let time = Duration::from_secs(120);
            shown.keepalive = Some(on(word, told));
            pool.tcp.keep_alive = shown.keepalive.filter(|on| *on).map(|_| time);
        }
        "ttl" => {
            shown.ttl = number(word, 1, 86_400, told);
            pool.timeouts.idle = Duration::from_secs(shown.ttl.unwrap_or(60));
        }
        // None: as many as there are threads.
        "max" => own.places = some(u64::from(u32::MAX)).filter(|most| *most > 0),
        "acquire" => own.patience = time(word, 1, told),
        "responsefieldsize" => own.line_max = some(1 << 20).unwrap_or(0),
        // Sockets are bounded otherwise here.
        "min" => shown.min = some(u64::from(u32::MAX)),
        "smax" => shown.smax = some(u64::from(u32::MAX)),
        "iobuffersize" => shown.io_buffer = buffer_size(word, told),
        "receivebuffersize" => shown.receive_buffer = buffer_size(word, told),
        "addressttl" | "flushpackets" | "flushwait" | "flusher" => {
            well_formed(word, told);
            let text = format!("{}={} has no effect here", word.key, word.value);
            told.warning(&word.at, text, None);
        }
        "enablereuse" => shown.disable_reuse = Some(!on(word, told)),
        "disablereuse" => {
            shown.disable_reuse = Some(on(word, told));
        }
        _ => return false,
    }
    true
}

fn buffer_size(word: &Word, told: &mut Told) -> Option<u64> {
    let size = number(word, 0, 1 << 30, told)?;
    if (1..512).contains(&size) {
        let text = format!("{} must be >= 512 bytes, or 0 for system default.", word.key);
        told.error(&word.at, text, None);
    }
    Some(size)
}

/// Whether a word that has no effect here could have one in httpd.
fn well_formed(word: &Word, told: &mut Told) {
    let text = &*word.value;
    let readable = match &*word.key {
        "addressttl" if text == "-1" => true,
        "addressttl" if text.starts_with('0') => number(word, 0, u64::MAX, told).is_some(),
        "addressttl" => {
            let time = time(word, 1000, told);
            if time.is_some_and(|time| time.subsec_millis() > 0) {
                let text = "AddressTTL must be -1 or a number of seconds".to_owned();
                told.error(&word.at, text, None);
            }
            time.is_some()
        }
        "flushwait" => number(word, 0, 1000, told).is_some(),
        "flushpackets" => one_of_three(word, told),
        "flusher" => short(word, told),
        _ => true,
    };
    // The readers above have said what is wrong; the value itself means nothing here.
    let _ = readable;
}

fn one_of_three(word: &Word, told: &mut Told) -> bool {
    let known = matches!(&*word.value.to_ascii_lowercase(), "on" | "off" | "auto");
    if !known {
        told.error(&word.at, "FlushPackets must be on|off|auto".to_owned(), None);
    }
    known
}

fn short(word: &Word, told: &mut Told) -> bool {
    let fits = word.value.len() < 16;
    if !fits {
        told.error(&word.at, "flusher name length must be < 16 characters".to_owned(), None);
    }
    fits
}

fn status(word: &Word, member: &mut Member, own: &mut MemberRules, told: &mut Told) {
    let (mut set, mut down) = (true, false);
    let mut letters = word.value.chars();
    while let Some(mut letter) = letters.next() {
        // A sign counts from here on, and a letter must follow.
        if let '+' | '-' = letter {
            set = letter == '+';
            letter = letters.next().unwrap_or(' ');
        }
        match letter.to_ascii_uppercase() {
            'D' => own.disabled = set,
            'S' => own.stopped = set,
            'U' => down = set,
            'N' => own.drain = set,
            'H' => member.backup = set,
            'R' => member.spare = set,
            'I' => own.ignore_errors = set,
            'C' => own.failed = set,
            'E' | 'G' | 'O' | 'F' => {}
            _ => told.error(&word.at, format!("unknown status letter `{letter}`"), None),
        }
    }
    member.state = match own.state() {
        _ if down => MemberState::Disabled,
        state => state,
    };
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
