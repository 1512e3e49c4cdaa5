//! Requests that wait because every member is at its `max_requests`: first come, first served,
//! bounded. The hot path pays one load for it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicUsize, fence};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::shared::lock;

/// The waiting line of a pool.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

/// Places by the number drawn at joining, so that leaving from the middle is cheap.
#[derive(Debug, Default)]
struct Line {
    places: BTreeMap<u64, Arc<Place>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Place {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    called: bool,
    waker: Option<Waker>,
}

/// A place in the line. Dropped, it is given up; a call that came meanwhile passes to the next.
#[derive(Debug)]
pub struct Ticket {
    place: Arc<Place>,
    number: u64,
    pool: Arc<crate::pool::Pool>,
    used: bool,
}

impl Queue {
    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    fn join(&self, most: usize) -> Option<(u64, Arc<Place>)> {
        let mut line = lock(&self.line);
        if line.places.len() >= most {
            return None;
        }
        let (number, place) = (line.next, Arc::new(Place::default()));
        line.next += 1;
        line.places.insert(number, place.clone());
        self.waiting.store(line.places.len(), Relaxed);
        drop(line);
        // See where a guard is dropped.
        fence(SeqCst);
        Some((number, place))
    }

    /// So many places have become free: calls the first in line.
    pub(crate) fn wake(&self, places: usize) {
        for _ in 0..places {
            if self.waiting.load(Relaxed) == 0 {
                return;
            }
            let mut line = lock(&self.line);
            let first = line.places.pop_first();
            self.waiting.store(line.places.len(), Relaxed);
            drop(line);
            let Some((_, place)) = first else { return };
            let waker = {
                let mut state = lock(&place.state);
                state.called = true;
                state.waker.take()
            };
            // Without the lock: a runtime that ends may drop the waiting request, and so its
            // ticket, right here.
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn leave(&self, number: u64) {
        let mut line = lock(&self.line);
        line.places.remove(&number);
        self.waiting.store(line.places.len(), Relaxed);
    }
}

impl Ticket {
    pub(crate) fn join(pool: &Arc<crate::pool::Pool>, most: usize) -> Option<Ticket> {
        let (number, place) = pool.queue().join(most)?;
        Some(Ticket { place, number, pool: pool.clone(), used: false })
    }

    /// Ready when it is this request's turn to try again.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.place.state);
        if state.called {
            self.used = true;
            return Poll::Ready(());
        }
        match &state.waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => state.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        // Out of the line first: from then on no call can come that nobody would see.
        self.pool.queue().leave(self.number);
        if lock(&self.place.state).called {
            self.pool.queue().wake(1);
        }
    }
}
