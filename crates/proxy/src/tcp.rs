//! One connection of a TCP listener: find the pool, end TLS if the listener does, dial, relay, write
//! down how it ended. The bytes are not looked at, except for a ClientHello where routes ask for its
//! names.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::{Micros, Outcome, Tried};
use evenkeel_net::clock;
use evenkeel_observe::access_log::Affinity as Logged;
use evenkeel_plan::OnDown;

use crate::cause::{Failure, Side};
use crate::client::Client;
use crate::core::Core;
use crate::detect;
use crate::dial::{Dialing, Upstream};
use crate::key::{client_bound, client_key};
use crate::layer4::{self, Tally, Whose};
use crate::preamble::{Preamble, Told};
use crate::relay::{self, Relayed, Watch};
use crate::route::ServerName;
use crate::secure;
use crate::snapshot::{ActionRt, PoolRt};

/// Serves a connection to its end.
pub(crate) async fn run(mut client: Client) {
    let mut tally = Tally::default();
    let core = client.core.clone();
    let failure = match begin(&mut client, &mut tally).await {
        Err(failure) => {
            client.stream.reset_on_close();
            record(&core, Whose::of(&client), &tally, Some(failure));
            return;
        }
        Ok(told) if is_secure(&client) => {
            let whose = Whose::of(&client);
            // As large as the rest together, and soon over.
            match Box::pin(secure::begin(client)).await {
                Err(failure) => return record(&core, whose, &tally, Some(failure)),
                Ok(behind) => {
                    let told = secured(&behind, told, &mut tally);
                    client = behind;
                    serve(&mut client, told, &mut tally).await
                }
            }
        }
        Ok(told) => serve(&mut client, told, &mut tally).await,
    }
    .err();
    if failure.is_some() {
        // The client must not take what it got for complete.
        client.stream.reset_on_close();
    }
    record(&core, Whose::of(&client), &tally, failure);
}

fn record(core: &Core, whose: Whose, tally: &Tally, failure: Option<Failure>) {
    layer4::record(core, &whose, tally, failure);
}

impl Whose {
    fn of(client: &Client) -> Whose {
        Whose {
            listener: client.listener,
            peer: client.peer,
            began: client.began,
            number: client.number,
            protocol: "TCP",
            secured: client.secured.clone(),
        }
    }
}

/// Finds out who the client is, and its pool.
async fn begin(client: &mut Client, tally: &mut Tally) -> Result<Told, Failure> {
    detect::proxy_header(client).await?;
    let told = route(client, tally).await?;
    if tally.pool.is_none() { Err(Failure::NO_ROUTE_TCP) } else { Ok(told) }
}

/// Whether TLS ends here.
fn is_secure(client: &Client) -> bool {
    let snapshot = client.core.snapshot();
    snapshot.listener(client.listener).is_some_and(|listener| listener.plan.tls.is_some())
}

/// What is known of the client once TLS has ended.
fn secured(client: &Client, mut told: Told, tally: &mut Tally) -> Told {
    let name = client.secured.as_ref().map(|secured| secured.server_name.to_string());
    told.server_name = name.filter(|name| !name.is_empty());
    tally.server_name.clone_from(&told.server_name);
    told
}

async fn serve(client: &mut Client, told: Told, tally: &mut Tally) -> Result<(), Failure> {
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
            gently: false,
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
    let bound = client_bound(pool, key, None);
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
        tls_name: None,
        last: None,
        failed: Vec::new(),
    };
    let dialed = dialing.dial().await;
    tally.attempts = dialing.attempts;
    tally.member = dialing.last;
    let upstream = dialed?;
    tally.affinity = if upstream.bound { Logged::Kept } else { Logged::None };
    Ok(upstream)
}
