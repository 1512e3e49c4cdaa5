//! Strategies for pools and members.

use std::time::Duration;

use evenkeel_plan::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::parts::{bytes, name, or, path_text, tcp, text, time, time_or_zero, token};

/// A tag: it stands in a cookie.
fn tag() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9_.:/$#-]{1,12}".prop_map(|text| Name::new(&text).unwrap())
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
    let application =
        ("[A-Za-z_-]{1,8}", of("[A-Za-z_-]{1,8}"), of(b'!'..=b'~'), any::<(bool, bool)>())
            .prop_map(|(cookie, parameter, separator, (tells, failover))| Affinity::Application {
                parameter: parameter.unwrap_or_else(|| cookie.to_ascii_lowercase()),
                set_cookie: tells.then(|| format!("{cookie}=.{{tag}}; path=/")),
                cookie,
                separator,
                failover,
            });
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

/// Text or bytes, few enough for a datagram.
fn exchanged() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        text().prop_map(|text| text.chars().take(300).collect::<String>().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn check() -> impl Strategy<Value = Check> {
    let d = HttpCheck::default();
    prop_oneof![
        (exchanged(), exchanged()).prop_map(|(send, expect)| Check::Tcp(TcpCheck { send, expect })),
        (exchanged(), exchanged()).prop_map(|(send, expect)| Check::Udp(UdpCheck { send, expect })),
        "[a-z.\"$]{0,9}".prop_map(|service| Check::Grpc(GrpcCheck { service })),
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
    let passive = (
        or(p.errors, 1_u32..=100_000),
        or(p.window, time()),
        or(p.eject, time()),
        statuses(),
        any::<bool>(),
    )
        .prop_map(|(errors, window, eject, statuses, only_connect)| Passive {
            only_connect,
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
        Just(RetryOn::GrpcUnavailable),
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
        or(d.streams, 1_u32..=10_000),
        or(d.header_bytes, bytes(1 << 10, 1 << 20)),
        or(d.headers, 1_u32..=10_000),
    )
        .prop_map(|(queue, idle_connections, streams, header_bytes, headers)| PoolLimits {
            queue,
            idle_connections,
            streams,
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
        (
            time_or_zero(),
            of(prop::collection::vec(any::<u8>(), 4)),
            or(String::new(), "/[a-z]{1,8}"),
            of(tag()),
        ),
    )
        .prop_map(|(address, tag, weight, tier, backup, spare, state, max_requests, last)| {
            let usual = Member::new(address);
            Member {
                tag: tag.unwrap_or_else(|| usual.tag.clone()),
                weight,
                tier,
                backup,
                spare,
                state,
                max_requests,
                slow_start: last.0,
                quic_id: last.1,
                path: last.2,
                redirect: last.3,
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

/// How members are reached.
fn dial() -> impl Strategy<Value = (Option<ProxyVersion>, Source, MemberPort, TcpOptions)> {
    let address = any::<std::net::IpAddr>().prop_filter("one address", |ip| !ip.is_unspecified());
    (
        of(select(vec![ProxyVersion::V1, ProxyVersion::V2])),
        prop_oneof![Just(Source::System), Just(Source::Client), address.prop_map(Source::Address),],
        select(vec![MemberPort::Own, MemberPort::Listener]),
        tcp(TcpOptions::default()),
    )
}

fn pool_tls() -> impl Strategy<Value = PoolTls> {
    (
        select(vec![Verify::Full, Verify::Name, Verify::Off]),
        of("[a-z]{1,8}\\.pem"),
        of("[a-z]{1,8}\\.example"),
        of(super::parts::files()),
    )
        .prop_map(|(verify, ca, server_name, client)| PoolTls {
            verify,
            ca: ca.map(Into::into),
            server_name,
            client,
        })
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
        (health(), members, of(pool_tls())),
        (
            dial(),
            select(vec![OnDown::Keep, OnDown::Close]),
            select(vec![HostHeader::Client, HostHeader::Member]),
            any::<[bool; 2]>(),
        ),
    )
        .prop_map(
            |(
                name,
                policy,
                hash_key,
                affinity,
                retry,
                timeouts,
                limits,
                (health, members, tls),
                ((proxy_protocol, source, port, tcp), on_down, host, [h2, web]),
            )| Pool {
                grpc_web: h2 && web,
                protocol: if h2 { MemberProtocol::Http2 } else { MemberProtocol::Http },
                policy,
                hash_key,
                affinity,
                retry,
                timeouts,
                limits,
                health,
                members,
                tls,
                proxy_protocol,
                source,
                port,
                tcp,
                on_down,
                host,
                ..Pool::new(name)
            },
        )
}
