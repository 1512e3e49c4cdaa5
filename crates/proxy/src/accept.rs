//! Taking connections from a listening socket.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evenkeel_net::{Listener, clock, limits};
use tokio::sync::Notify;

use crate::client::Client;
use crate::core::Core;

/// How often accepting had to wait because descriptors or memory ran out, over all cores. Whoever
/// tells people about it reads it now and then.
pub static EXHAUSTED: AtomicU64 = AtomicU64::new(0);

/// How long to wait when descriptors or memory ran out: connections that end free some.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(50);

/// Accepts until told to stop; what then still waits in the socket's queue is served too.
pub(crate) async fn run(core: Rc<Core>, listener: u32, socket: Listener, stop: Rc<Notify>) {
    let mut stopped = pin!(stop.notified());
    loop {
        let room = async {
            while core.sessions.open_on(listener) >= allowed(&core, listener) {
                core.sessions.one_ended().await;
            }
        };
        tokio::select! {
            biased;
            () = &mut stopped => break,
            () = room => {}
        }
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => Client::new(core.clone(), listener, stream, peer).begin(),
            Err(error) if limits::is_exhaustion(&error) => {
                core.metrics.borrow_mut().refused(listener, "descriptors-exhausted");
                EXHAUSTED.fetch_add(1, Relaxed);
                clock::sleep(EXHAUSTED_WAIT).await;
            }
            // The client gave up between its arrival and now.
            Err(_) => {}
        }
    }
    empty_queue(&core, listener, &socket).await;
}

/// The share of the listener's limit that falls to this core, rounded up.
fn allowed(core: &Core, listener: u32) -> usize {
    let snapshot = core.snapshot();
    let limit = snapshot.listener(listener).map_or(u32::MAX, |l| l.plan.limits.connections);
    (limit as usize).div_ceil(core.cores)
}

async fn empty_queue(core: &Rc<Core>, listener: u32, socket: &Listener) {
    // One turn of the event loop, so that it has heard of all arrivals.
    tokio::task::yield_now().await;
    loop {
        let mut accept = pin!(socket.accept());
        let polled = accept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(Ok((stream, peer))) => {
                Client::new(core.clone(), listener, stream, peer).begin();
            }
            _ => break,
        }
    }
}
