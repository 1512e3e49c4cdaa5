//! `[[listener]]` in its normal form.

use std::time::Duration;

use evenkeel_plan::{
    BindAddress, Cidr, Forwarded, Listener, ListenerLimits, ListenerTimeouts, Protocol, TcpOptions,
    Udp, Versions,
};

use super::parts::{Keys, duration, list, number, one_or_more, quoted, size};
use crate::native::listener::{default_name, style_word};

pub(super) fn listener(listener: &Listener) -> Keys {
    let mut keys = Keys::default();
    if default_name(listener).as_ref() != Some(&listener.name) {
        keys.put("name", quoted(&listener.name));
    }
    let bind: Vec<String> = folded(&listener.bind).iter().map(|text| quoted(text)).collect();
    keys.put("bind", if let [one] = &bind[..] { one.clone() } else { list("bind", &bind) });
    let usual = Listener::new(listener.name.clone(), Vec::new()).speaking(listener.protocol);
    keys.unless("protocol", &listener.protocol, &Protocol::Http, |protocol| {
        quoted(protocol.name())
    });
    keys.unless("versions", &listener.versions, &Versions::Any, |versions| quoted(versions.name()));
    let proxy = (&listener.proxy_protocol, &usual.proxy_protocol);
    if proxy.0.trusted == proxy.1.trusted {
        keys.unless("proxy_protocol", &proxy.0.mode, &proxy.1.mode, |mode| quoted(mode.name()));
    } else {
        let mut inner = Keys::default();
        inner.put("mode", quoted(proxy.0.mode.name()));
        inner.put("trusted", networks(&proxy.0.trusted));
        keys.table("proxy_protocol", inner);
    }
    if let Some(pool) = &listener.pool {
        keys.put("pool", quoted(pool));
    }
    keys.table("timeouts", timeouts(&listener.timeouts, &usual.timeouts));
    keys.table("limits", limits(&listener.limits));
    keys.table("forwarded", forwarded(&listener.forwarded));
    keys.table("tcp", tcp(&listener.tcp, &usual.tcp));
    keys.table("udp", udp(&listener.udp, &usual.udp));
    if let Some(port) = &listener.redirect_https {
        keys.put("redirect_https", if *port == 443 { "true".to_owned() } else { number(port) });
    }
    if let Some(tls) = &listener.tls {
        keys.table("tls", super::tls::listener(tls));
    }
    keys
}

/// The addresses, three and more ports in a row as a range.
fn folded(bind: &[BindAddress]) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = bind;
    while let [first, ..] = rest {
        let length = run(rest);
        if let (BindAddress::Socket(first), 3..) = (first, length) {
            let last = usize::from(first.port()) + length - 1;
            out.push(format!("{first}-{last}"));
            rest = &rest[length..];
        } else {
            out.push(first.to_string());
            rest = &rest[1..];
        }
    }
    out
}

/// How many of the first addresses are ports in a row of one IP address.
fn run(bind: &[BindAddress]) -> usize {
    let follows = |pair: &&[BindAddress]| match pair {
        [BindAddress::Socket(one), BindAddress::Socket(next)] => {
            let mut after = *one;
            after.set_port(one.port().wrapping_add(1));
            one.port() > 0 && after == *next && next.port() > 0
        }
        _ => false,
    };
    1 + bind.windows(2).take_while(follows).count()
}

fn timeouts(t: &ListenerTimeouts, usual: &ListenerTimeouts) -> Keys {
    let mut keys = Keys::default();
    keys.unless("header", &t.header, &usual.header, duration);
    keys.unless("idle", &t.idle, &usual.idle, duration);
    keys.unless("request", &t.request, &usual.request, duration);
    keys.unless("tunnel", &t.tunnel, &usual.tunnel, duration);
    keys.unless("send", &t.send, &usual.send, duration);
    keys
}

fn limits(l: &ListenerLimits) -> Keys {
    let usual = ListenerLimits::default();
    let mut keys = Keys::default();
    keys.unless("header_bytes", &l.header_bytes, &usual.header_bytes, size);
    keys.unless("uri_bytes", &l.uri_bytes, &usual.uri_bytes, size);
    keys.unless("headers", &l.headers, &usual.headers, number);
    keys.unless("body", &l.body, &usual.body, size);
    keys.unless("connections", &l.connections, &usual.connections, number);
    keys.unless("handshakes", &l.handshakes, &usual.handshakes, number);
    keys.unless(
        "requests_per_connection",
        &l.requests_per_connection,
        &usual.requests_per_connection,
        number,
    );
    keys.unless("streams", &l.streams, &usual.streams, number);
    keys.unless("body_rate_min", &l.body_rate_min, &usual.body_rate_min, number);
    keys
}

fn forwarded(f: &Forwarded) -> Keys {
    let usual = Forwarded::default();
    let mut keys = Keys::default();
    keys.unless("style", &f.style, &usual.style, |style| quoted(style_word(*style)));
    keys.unless("trusted", &f.trusted, &usual.trusted, |trusted| networks(trusted));
    keys.unless("via", &f.via, &usual.via, bool::to_string);
    keys.unless("request_id", &f.request_id, &usual.request_id, |name| match name {
        Some(name) => quoted(name),
        None => "false".to_owned(),
    });
    keys
}

fn networks(networks: &[Cidr]) -> String {
    one_or_more(networks, |network| quoted(&network.to_string()))
}

pub(super) fn tcp(tcp: &TcpOptions, usual: &TcpOptions) -> Keys {
    let time = |time: &Option<Duration>| time.as_ref().map_or_else(|| quoted("off"), duration);
    let mut keys = Keys::default();
    keys.unless("keep_alive", &tcp.keep_alive, &usual.keep_alive, time);
    keys.unless("user_timeout", &tcp.user_timeout, &usual.user_timeout, time);
    keys
}

fn udp(udp: &Udp, usual: &Udp) -> Keys {
    let mut keys = Keys::default();
    if let Some(responses) = &udp.responses {
        keys.put("responses", number(responses));
    }
    keys.unless("quic", &udp.quic, &usual.quic, bool::to_string);
    keys
}
