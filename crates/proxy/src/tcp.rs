//! One connection of a TCP listener: find the pool, dial, relay, write down how it ended. The
//! bytes are not looked at, except for a ClientHello where routes ask for its names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::{Bound, Micros, Outcome, Tried};
use evenkeel_net::{Peer, clock};
use evenkeel_observe::access_log::{Affinity as Logged, Record};
use evenkeel_observe::metrics::{Exchange, Names, SeriesKey};
use evenkeel_plan::{Affinity, Name, OnDown};

use crate::cause::{Failure, Side};
use crate::client::Client;
use crate::detect;
use crate::dial::{Dialing, Upstream};
use crate::key::client_key;
use crate::preamble::{Preamble, Told};
use crate::relay::{self, Relayed, Watch};
use crate::route::ServerName;
use crate::snapshot::{ActionRt, PoolRt};

/// What is written down about a connection when it ends. Names and the pool are held, not the
/// snapshot: a connection may outlive many.
#[derive(Default)]
struct Tally {
    listener: Option<Name>,
    route: Option<(Name, u32)>,
    pool: Option<Arc<PoolRt>>,
    member: Option<usize>,
    server_name: Option<String>,
    attempts: u32,
    affinity: Logged,
    up: u64,
    down: u64,
    first_byte: Option<Duration>,
}

/// Serves a connection to its end.
pub(crate) async fn run(mut client: Client) {
    let mut tally = Tally::default();
    let failure = serve(&mut client, &mut tally).await.err();
    if failure.is_some() {
        // The client must not take what it got for complete.
        client.stream.reset_on_close();
    }
    record(&client, &tally, failure);
}

async fn serve(client: &mut Client, tally: &mut Tally) -> Result<(), Failure> {
    detect::proxy_header(client).await?;
    let told = route(client, tally).await?;
    let Some(pool) = tally.pool.clone() else { return Err(Failure::NO_ROUTE_TCP) };
    let idle = idle_time(client);
    let upstream = dial(client, &pool, &told, tally).await?;
    let Upstream { mut stream, buffer, guard, .. } = upstream;
    // A connection that was made is all that can be expected of a member whose protocol is
    // unknown: clients may be silent for hours.
    guard.first_byte(Micros(clock::now().0));
    let connected = clock::now();
    if pool.plan.on_down == OnDown::Close {
        client.place.depends_on(guard.member().clone());
    }
    let early = std::mem::take(&mut client.buffer);
    let ended = {
        let watch = Watch {
            core: &client.core,
            place: &client.place,
            listener: client.listener,
            pool: pool.id,
            guard: &guard,
            idle,
        };
        let near = relay::Side { stream: &mut client.stream, buffer: early };
        relay::run(near, relay::Side { stream: &mut stream, buffer }, &watch).await
    };
    let Relayed { up, down, first_byte, broken } = ended;
    (tally.up, tally.down) = (up, down);
    tally.first_byte = first_byte.map(|at| at.since(connected));
    // A member that resets before its first byte is no better than one that refuses.
    let outcome = match broken {
        Some(Failure::MEMBER_BROKE) if down == 0 => Outcome::Reset,
        Some(failure) if failure.side != Side::Upstream => Outcome::Aborted,
        _ => Outcome::Answered { status: 0 },
    };
    guard.report(outcome, Micros(clock::now().0));
    broken.map_or(Ok(()), Err)
}

/// Finds the pool: by the names of the ClientHello where routes ask for them, else the listener's.
async fn route(client: &mut Client, tally: &mut Tally) -> Result<Told, Failure> {
    let core = client.core.clone();
    let snapshot = core.snapshot();
    // A listener that is gone takes nobody any more; its socket is closed in the same moment.
    let Some(listener) = snapshot.listener(client.listener) else { return Ok(Told::default()) };
    tally.listener = Some(listener.plan.name.clone());
    let mut told = Told::default();
    let route = if listener.by_hello() {
        let hello = detect::client_hello(client).await?;
        told.server_name = hello.server_name().map(str::to_ascii_lowercase);
        told.alpn = hello.alpn().next().map(<[u8]>::to_vec);
        tally.server_name.clone_from(&told.server_name);
        let name = told.server_name.as_deref().unwrap_or_default();
        let protocols: Vec<&[u8]> = hello.alpn().collect();
        let wanted = ServerName { name: name.as_bytes(), protocols: &protocols };
        snapshot.find_tcp_route(listener, wanted)
    } else {
        snapshot.fallback(listener)
    };
    if let Some(route) = route {
        tally.route = Some((route.name.clone(), route.id));
        if let ActionRt::Pool(pool) = &route.action {
            tally.pool = Some(pool.clone());
        }
    }
    Ok(told)
}

fn idle_time(client: &Client) -> Duration {
    let snapshot = client.core.snapshot();
    let listener = snapshot.listener(client.listener);
    listener.map_or(Duration::from_secs(3600), |listener| listener.plan.timeouts.idle)
}

async fn dial(
    client: &Client,
    pool: &Arc<PoolRt>,
    told: &Told,
    tally: &mut Tally,
) -> Result<Upstream, Failure> {
    let key = client_key(Some(client.peer.ip()));
    let bound = match pool.plan.affinity {
        Some(Affinity::Client) => Bound::Key(key),
        _ => Bound::None,
    };
    let mut dialing = Dialing {
        core: &client.core,
        pool,
        key,
        bound,
        preamble: Preamble::of(pool, client.peer, client.local, &client.stream, told),
        repeatable: true,
        tried: Tried::default(),
        attempts: 0,
        fresh_only: true,
        last: None,
    };
    let dialed = dialing.dial().await;
    tally.attempts = dialing.attempts;
    tally.member = dialing.last;
    let upstream = dialed?;
    tally.affinity = if upstream.bound { Logged::Kept } else { Logged::None };
    Ok(upstream)
}

/// The connection ended: counters and the access log.
fn record(client: &Client, tally: &Tally, failure: Option<Failure>) {
    let core = &client.core;
    let duration = clock::now().since(client.began);
    let pool = tally.pool.as_ref();
    let member = pool.zip(tally.member).and_then(|(pool, at)| pool.members.get(at));
    {
        let key = SeriesKey {
            listener: client.listener,
            route: tally.route.as_ref().map_or(Names::NONE, |(_, id)| *id),
            pool: pool.map_or(Names::NONE, |pool| pool.id),
            member: member.map_or(Names::NONE, |member| member.id),
            code: 0,
        };
        let mut counters = core.metrics.borrow_mut();
        // Its bytes were told while they flowed.
        counters.exchange(key, &Exchange { duration, bytes_in: 0, bytes_out: 0 });
        if let Some(failure) = failure {
            counters.refused(client.listener, failure.cause);
        }
    }
    let mut log = core.log.borrow_mut();
    let Some(log) = log.as_mut() else { return };
    let wall = u64::try_from(clock::wall().saturating_sub(duration).as_millis()).unwrap_or(0);
    let planned = pool.zip(tally.member).and_then(|(pool, at)| pool.plan.members.get(at));
    log.write(&Record {
        unix_millis: wall,
        listener: tally.listener.as_deref().unwrap_or_default(),
        route: tally.route.as_ref().map_or("", |(name, _)| name),
        pool: pool.map_or("", |pool| &pool.plan.name),
        member: planned.map_or("", |member| &member.tag),
        client: ip(client.peer),
        peer: address(client.peer),
        connection: client.number,
        host: tally.server_name.as_deref().unwrap_or_default().as_bytes(),
        protocol: "TCP",
        bytes_in: tally.up,
        bytes_out: tally.down,
        duration,
        first_byte: tally.first_byte,
        attempts: tally.attempts,
        cause: failure.map(|failure| failure.cause),
        affinity: tally.affinity,
        ..Record::default()
    });
}

fn address(peer: Peer) -> Option<SocketAddr> {
    match peer {
        Peer::Tcp(address) => Some(address),
        Peer::Unix => None,
    }
}

fn ip(peer: Peer) -> Option<IpAddr> {
    Some(peer.ip())
}
