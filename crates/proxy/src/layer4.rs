//! What TCP connections and UDP flows have in common: what is written down when one ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_net::{Micros, Peer, clock};
use evenkeel_observe::access_log::{Affinity as Logged, Record};
use evenkeel_observe::metrics::{Exchange, Names, SeriesKey};
use evenkeel_plan::Name;

use crate::cause::Failure;
use crate::core::Core;
use crate::secure::Secured;
use crate::snapshot::PoolRt;

/// Whose end it is.
pub(crate) struct Whose {
    /// The listener's number.
    pub(crate) listener: u32,
    /// Who the client is.
    pub(crate) peer: Peer,
    pub(crate) began: Micros,
    /// The number of the connection or flow, for the log.
    pub(crate) number: u64,
    /// `TCP` or `UDP`.
    pub(crate) protocol: &'static str,
    /// What TLS agreed on with the client.
    pub(crate) secured: Option<Rc<Secured>>,
}

/// What is known when it ends. Names and the pool are held, not the snapshot: a connection may
/// outlive many.
#[derive(Default)]
pub(crate) struct Tally {
    /// The listener's name.
    pub(crate) listener: Option<Name>,
    /// The route's name and number.
    pub(crate) route: Option<(Name, u32)>,
    pub(crate) pool: Option<Arc<PoolRt>>,
    /// The position of the member in its pool.
    pub(crate) member: Option<usize>,
    /// The name in the ClientHello.
    pub(crate) server_name: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) affinity: Logged,
    /// Bytes from the client to the member.
    pub(crate) up: u64,
    /// Bytes from the member to the client.
    pub(crate) down: u64,
    /// From the connection to the member's first byte.
    pub(crate) first_byte: Option<Duration>,
}

/// A connection or flow ended: counters and the access log. Its bytes were told while they flowed.
pub(crate) fn record(core: &Core, whose: &Whose, tally: &Tally, failure: Option<Failure>) {
    let duration = clock::now().since(whose.began);
    let pool = tally.pool.as_ref();
    let member = pool.zip(tally.member).and_then(|(pool, at)| pool.members.get(at));
    {
        let key = SeriesKey {
            listener: whose.listener,
            route: tally.route.as_ref().map_or(Names::NONE, |(_, id)| *id),
            pool: pool.map_or(Names::NONE, |pool| pool.id),
            member: member.map_or(Names::NONE, |member| member.id),
            code: 0,
        };
        let mut counters = core.metrics.borrow_mut();
        counters.exchange(key, &Exchange { duration, bytes_in: 0, bytes_out: 0 });
        if let Some(failure) = failure {
            counters.refused(whose.listener, failure.cause);
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
        client: Some(whose.peer.ip()),
        peer: match whose.peer {
            Peer::Tcp(address) => Some(address),
            Peer::Unix => None,
        },
        connection: whose.number,
        host: tally.server_name.as_deref().unwrap_or_default().as_bytes(),
        protocol: whose.protocol,
        tls: Secured::logged(whose.secured.as_deref()),
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
