//! Clients of HTTP/2 that were sent away for a flood: held for a moment, so that they cannot come
//! again at once, and remembered by address when they do.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use evenkeel_http2::{Debts, FLOODS};
use evenkeel_net::{Peer, clock};

use crate::key::client_key;
use crate::snapshot::ListenerRt;

/// How long a connection is neither heard nor told that it has ended.
const HOLD: Duration = Duration::from_secs(1);
/// Connections of a core that are held at once; others are told without delay.
const HELD: usize = 256;

/// Those of one core.
#[derive(Debug, Default)]
pub(crate) struct Offenders {
    debts: RefCell<Debts>,
    held: Cell<usize>,
}

impl Offenders {
    /// Points of its flood budget that a client has spent with earlier connections.
    pub(crate) fn spent(&self, listener: &ListenerRt, peer: &Peer) -> u64 {
        match key(listener, peer) {
            Some(key) => self.debts.borrow().of(key, clock::now()),
            None => 0,
        }
    }

    /// A connection of the client ended and had spent so many points.
    pub(crate) fn remember(&self, listener: &ListenerRt, peer: &Peer, spent: u64) {
        if let Some(key) = key(listener, peer) {
            self.debts.borrow_mut().add(key, spent, clock::now());
        }
    }

    /// Waits, if that is what the cause of the end deserves.
    pub(crate) async fn hold(&self, cause: &str) {
        if !FLOODS.contains(&cause) || self.held.get() >= HELD {
            return;
        }
        let _held = Held::new(&self.held);
        clock::sleep(HOLD).await;
    }
}

/// The client's address; none for those that speak for many clients.
fn key(listener: &ListenerRt, peer: &Peer) -> Option<u64> {
    let ip = peer.ip();
    let trusted = listener.plan.forwarded.trusted.iter().any(|network| network.contains(ip));
    (!trusted).then(|| client_key(Some(ip)))
}

struct Held<'a>(&'a Cell<usize>);

impl<'a> Held<'a> {
    fn new(count: &'a Cell<usize>) -> Held<'a> {
        count.set(count.get() + 1);
        Held(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
