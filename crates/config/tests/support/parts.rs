//! Strategies for listeners and routes.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_plan::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9_.:/$#=-]{1,12}".prop_map(|text| Name::new(&text).unwrap())
}

pub fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1_u64..100_000).prop_map(Duration::from_millis),
        (1_u64..100_000).prop_map(Duration::from_secs),
        (1_u64..3650).prop_map(|days| Duration::from_secs(days * 86_400)),
    ]
}

pub fn time_or_zero() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), time()]
}

pub fn bytes(least: u64, most: u64) -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (least..=most).prop_map(Bytes),
        (least.div_ceil(1024)..=(most >> 10)).prop_map(Bytes::kib),
        (least.div_ceil(1000)..=(most / 1000)).prop_map(|n| Bytes(n * 1000)),
    ]
}

/// Text with all that quoting must get right.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${HOME}".to_owned()),
        Just("$${".to_owned()),
        Just("\"'\\".to_owned()),
        Just("\n\r\t\u{0}\u{7f}\u{85}".to_owned()),
        "[a-z $#{}=é☃]{0,6}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

pub fn token() -> impl Strategy<Value = String> {
    "[a-z0-9!#$%&'*+.^_`~-]{1,10}"
}

pub fn path_text() -> impl Strategy<Value = String> {
    "/[a-zA-Z0-9.$%'\"\\\\{}-]{0,8}"
}

pub fn bind() -> impl Strategy<Value = BindAddress> {
    prop_oneof![
        any::<std::net::SocketAddrV4>().prop_map(|a| BindAddress::Socket(a.into())),
        (any::<[u16; 8]>(), any::<u16>()).prop_map(|(ip, port)| BindAddress::Socket(
            std::net::SocketAddr::new(std::net::Ipv6Addr::from(ip).into(), port)
        )),
        "/[a-z${}'/ ]{1,20}".prop_map(|path| BindAddress::Unix(path.into())),
    ]
}

fn network() -> impl Strategy<Value = Cidr> {
    prop_oneof![
        (any::<std::net::Ipv4Addr>(), 0_u8..=32).prop_map(|(ip, n)| Cidr::new(ip.into(), n)),
        (any::<std::net::Ipv6Addr>(), 0_u8..=128).prop_map(|(ip, n)| Cidr::new(ip.into(), n)),
    ]
    .prop_map(Option::unwrap)
}

/// A value, or now and then the default.
pub fn or<T: Clone + std::fmt::Debug + 'static>(
    usual: T,
    other: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![Just(usual), other].boxed()
}

fn listener_timeouts() -> impl Strategy<Value = ListenerTimeouts> {
    let d = ListenerTimeouts::default();
    (
        or(d.header, time()),
        or(d.idle, time()),
        or(d.request, time_or_zero()),
        or(d.tunnel, time()),
        or(d.send, time()),
    )
        .prop_map(|(header, idle, request, tunnel, send)| ListenerTimeouts {
            header,
            idle,
            request,
            tunnel,
            send,
        })
}

fn listener_limits() -> impl Strategy<Value = ListenerLimits> {
    let d = ListenerLimits::default();
    (
        or(d.header_bytes, bytes(1 << 10, 1 << 20)),
        or(d.uri_bytes, bytes(256, 1 << 20)),
        or(d.headers, 1_u32..=10_000),
        or(d.body, prop_oneof![Just(Bytes(0)), bytes(0, u64::MAX)]),
        (or(d.connections, 1_u32..=10_000_000), or(d.handshakes, 1_u32..=1_000_000)),
        or(d.requests_per_connection, any::<u32>()),
        or(d.streams, 1_u32..=10_000),
        or(d.body_rate_min, any::<u32>()),
    )
        .prop_map(
            |(
                header_bytes,
                uri_bytes,
                headers,
                body,
                (connections, handshakes),
                most,
                streams,
                rate,
            )| {
                ListenerLimits {
                    header_bytes,
                    uri_bytes,
                    headers,
                    body,
                    connections,
                    handshakes,
                    requests_per_connection: most,
                    streams,
                    body_rate_min: rate,
                }
            },
        )
}

fn forwarded() -> impl Strategy<Value = Forwarded> {
    use ForwardedStyle::*;
    let d = Forwarded::default();
    (
        select(vec![XForwarded, Rfc7239, Both, Off, Apache]),
        prop::collection::vec(network(), 0..3),
        any::<bool>(),
        or(d.request_id, of("x-[a-z]{1,6}")),
    )
        .prop_map(|(style, trusted, via, request_id)| Forwarded {
            style,
            trusted,
            via,
            request_id,
        })
}

/// Addresses, now and then ports in a row.
fn binds() -> impl Strategy<Value = Vec<BindAddress>> {
    let run = (bind(), 1..50_u16).prop_map(|(bind, more)| match bind {
        BindAddress::Socket(first) => (first.port()..=first.port().saturating_add(more))
            .map(|port| BindAddress::Socket(std::net::SocketAddr::new(first.ip(), port)))
            .collect(),
        unix => vec![unix],
    });
    let one = bind().prop_map(|bind| vec![bind]);
    prop::collection::vec(prop_oneof![3 => one, 1 => run], 1..4).prop_map(|binds| binds.concat())
}

fn proxy_protocol() -> impl Strategy<Value = ProxyProtocol> {
    let mode = select(ProxyMode::ALL.map(|(mode, _)| mode).to_vec());
    let trusted = prop::collection::vec(network(), 0..3);
    (mode, or(ProxyProtocol::default_trusted(), trusted))
        .prop_map(|(mode, trusted)| ProxyProtocol { mode, trusted })
}

pub fn tcp(usual: TcpOptions) -> impl Strategy<Value = TcpOptions> {
    let user_timeout = (1000_u64..=3_600_000).prop_map(Duration::from_millis);
    (
        or(usual.keep_alive, of((1_u64..=9 * 3600).prop_map(Duration::from_secs))),
        or(usual.user_timeout, of(user_timeout)),
    )
        .prop_map(|(keep_alive, user_timeout)| TcpOptions { keep_alive, user_timeout })
}

fn udp() -> impl Strategy<Value = Udp> {
    (of(1_u32..=65_535), any::<bool>()).prop_map(|(responses, quic)| Udp { responses, quic })
}

pub fn files() -> impl Strategy<Value = CertificateFiles> {
    ("[a-z]{1,8}/[a-z]{1,8}\\.pem", "/[a-z]{1,8}\\.key", of("[a-z]{1,8}\\.ocsp")).prop_map(
        |(cert, key, ocsp)| CertificateFiles {
            cert: cert.into(),
            key: key.into(),
            ocsp: ocsp.map(Into::into),
            ordered: None,
        },
    )
}

fn client_certificates() -> impl Strategy<Value = ClientCertificates> {
    let crl = prop::collection::vec("[a-z]{1,8}\\.crl".prop_map(PathBuf::from), 0..3);
    ("[a-z]{1,8}\\.pem", any::<bool>(), crl, any::<bool>()).prop_map(
        |(ca, required, crl, forward)| ClientCertificates { ca: ca.into(), required, crl, forward },
    )
}

fn hsts() -> impl Strategy<Value = Hsts> {
    (0_u64..=3650 * 86_400, any::<bool>(), any::<bool>()).prop_map(
        |(seconds, subdomains, preload)| Hsts {
            max_age: Duration::from_secs(seconds),
            subdomains,
            preload,
        },
    )
}

/// For HTTP, or for TCP, which knows no HSTS.
fn listener_tls() -> impl Strategy<Value = ListenerTls> {
    (
        prop::collection::vec(files(), 1..3),
        select(Ciphers::ALL.map(|(ciphers, _)| ciphers).to_vec()),
        select(vec![TlsVersion::V12, TlsVersion::V13]),
        of(client_certificates()),
        of("[a-z]{1,8}\\.key".prop_map(PathBuf::from)),
        of(hsts()),
        any::<[bool; 2]>(),
    )
        .prop_map(
            |(certificates, ciphers, min_version, clients, ticket_keys, hsts, [refuse, early])| {
                ListenerTls {
                    certificates,
                    ciphers,
                    min_version,
                    early_data: early && ticket_keys.is_none() && clients.is_none(),
                    clients,
                    ticket_keys,
                    hsts,
                    refuse_misdirected: refuse,
                }
            },
        )
}

pub fn listener() -> impl Strategy<Value = Listener> {
    let usual =
        TcpOptions { keep_alive: Some(TcpOptions::LISTENER_KEEP_ALIVE), ..TcpOptions::default() };
    (
        (
            (name(), binds(), select(vec![Protocol::Http, Protocol::Tcp, Protocol::Udp])),
            select(vec![Versions::Any, Versions::Http1, Versions::Http2]),
        ),
        (listener_timeouts(), any::<bool>()),
        listener_limits(),
        forwarded(),
        proxy_protocol(),
        tcp(usual),
        (udp(), of(listener_tls()), of(1_u16..=65_535)),
    )
        .prop_map(
            |(
                ((name, bind, protocol), versions),
                (timeouts, plain),
                limits,
                forwarded,
                proxy,
                tcp,
                (udp, tls, redirect),
            )| {
                let usual = Listener::new(name, bind).speaking(protocol);
                let http = protocol == Protocol::Http;
                Listener {
                    versions: if http { versions } else { Versions::Any },
                    timeouts: if plain { usual.timeouts.clone() } else { timeouts },
                    limits,
                    forwarded,
                    proxy_protocol: proxy,
                    tcp,
                    udp,
                    redirect_https: redirect
                        .filter(|_| protocol == Protocol::Http && tls.is_none()),
                    tls: tls.filter(|_| protocol != Protocol::Udp).map(|tls| ListenerTls {
                        hsts: tls.hsts.filter(|_| protocol == Protocol::Http),
                        early_data: tls.early_data && protocol == Protocol::Http,
                        ..tls
                    }),
                    ..usual
                }
            },
        )
}

fn host() -> impl Strategy<Value = HostMatch> {
    prop_oneof![
        server_name(),
        Just(HostMatch::Exact("[::1]".to_owned())),
        Just(HostMatch::Exact("10.0.0.1".to_owned())),
    ]
}

fn server_name() -> impl Strategy<Value = HostMatch> {
    let name = || "[a-z0-9-]{0,8}[a-z_](\\.[a-z]{1,5}){0,2}";
    prop_oneof![name().prop_map(HostMatch::Exact), name().prop_map(HostMatch::Wildcard)]
}

/// A path as requests have it after normalisation.
fn normal_path() -> impl Strategy<Value = String> {
    "(/[a-zA-Z0-9$'\"\\\\{}-][.a-zA-Z0-9$'\"\\\\{}-]{0,5}(%2F|%C3)?){1,3}"
}

fn path() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        normal_path().prop_map(PathMatch::Exact),
        normal_path().prop_map(PathMatch::Prefix),
        Just(PathMatch::Prefix(String::new())),
        select(vec![r"^/v[0-9]+/", r#"\d{2,}"'"#, r"\.(png|jpe?g)$", "", r"[${]x}$"])
            .prop_map(|pattern| PathMatch::Regex(pattern.to_owned())),
    ]
}

fn header_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9$'\"\\\\;=é]{0,12}",
        Just("for={client}; ${A}".to_owned()),
        Just("{request_id} {".to_owned()),
    ]
}

fn header() -> impl Strategy<Value = String> {
    token().prop_map(|name| format!("x{name}"))
}

fn edits() -> impl Strategy<Value = HeaderEdits> {
    let set = prop::collection::btree_map(header(), header_value(), 0..3);
    let add =
        prop::collection::btree_map(header(), prop::collection::vec(header_value(), 1..3), 0..3);
    (prop::collection::vec(header(), 0..3), set, add).prop_map(|(remove, set, add)| HeaderEdits {
        remove,
        // Against the order of names: file order is what counts.
        set: set.into_iter().rev().collect(),
        add: add
            .into_iter()
            .rev()
            .flat_map(|(name, values)| values.into_iter().map(move |v| (name.clone(), v)))
            .collect(),
    })
}

fn split() -> impl Strategy<Value = Split> {
    let parts = prop::collection::vec((name(), 0_u16..=65535), 1..4);
    (parts, any::<bool>()).prop_map(|(mut parts, sticky)| {
        parts[0].1 = parts[0].1.max(1);
        Split { parts, sticky }
    })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let value = prop_oneof![
        Just(ValueMatch::Present),
        Just(ValueMatch::Absent),
        "[a-zA-Z0-9 =;\"'$]{0,8}".prop_map(ValueMatch::Exact),
        "[a-z]{1,4}[+*]?".prop_map(ValueMatch::Regex),
    ];
    let named = prop::collection::btree_map("[a-z]{1,5}", prop::collection::vec(value, 1..3), 0..3);
    let named = named.prop_map(|named| {
        let all = named.into_iter().rev();
        all.map(|(name, values)| Condition { name: format!("x{name}"), values }).collect::<Vec<_>>()
    });
    let client = select(vec!["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]);
    let clients = prop::collection::vec(client.prop_map(|text| text.parse().unwrap()), 0..3);
    (named.clone(), named.clone(), named, clients).prop_map(
        |(headers, cookies, queries, clients)| Conditions { headers, cookies, queries, clients },
    )
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        name().prop_map(Action::Pool),
        split().prop_map(Action::Split),
        (select(vec![301_u16, 302, 303, 307, 308]), "[a-z:/.?&$\"']{1,20}").prop_map(
            |(status, text)| Action::Redirect(Redirect { status, to: format!("{text}{{path}}") })
        ),
        (200_u16..=599, or(String::new(), text()), or_type()).prop_map(
            |(status, body, content_type)| Action::Respond(Respond { status, body, content_type })
        ),
    ]
}

fn or_type() -> impl Strategy<Value = String> {
    or("text/plain; charset=utf-8".to_owned(), "[a-z]{1,6}/[a-z]{1,6}")
}

/// What is looked for in a ClientHello.
fn hello() -> impl Strategy<Value = (Vec<HostMatch>, Vec<String>)> {
    let alpn = text().prop_map(|text| format!("h{}", text.chars().take(60).collect::<String>()));
    (prop::collection::vec(server_name(), 0..3), prop::collection::vec(alpn, 0..3))
}

pub fn route() -> impl Strategy<Value = Route> {
    let rewrite = (normal_path(), path_text()).prop_map(|(prefix, to)| Rewrite { prefix, to });
    let reverse = ("(http://[a-z]{1,8})?/[a-z]{0,8}", "/[a-z]{0,8}")
        .prop_map(|(from, to)| Reverse { from, to });
    (
        name(),
        prop::collection::vec(host(), 0..3),
        prop::collection::vec(path(), 0..3),
        (prop::collection::vec(token(), 0..3), conditions()),
        hello(),
        action(),
        of(rewrite),
        (edits(), edits()),
        prop::collection::vec(reverse, 0..3),
    )
        .prop_map(
            |(
                name,
                hosts,
                paths,
                (methods, conditions),
                (sni, alpn),
                action,
                rewrite,
                edits,
                reverse,
            )| Route {
                conditions,
                hosts,
                paths,
                methods,
                sni,
                alpn,
                rewrite,
                request_headers: edits.0,
                response_headers: edits.1,
                reverse,
                ..Route::new(name, action)
            },
        )
}
