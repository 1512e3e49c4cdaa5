//! `[[pool]]` and its members in their normal form.

use std::fmt::Write;

use evenkeel_plan::{
    Affinity, Check, CookieAffinity, HashKey, Health, HostHeader, HttpCheck, Member, MemberPort,
    MemberProtocol, OnDown, Passive, Pool, PoolLimits, PoolTimeouts, ProxyVersion, Retry, RetryOn,
    Source, StatusRange,
};

use super::parts::{Keys, duration, list, number, one_or_more, quoted, size};
use crate::native::units::print_hex;

pub(super) fn pool(pool: &Pool) -> String {
    let usual = Pool::new(pool.name.clone());
    let mut keys = Keys::default();
    keys.put("name", quoted(&pool.name));
    keys.unless("policy", &pool.policy, &usual.policy, |policy| quoted(policy.name()));
    keys.unless("hash_key", &pool.hash_key, &usual.hash_key, hash_key);
    if let Some(affinity) = &pool.affinity {
        keys.table("affinity", self::affinity(affinity));
    }
    keys.table("retry", retry(&pool.retry));
    keys.table("timeouts", timeouts(&pool.timeouts));
    keys.table("limits", limits(&pool.limits));
    if pool.protocol == MemberProtocol::Http2 {
        keys.put("protocol", quoted("h2"));
    }
    keys.unless("grpc_web", &pool.grpc_web, &usual.grpc_web, bool::to_string);
    keys.unless("proxy_protocol", &pool.proxy_protocol, &usual.proxy_protocol, |version| {
        quoted(version.map_or("off", ProxyVersion::name))
    });
    keys.unless("source", &pool.source, &usual.source, |source| match source {
        Source::System => quoted("system"),
        Source::Client => quoted("client"),
        Source::Address(address) => quoted(&address.to_string()),
    });
    keys.unless("on_down", &pool.on_down, &usual.on_down, |on_down| match on_down {
        OnDown::Keep => quoted("keep"),
        OnDown::Close => quoted("close"),
    });
    keys.unless("host", &pool.host, &usual.host, |host| match host {
        HostHeader::Client => quoted("client"),
        HostHeader::Member => quoted("member"),
    });
    keys.unless("port", &pool.port, &usual.port, |port| match port {
        MemberPort::Own => quoted("own"),
        MemberPort::Listener => quoted("listener"),
    });
    keys.table("tcp", super::listener::tcp(&pool.tcp, &usual.tcp));
    if let Some(tls) = &pool.tls {
        keys.table("tls", super::tls::pool(tls));
    }
    let short = pool.members.iter().all(|member| *member == Member::new(member.address.clone()));
    if short && !pool.members.is_empty() {
        let addresses: Vec<String> =
            pool.members.iter().map(|member| quoted(&member.address.to_string())).collect();
        keys.put("members", list("members", &addresses));
    }
    let mut out = format!("[[pool]]\n{}", keys.lines("pool"));
    let health = health(&pool.health);
    // Writing to a String cannot fail.
    if !health.is_empty() {
        let _ = write!(out, "\n[pool.health]\n{}", health.lines("pool.health"));
    }
    if !short {
        for member in &pool.members {
            let _ = write!(out, "\n[[pool.member]]\n{}", self::member(member).lines("pool.member"));
        }
    }
    out
}

fn hash_key(key: &HashKey) -> String {
    quoted(&match key {
        HashKey::Client => "client".to_owned(),
        HashKey::Uri => "uri".to_owned(),
        HashKey::Path => "path".to_owned(),
        HashKey::Header(name) => format!("header:{name}"),
        HashKey::Cookie(name) => format!("cookie:{name}"),
        HashKey::Query(name) => format!("query:{name}"),
    })
}

fn affinity(affinity: &Affinity) -> Keys {
    let mut keys = Keys::default();
    match affinity {
        Affinity::Cookie(cookie) if *cookie == CookieAffinity::named(&cookie.name) => {
            keys.put("cookie", quoted(&cookie.name));
        }
        Affinity::Cookie(cookie) => keys.table("cookie", self::cookie(cookie)),
        Affinity::Application { cookie, parameter, separator, set_cookie, failover } => {
            let short = *parameter == cookie.to_ascii_lowercase();
            let both = format!("{cookie}|{parameter}");
            keys.put("application", quoted(if short { cookie } else { &both }));
            keys.unless("separator", separator, &Some(b'.'), |separator| match separator {
                Some(byte) => quoted(&char::from(*byte).to_string()),
                None => "false".to_owned(),
            });
            if let Some(text) = set_cookie {
                keys.put("set_cookie", quoted(text));
            }
            keys.unless("failover", failover, &true, bool::to_string);
        }
        Affinity::Client => keys.put("client", quoted("source")),
    }
    keys
}

fn cookie(cookie: &CookieAffinity) -> Keys {
    let usual = CookieAffinity::named(&cookie.name);
    let mut keys = Keys::default();
    keys.put("name", quoted(&cookie.name));
    keys.unless("path", &cookie.path, &usual.path, |path| quoted(path));
    if let Some(domain) = &cookie.domain {
        keys.put("domain", quoted(domain));
    }
    if let Some(max_age) = &cookie.max_age {
        keys.put("max_age", duration(max_age));
    }
    if let Some(secure) = cookie.secure {
        keys.put("secure", secure.to_string());
    }
    keys.unless("http_only", &cookie.http_only, &usual.http_only, bool::to_string);
    keys.unless("same_site", &cookie.same_site, &usual.same_site, |word| quoted(word));
    if let Some(key) = &cookie.key {
        keys.put("key", quoted(key));
    }
    keys
}

fn retry(retry: &Retry) -> Keys {
    let usual = Retry::default();
    let mut keys = Keys::default();
    keys.unless("attempts", &retry.attempts, &usual.attempts, number);
    keys.unless("on", &retry.on, &usual.on, |on| {
        one_or_more(on, |cause| match cause {
            RetryOn::Connect => quoted("connect"),
            RetryOn::ResetBeforeResponse => quoted("reset-before-response"),
            RetryOn::Timeout => quoted("timeout"),
            RetryOn::GrpcUnavailable => quoted("grpc-unavailable"),
            RetryOn::Status(status) => number(status),
        })
    });
    keys.unless("budget", &retry.budget, &usual.budget, |budget| quoted(&budget.to_string()));
    keys.unless("non_idempotent", &retry.non_idempotent, &usual.non_idempotent, bool::to_string);
    keys
}

fn timeouts(t: &PoolTimeouts) -> Keys {
    let usual = PoolTimeouts::default();
    let mut keys = Keys::default();
    keys.unless("connect", &t.connect, &usual.connect, duration);
    keys.unless("response", &t.response, &usual.response, duration);
    keys.unless("idle", &t.idle, &usual.idle, duration);
    keys.unless("queue", &t.queue, &usual.queue, duration);
    keys
}

fn limits(l: &PoolLimits) -> Keys {
    let usual = PoolLimits::default();
    let mut keys = Keys::default();
    keys.unless("queue", &l.queue, &usual.queue, number);
    keys.unless("idle_connections", &l.idle_connections, &usual.idle_connections, number);
    keys.unless("streams", &l.streams, &usual.streams, number);
    keys.unless("header_bytes", &l.header_bytes, &usual.header_bytes, size);
    keys.unless("headers", &l.headers, &usual.headers, number);
    keys
}

fn health(health: &Health) -> Keys {
    let usual = Health::default();
    let mut keys = Keys::default();
    match &health.check {
        None => {}
        Some(Check::Tcp(check)) => exchange(&mut keys, "tcp", &check.send, &check.expect),
        Some(Check::Udp(check)) => exchange(&mut keys, "udp", &check.send, &check.expect),
        Some(Check::Http(check)) => http(&mut keys, check),
        Some(Check::Grpc(check)) => {
            keys.put("check", quoted("grpc"));
            keys.unless("service", &check.service, &String::new(), |text| quoted(text));
        }
    }
    keys.unless("interval", &health.interval, &usual.interval, duration);
    keys.unless("timeout", &health.timeout, &usual.timeout, duration);
    keys.unless("fall", &health.fall, &usual.fall, number);
    keys.unless("rise", &health.rise, &usual.rise, number);
    match &health.passive {
        None => keys.put("passive", "false".to_owned()),
        // Empty when all is as usual.
        Some(passive) => keys.table("passive", self::passive(passive)),
    }
    keys
}

fn exchange(keys: &mut Keys, word: &str, send: &[u8], expect: &[u8]) {
    let usual: &[u8] = &[];
    keys.put("check", quoted(word));
    keys.unless("send", &send, &usual, |send| bytes(send));
    keys.unless("expect", &expect, &usual, |expect| bytes(expect));
}

/// Text where it is fit to be read, else hexadecimal.
fn bytes(bytes: &[u8]) -> String {
    let plain = |text: &&str| text.chars().all(|c| !c.is_control() || "\r\n\t".contains(c));
    match str::from_utf8(bytes).ok().filter(plain) {
        Some(text) => quoted(text),
        None => {
            let mut inner = Keys::default();
            inner.put("hex", quoted(&print_hex(bytes)));
            inner.inline()
        }
    }
}

fn http(keys: &mut Keys, check: &HttpCheck) {
    let usual = HttpCheck::default();
    keys.put("check", quoted("http"));
    keys.unless("path", &check.path, &usual.path, |path| quoted(path));
    keys.unless("method", &check.method, &usual.method, |method| quoted(method));
    if let Some(host) = &check.host {
        keys.put("host", quoted(host));
    }
    keys.unless("status", &check.status, &usual.status, |ranges| one_or_more(ranges, status));
    if let Some(body) = &check.body {
        keys.put("body", quoted(body));
    }
}

fn passive(passive: &Passive) -> Keys {
    let usual = Passive::default();
    let mut keys = Keys::default();
    keys.unless("errors", &passive.errors, &usual.errors, number);
    keys.unless("window", &passive.window, &usual.window, duration);
    keys.unless("eject", &passive.eject, &usual.eject, duration);
    keys.unless("statuses", &passive.statuses, &usual.statuses, |ranges| {
        one_or_more(ranges, status)
    });
    keys.unless("only_connect", &passive.only_connect, &usual.only_connect, bool::to_string);
    keys
}

fn status(range: &StatusRange) -> String {
    if range.first == range.last {
        return range.first.to_string();
    }
    quoted(&format!("{}-{}", range.first, range.last))
}

fn member(member: &Member) -> Keys {
    let usual = Member::new(member.address.clone());
    let mut keys = Keys::default();
    keys.put("address", quoted(&member.address.to_string()));
    keys.unless("tag", &member.tag, &usual.tag, |tag| quoted(tag));
    keys.unless("weight", &member.weight, &usual.weight, number);
    keys.unless("tier", &member.tier, &usual.tier, number);
    keys.unless("backup", &member.backup, &usual.backup, bool::to_string);
    keys.unless("spare", &member.spare, &usual.spare, bool::to_string);
    keys.unless("state", &member.state, &usual.state, |state| quoted(state.name()));
    if let Some(max_requests) = &member.max_requests {
        keys.put("max_requests", number(max_requests));
    }
    if let Some(id) = &member.quic_id {
        keys.put("quic_id", quoted(&print_hex(id)));
    }
    keys.unless("path", &member.path, &usual.path, |path| quoted(path));
    if let Some(redirect) = &member.redirect {
        keys.put("redirect", quoted(redirect));
    }
    keys.unless("slow_start", &member.slow_start, &usual.slow_start, duration);
    keys
}
