//! Time: a monotonic clock that a simulation can stop, and deadlines that cost nothing to move.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, Sleep};

use crate::sys;

/// Microseconds of a monotonic clock. Shared by all cores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// The time from `earlier` to `self`; zero if it is not earlier.
    pub fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// The monotonic clock, one vDSO read.
pub fn now() -> Micros {
    let at = read();
    RECENT.with(|recent| {
        if recent.get().kept {
            recent.set(Recent { at, left: USES, kept: true });
        }
    });
    at
}

/// The time as this thread last read it since its event loop last woke, without reading it again:
/// a moment late at most. For deadlines and for what is measured in more than a moment. The same as
/// [`now`] on threads whose event loop does not say when it wakes ([`woken`]).
pub fn recent() -> Micros {
    RECENT.with(|recent| match recent.get() {
        Recent { left: 0, .. } => now(),
        Recent { at, left, kept } => {
            recent.set(Recent { at, left: left - 1, kept });
            at
        }
    })
}

/// To be called by the event loop of a thread whenever it has waited: what was read before is old.
pub fn woken() {
    RECENT.with(|recent| recent.set(Recent { at: Micros(0), left: 0, kept: true }));
}

/// A reading serves so many askers, since an event loop that is never idle never waits.
const USES: u32 = 64;

/// The last reading of a thread.
#[derive(Clone, Copy)]
struct Recent {
    at: Micros,
    /// How many askers it serves yet.
    left: u32,
    /// The thread's event loop says when it wakes.
    kept: bool,
}

thread_local! {
    static RECENT: Cell<Recent> = const { Cell::new(Recent { at: Micros(0), left: 0, kept: false }) };
}

// A day before the first possible reading, so that "long ago" can be told without going below zero.
const DAY_MICROS: u64 = 86_400_000_000;

#[cfg(not(feature = "sim"))]
fn read() -> Micros {
    Micros(boot_micros().saturating_add(DAY_MICROS))
}

/// A simulation stops the runtime's clock and steps it.
#[cfg(feature = "sim")]
fn read() -> Micros {
    let (epoch, begin) = *EPOCH.get_or_init(epoch);
    let since = Instant::now().saturating_duration_since(epoch).as_micros();
    Micros(u64::try_from(since).unwrap_or(u64::MAX).saturating_add(begin))
}

/// One moment, as the runtime's timers and as this clock tell it.
static EPOCH: OnceLock<(Instant, u64)> = OnceLock::new();

fn epoch() -> (Instant, u64) {
    let (now, boot) = (Instant::now(), boot_micros());
    // Some time back, because the clocks of simulations need not have begun at the same moment.
    match now.checked_sub(Duration::from_micros(DAY_MICROS)) {
        Some(earlier) => (earlier, boot),
        None => (now, boot.saturating_add(DAY_MICROS)),
    }
}

/// The wall clock, as time since 1970-01-01 UTC.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The kernel's monotonic clock in microseconds, as systemd counts it.
pub fn boot_micros() -> u64 {
    sys::monotonic_micros()
}

fn instant(at: Micros) -> Instant {
    let (epoch, begin) = *EPOCH.get_or_init(epoch);
    epoch + Duration::from_micros(at.0.saturating_sub(begin))
}

/// Waits until a point of the monotonic clock.
pub async fn sleep_until(at: Micros) {
    tokio::time::sleep_until(instant(at)).await;
}

/// Waits.
pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A point in time after which a wait has failed. Most waits end long before, so moving the
/// deadline only stores a number; the runtime's timer is touched when a wait really blocks and the
/// timer would ring too late, or when it rang too early.
#[derive(Default)]
pub struct Deadline {
    at: Option<Micros>,
    armed: Micros,
    timer: Option<Pin<Box<Sleep>>>,
    /// The task that the timer wakes.
    task: usize,
}

impl Deadline {
    /// A deadline that never comes.
    pub fn never() -> Deadline {
        Deadline::default()
    }

    /// Moves the deadline.
    pub fn set(&mut self, at: Micros) {
        self.at = Some(at);
    }

    /// Moves the deadline to `time` after `now`; a zero time means never.
    pub fn set_after(&mut self, now: Micros, time: Duration) {
        self.at = if time.is_zero() { None } else { Some(after(now, time)) };
    }

    /// Takes the deadline away.
    pub fn clear(&mut self) {
        self.at = None;
    }

    /// Ready when the deadline has passed; otherwise the task is woken when it does.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| {
            self.armed = at;
            Box::pin(tokio::time::sleep_until(instant(at)))
        });
        // A timer that is set for this task, early enough, and has not rung needs no touch.
        let task = cx.waker().data() as usize;
        if self.armed <= at && self.task == task && !timer.is_elapsed() {
            return Poll::Pending;
        }
        self.task = task;
        if at < self.armed {
            timer.as_mut().reset(instant(at));
            self.armed = at;
        }
        while timer.as_mut().poll(cx).is_ready() {
            if self.armed >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(instant(at));
            self.armed = at;
        }
        Poll::Pending
    }
}

/// `time` after `now`, at most some centuries.
pub fn after(now: Micros, time: Duration) -> Micros {
    Micros(
        now.0.saturating_add(
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4),
        ),
    )
}

/// Runs a future, at most for `time`.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(time, future).await.ok()
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_later_rings_later() {
        let start = now();
        let mut deadline = Deadline::never();
        deadline.set(after(start, Duration::from_millis(10)));
        // Arms the timer for 10 ms.
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx).is_pending())).await);
        deadline.set(after(start, Duration::from_millis(500)));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(now().since(start), Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_earlier_rings_earlier() {
        let start = now();
        let mut deadline = Deadline::never();
        deadline.set(after(start, Duration::from_secs(60)));
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx).is_pending())).await);
        deadline.set(after(start, Duration::from_secs(1)));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(now().since(start), Duration::from_secs(1));
    }
}
