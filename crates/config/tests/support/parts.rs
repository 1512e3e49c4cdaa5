//! Strategies for listeners, routes and pools.

use std::time::Duration;

use evenkeel_plan::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9_.:/$#=-]{1,12}".prop_map(|text| Name::new(&text).unwrap())
}

/// A tag: it stands in a cookie.
fn tag() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9_.:/$#-]{1,12}".prop_map(|text| Name::new(&text).unwrap())
}

pub fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1_u64..100_000).prop_map(Duration::from_millis),
        (1_u64..100_000).prop_map(Duration::from_secs),
        (1_u64..3650).prop_map(|days| Duration::from_secs(days * 86_400)),
    ]
}

fn time_or_zero() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), time()]
}

fn bytes(least: u64, most: u64) -> impl Strategy<Value = Bytes> {
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

fn token() -> impl Strategy<Value = String> {
    "[a-z0-9!#$%&'*+.^_`~-]{1,10}"
}

fn path_text() -> impl Strategy<Value = String> {
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

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        (any::<u32>(), 1..=u16::MAX).prop_map(|(ip, port)| Address::Socket(
            std::net::SocketAddr::new(std::net::Ipv4Addr::from(ip).into(), port)
        )),
        (any::<[u16; 8]>(), 1..=u16::MAX).prop_map(|(ip, port)| Address::Socket(
            std::net::SocketAddr::new(std::net::Ipv6Addr::from(ip).into(), port)
        )),
        ("[a-z_][a-z0-9_-]{0,8}(\\.[a-z0-9]{1,8}){0,2}", 1..=u16::MAX)
            .prop_map(|(host, port)| Address::Name(HostName::new(&host).unwrap(), port)),
        "/[a-z${}' ]{1,20}".prop_map(|path| Address::Unix(path.into())),
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
fn or<T: Clone + std::fmt::Debug + 'static>(
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
        or(d.connections, 1_u32..=10_000_000),
        or(d.requests_per_connection, any::<u32>()),
        or(d.body_rate_min, any::<u32>()),
    )
        .prop_map(|(header_bytes, uri_bytes, headers, body, connections, most, rate)| {
            ListenerLimits {
                header_bytes,
                uri_bytes,
                headers,
                body,
                connections,
                requests_per_connection: most,
                body_rate_min: rate,
            }
        })
}

fn forwarded() -> impl Strategy<Value = Forwarded> {
    use ForwardedStyle::*;
    let d = Forwarded::default();
    (
        select(vec![XForwarded, Rfc7239, Both, Off]),
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

pub fn listener() -> impl Strategy<Value = Listener> {
    (
        name(),
        prop::collection::vec(bind(), 1..4),
        listener_timeouts(),
        listener_limits(),
        forwarded(),
    )
        .prop_map(|(name, bind, timeouts, limits, forwarded)| Listener {
            timeouts,
            limits,
            forwarded,
            ..Listener::new(name, bind)
        })
}

fn host() -> impl Strategy<Value = HostMatch> {
    prop_oneof![
        "[a-z0-9-]{1,8}(\\.[a-z]{1,5}){0,2}".prop_map(HostMatch::Exact),
        "[a-z0-9-]{1,8}(\\.[a-z]{1,5}){0,2}".prop_map(HostMatch::Wildcard),
        Just(HostMatch::Exact("[::1]".to_owned())),
    ]
}

fn path() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        path_text().prop_map(PathMatch::Exact),
        path_text().prop_map(PathMatch::Prefix),
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

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        name().prop_map(Action::Pool),
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

pub fn route() -> impl Strategy<Value = Route> {
    let rewrite = (path_text(), path_text()).prop_map(|(prefix, to)| Rewrite { prefix, to });
    (
        name(),
        prop::collection::vec(host(), 0..3),
        prop::collection::vec(path(), 0..3),
        prop::collection::vec(token(), 0..3),
        action(),
        of(rewrite),
        edits(),
        edits(),
    )
        .prop_map(|(name, hosts, paths, methods, action, rewrite, request, response)| Route {
            hosts,
            paths,
            methods,
            rewrite,
            request_headers: request,
            response_headers: response,
            ..Route::new(name, action)
        })
}

fn affinity() -> impl Strategy<Value = Affinity> {
    let cookie = (
        token(),
        or("/".to_owned(), path_text()),
        of("[a-z.]{1,10}"),
        of(time()),
        of(any::<bool>()),
        any::<bool>(),
        select(vec!["Lax", "Strict", "None"]),
        of(text().prop_map(|text| format!("sixteen letters {text}"))),
    )
        .prop_map(|(name, path, domain, max_age, secure, http_only, same_site, key)| {
            Affinity::Cookie(CookieAffinity {
                name,
                path,
                domain,
                max_age,
                secure,
                http_only,
                same_site: same_site.to_owned(),
                key,
            })
        });
    let application = ("[A-Za-z_-]{1,8}", of("[A-Za-z_-]{1,8}"), of(b'!'..=b'~')).prop_map(
        |(cookie, parameter, separator)| Affinity::Application {
            parameter: parameter.unwrap_or_else(|| cookie.to_ascii_lowercase()),
            cookie,
            separator,
        },
    );
    prop_oneof![
        token().prop_map(|name| Affinity::Cookie(CookieAffinity::named(&name))),
        cookie,
        application,
        Just(Affinity::Client),
    ]
}

fn statuses() -> impl Strategy<Value = Vec<StatusRange>> {
    let range = (100_u16..=599, 0_u16..=100)
        .prop_map(|(first, more)| StatusRange { first, last: (first + more).min(599) });
    prop::collection::vec(range, 0..3)
}

fn check() -> impl Strategy<Value = Check> {
    let d = HttpCheck::default();
    prop_oneof![
        (text(), text()).prop_map(|(send, expect)| Check::Tcp(TcpCheck {
            send: send.into_bytes(),
            expect: expect.into_bytes(),
        })),
        (
            or(d.method, token()),
            or(d.path, path_text()),
            of("[a-z.:]{1,10}"),
            or(d.status, statuses()),
            of(text()),
        )
            .prop_map(|(method, path, host, status, body)| Check::Http(HttpCheck {
                method,
                path,
                host,
                status,
                body,
            })),
    ]
}

fn health() -> impl Strategy<Value = Health> {
    let d = Health::default();
    let p = Passive::default();
    let passive =
        (or(p.errors, 1_u32..=100_000), or(p.window, time()), or(p.eject, time()), statuses())
            .prop_map(|(errors, window, eject, statuses)| Passive {
                errors,
                window,
                eject,
                statuses,
            });
    let interval = time().prop_map(|t| t.max(Duration::from_millis(100)));
    (
        of(check()),
        or(d.interval, interval),
        or(d.timeout, time()),
        or(d.fall, 1_u32..=1000),
        or(d.rise, 1_u32..=1000),
        of(passive),
    )
        .prop_map(|(check, interval, timeout, fall, rise, passive)| Health {
            check,
            interval,
            timeout,
            fall,
            rise,
            passive,
        })
}

fn retry() -> impl Strategy<Value = Retry> {
    let d = Retry::default();
    let cause = prop_oneof![
        Just(RetryOn::Connect),
        Just(RetryOn::ResetBeforeResponse),
        Just(RetryOn::Timeout),
        Just(RetryOn::Status(429)),
        (500_u16..=599).prop_map(RetryOn::Status),
    ];
    (
        or(d.attempts, 0_u8..=15),
        or(d.on, prop::collection::vec(cause, 0..4)),
        (0_u8..=100).prop_map(|n| Percent::new(n).unwrap()),
        any::<bool>(),
    )
        .prop_map(|(attempts, on, budget, non_idempotent)| Retry {
            attempts,
            on,
            budget,
            non_idempotent,
        })
}

fn pool_timeouts() -> impl Strategy<Value = PoolTimeouts> {
    let d = PoolTimeouts::default();
    (or(d.connect, time()), or(d.response, time()), or(d.idle, time()), or(d.queue, time()))
        .prop_map(|(connect, response, idle, queue)| PoolTimeouts {
            connect,
            response,
            idle,
            queue,
        })
}

fn pool_limits() -> impl Strategy<Value = PoolLimits> {
    let d = PoolLimits::default();
    (
        or(d.queue, 0_u32..=1_000_000),
        or(d.idle_connections, 0_u32..=100_000),
        or(d.header_bytes, bytes(1 << 10, 1 << 20)),
        or(d.headers, 1_u32..=10_000),
    )
        .prop_map(|(queue, idle_connections, header_bytes, headers)| PoolLimits {
            queue,
            idle_connections,
            header_bytes,
            headers,
        })
}

fn member() -> impl Strategy<Value = Member> {
    let long = (
        address(),
        of(tag()),
        (1_u32..=100_000).prop_map(|n| Weight::from_hundredths(n).unwrap()),
        or(0, 0_u8..=99),
        any::<bool>(),
        any::<bool>(),
        select(MemberState::ALL.map(|(state, _)| state).to_vec()),
        of(1_u32..=10_000_000),
        time_or_zero(),
    )
        .prop_map(|(address, tag, weight, tier, backup, spare, state, max_requests, slow)| {
            let usual = Member::new(address);
            Member {
                tag: tag.unwrap_or_else(|| usual.tag.clone()),
                weight,
                tier,
                backup,
                spare,
                state,
                max_requests,
                slow_start: slow,
                ..usual
            }
        });
    prop_oneof![address().prop_map(Member::new), long]
}

fn hash_key() -> impl Strategy<Value = HashKey> {
    prop_oneof![
        Just(HashKey::Client),
        Just(HashKey::Uri),
        Just(HashKey::Path),
        token().prop_map(HashKey::Header),
        token().prop_map(HashKey::Cookie),
        token().prop_map(HashKey::Query),
    ]
}

pub fn pool() -> impl Strategy<Value = Pool> {
    let members = prop_oneof![
        prop::collection::vec(address().prop_map(Member::new), 0..8),
        prop::collection::vec(member(), 0..4),
    ];
    (
        name(),
        select(Policy::ALL.map(|(policy, _)| policy).to_vec()),
        hash_key(),
        of(affinity()),
        retry(),
        pool_timeouts(),
        pool_limits(),
        health(),
        members,
    )
        .prop_map(
            |(name, policy, hash_key, affinity, retry, timeouts, limits, health, members)| Pool {
                policy,
                hash_key,
                affinity,
                retry,
                timeouts,
                limits,
                health,
                members,
                ..Pool::new(name)
            },
        )
}
