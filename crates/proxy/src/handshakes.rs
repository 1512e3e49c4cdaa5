//! The TLS handshakes of a core: how many are under way for each listener, and whose turn it is.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use evenkeel_net::{Micros, clock};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// A handshake that takes longer gives way when there are too many: one round trip is all that an
/// honest client needs.
const PATIENCE: Duration = Duration::from_secs(1);

/// The handshakes of a core.
pub(crate) struct Handshakes {
    lines: RefCell<HashMap<u32, Rc<Line>>>,
    turns: Semaphore,
}

/// Those of one listener, the oldest first.
#[derive(Default)]
struct Line {
    under_way: RefCell<VecDeque<Rc<Seat>>>,
    left: Notify,
}

struct Seat {
    since: Micros,
    crowded: Notify,
}

/// A handshake under way; it counts until dropped.
pub(crate) struct Seated {
    line: Rc<Line>,
    seat: Rc<Seat>,
}

impl Default for Handshakes {
    fn default() -> Handshakes {
        Handshakes { lines: RefCell::default(), turns: Semaphore::new(1) }
    }
}

impl Handshakes {
    /// Waits until fewer than `most` of the listener are under way, at most until the oldest must
    /// give way.
    pub(crate) async fn enter(&self, listener: u32, most: usize) -> Seated {
        let line = self.lines.borrow_mut().entry(listener).or_default().clone();
        while let Err(wait) = line.take(most) {
            tokio::select! {
                () = line.left.notified() => {}
                () = clock::sleep(wait) => {}
            }
        }
        let seat = Rc::new(Seat { since: clock::now(), crowded: Notify::new() });
        line.under_way.borrow_mut().push_back(seat.clone());
        Seated { line, seat }
    }

    /// Waits for one's turn to compute.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }
}

impl Line {
    /// Whether there is room, made by the oldest if it has had its time; else how long it still has.
    fn take(&self, most: usize) -> Result<(), Duration> {
        let mut under_way = self.under_way.borrow_mut();
        if under_way.len() < most.max(1) {
            return Ok(());
        }
        let age = under_way.front().map_or(PATIENCE, |oldest| clock::now().since(oldest.since));
        if age < PATIENCE {
            return Err(PATIENCE - age);
        }
        if let Some(oldest) = under_way.pop_front() {
            oldest.crowded.notify_one();
        }
        Ok(())
    }
}

impl Seated {
    /// Waits until this handshake must give way.
    pub(crate) async fn crowded(&self) {
        self.seat.crowded.notified().await;
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let mut under_way = self.line.under_way.borrow_mut();
        if let Some(at) = under_way.iter().position(|seat| Rc::ptr_eq(seat, &self.seat)) {
            under_way.remove(at);
            self.line.left.notify_one();
        }
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_slow_give_way_and_the_quick_are_waited_for() {
        let handshakes = Handshakes::default();
        let began = clock::now();
        let first = handshakes.enter(1, 2).await;
        let second = handshakes.enter(1, 2).await;
        // Another listener has a line of its own.
        drop(handshakes.enter(2, 1).await);
        assert_eq!(clock::now().since(began), Duration::ZERO);
        // The oldest gives way once it has had its second, and only that one.
        let third = handshakes.enter(1, 2).await;
        assert_eq!(clock::now().since(began), PATIENCE);
        first.crowded().await;
        assert!(clock::within(PATIENCE / 2, second.crowded()).await.is_none());
        drop((first, second));
        // One place is free now; the next waits until another ends, not for its whole second.
        let fourth = handshakes.enter(1, 2).await;
        let began = clock::now();
        let leaves = async {
            clock::sleep(PATIENCE / 10).await;
            drop(third);
        };
        let (_fifth, ()) = tokio::join!(handshakes.enter(1, 2), leaves);
        assert_eq!(clock::now().since(began), PATIENCE / 10);
        drop(fourth);
    }
}
