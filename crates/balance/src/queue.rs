//! Requests that wait because every member is at its `max_requests`: first come, first served,
//! bounded. The hot path pays one load for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The waiting line of a pool.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    line: Mutex<VecDeque<Arc<Place>>>,
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
    pool: Arc<crate::pool::Pool>,
    used: bool,
}

impl Queue {
    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    fn join(&self, most: usize) -> Option<Arc<Place>> {
        let mut line = lock(&self.line);
        if line.len() >= most {
            return None;
        }
        let place = Arc::new(Place::default());
        line.push_back(place.clone());
        self.waiting.store(line.len(), SeqCst);
        Some(place)
    }

    /// A member has room again: calls the first in line.
    pub(crate) fn wake_one(&self) {
        if self.waiting.load(SeqCst) == 0 {
            return;
        }
        let mut line = lock(&self.line);
        let first = line.pop_front();
        self.waiting.store(line.len(), SeqCst);
        drop(line);
        if let Some(place) = first {
            let mut state = lock(&place.state);
            state.called = true;
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }

    fn leave(&self, place: &Arc<Place>) {
        let mut line = lock(&self.line);
        line.retain(|other| !Arc::ptr_eq(other, place));
        self.waiting.store(line.len(), SeqCst);
    }
}

impl Ticket {
    pub(crate) fn join(pool: &Arc<crate::pool::Pool>, most: usize) -> Option<Ticket> {
        let place = pool.queue().join(most)?;
        Some(Ticket { place, pool: pool.clone(), used: false })
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
        let called = lock(&self.place.state).called;
        if called {
            self.pool.queue().wake_one();
        } else {
            self.pool.queue().leave(&self.place);
        }
    }
}

/// Nothing here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
