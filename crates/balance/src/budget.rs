//! The retry budget: a share of the requests of the last ten seconds, and ten a second always.
//! Kept in tokens, a hundred to a retry; the hot path counts the
//! request and nothing more.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

const RETRY: i64 = 100;
/// Tokens per second that come whatever the traffic: ten retries.
const FLOOR_PER_SECOND: i64 = 10 * RETRY;
const WINDOW_SECONDS: u64 = 10;

#[derive(Debug)]
pub(crate) struct Budget {
    /// Requests so far; each brings `percent` tokens.
    requests: AtomicU64,
    /// Tokens that time brought, less what was taken and what was forgotten.
    other: AtomicI64,
    /// When tokens were last paid out, in microseconds, and the requests until then.
    paid: AtomicU64,
    seen: AtomicU64,
    /// Requests a second, smoothed over the window.
    rate: AtomicU64,
}

impl Budget {
    pub(crate) fn new(now: u64) -> Budget {
        Budget {
            requests: AtomicU64::new(0),
            other: AtomicI64::new(FLOOR_PER_SECOND * WINDOW_SECONDS as i64),
            paid: AtomicU64::new(now),
            seen: AtomicU64::new(0),
            rate: AtomicU64::new(0),
        }
    }

    /// A request began.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    fn earned(&self, percent: u8) -> i64 {
        i64::try_from(self.requests.load(Relaxed).saturating_mul(percent.into()))
            .unwrap_or(i64::MAX / 2)
    }

    /// Takes a retry from the budget, if there is one left.
    pub(crate) fn take(&self, percent: u8) -> bool {
        let earned = self.earned(percent);
        let enough = |other: i64| (earned + other >= RETRY).then_some(other - RETRY);
        self.other.fetch_update(Relaxed, Relaxed, enough).is_ok()
    }

    /// The plan's share changed: what was earned stays earned.
    pub(crate) fn percent_changed(&self, old: u8, new: u8) {
        self.other.fetch_add(self.earned(old) - self.earned(new), Relaxed);
    }

    /// Pays what time brings, and forgets what is older than the window. Called about four times a
    /// second by one caller.
    pub(crate) fn tick(&self, percent: u8, now: u64) {
        let gone = now.saturating_sub(self.paid.swap(now, Relaxed)).min(WINDOW_SECONDS * 1_000_000);
        if gone == 0 {
            return;
        }
        let requests = self.requests.load(Relaxed);
        let new = requests - self.seen.swap(requests, Relaxed);
        let rate_now = new * 1_000_000 / gone;
        let rate = self.rate.load(Relaxed);
        let window = WINDOW_SECONDS * 1_000_000;
        let smoothed = (rate * (window - gone) + rate_now * gone) / window;
        self.rate.store(smoothed, Relaxed);
        let floor = FLOOR_PER_SECOND * gone as i64 / 1_000_000;
        let most =
            (FLOOR_PER_SECOND + (smoothed * u64::from(percent)) as i64) * WINDOW_SECONDS as i64;
        // Two steps; a take in between is lost to nobody.
        let over = self.other.fetch_add(floor, Relaxed) + floor + self.earned(percent) - most;
        if over > 0 {
            self.other.fetch_sub(over, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_and_ten_a_second_may_be_retried() {
        let budget = Budget::new(0);
        while budget.take(20) {}
        (0..1000).for_each(|_| budget.request());
        assert_eq!((0..).take_while(|_| budget.take(20)).count(), 200);
        for quarter in 1..=4 {
            budget.tick(20, quarter * 250_000);
        }
        assert_eq!((0..).take_while(|_| budget.take(20)).count(), 10);
    }

    #[test]
    fn what_is_not_used_does_not_pile_up() {
        let budget = Budget::new(0);
        for quarter in 1..=400 {
            budget.tick(20, quarter * 250_000);
        }
        assert_eq!((0..).take_while(|_| budget.take(20)).count(), 100);
    }
}
