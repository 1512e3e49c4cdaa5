//! What an Apache configuration makes of a member: errors that last until somebody looks, checks as
//! mod_proxy_hcheck counts them, counted places.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_plan as plan;

use super::Member;
use crate::ask::{Change, Micros, ProbeResult};

impl Member {
    /// A check ended, as httpd counts: fails of a member that is well, which a pass in between
    /// does not take back, and passes of one that is not, which also end an error.
    pub(crate) fn checked(
        &self,
        result: ProbeResult,
        health: &plan::Health,
        now: Micros,
    ) -> Option<Change> {
        let mut cold = self.cold();
        let (reason, pass) = (result.reason.clone(), result.pass);
        cold.last_probe = Some((result, now));
        match (self.is_up() && !self.in_error(), pass) {
            (true, true) | (false, false) => None,
            (true, false) => {
                self.failed_at.store(now.0.max(1), Relaxed);
                cold.fails += 1;
                if cold.fails < health.fall {
                    return None;
                }
                cold.fails = 0;
                self.turn(false, now);
                Some(Change::Down { reason })
            }
            (false, true) => {
                cold.passes += 1;
                if cold.passes < health.rise {
                    return None;
                }
                cold.passes = 0;
                self.ejected_until.store(0, Relaxed);
                if self.is_up() {
                    return Some(Change::Returned);
                }
                self.turn(true, now);
                Some(Change::Up { reason })
            }
        }
    }

    /// Passes and fails that have been counted towards the next change.
    pub fn checks_counted(&self) -> (u32, u32) {
        let cold = self.cold();
        (cold.passes, cold.fails)
    }

    /// Puts it in error, as httpd does, for a time that may be none.
    pub(crate) fn err(&self, time: Duration, now: Micros) {
        self.failures.fetch_add(1, Relaxed);
        self.ejections.fetch_add(1, Relaxed);
        self.failed_at.store(now.0.max(1), Relaxed);
        self.ejected_until.store(now.after(time).0.max(1), Relaxed);
    }

    /// Whether it is in error and nobody has looked at it since that was over.
    pub fn in_error(&self) -> bool {
        self.ejected_until.load(Relaxed) != 0
    }

    /// Whether the time of its error is over.
    pub(crate) fn error_is_over(&self, now: Micros) -> bool {
        self.ejected_until.load(Relaxed) <= now.0
    }

    /// Gives it another chance after an error.
    pub(crate) fn retry(&self) {
        self.ejected_until.store(0, Relaxed);
        self.retries.fetch_add(1, Relaxed);
    }

    /// A connection to it was made: it is well.
    pub(crate) fn reached(&self) {
        if self.failed_at.load(Relaxed) != 0 {
            self.failed_at.store(0, Relaxed);
        }
        if self.retries.load(Relaxed) != 0 {
            self.retries.store(0, Relaxed);
        }
    }

    /// How long ago it failed, unless a connection was made since.
    pub fn failed_for(&self, now: Micros) -> Option<Duration> {
        let at = self.failed_at.load(Relaxed);
        (at != 0).then(|| now.since(Micros(at)))
    }

    /// How often it was given another chance since it last could be reached.
    pub fn retries(&self) -> u32 {
        self.retries.load(Relaxed)
    }

    /// Takes one of `most` places; false when all are taken.
    pub(crate) fn take_place(&self, most: u32) -> bool {
        let room = |taken: u32| (taken < most).then_some(taken + 1);
        self.places.fetch_update(Relaxed, Relaxed, room).is_ok()
    }

    pub(crate) fn give_place_back(&self) {
        self.places.fetch_sub(1, Relaxed);
    }

    /// Sets whether its checks find it well.
    pub(crate) fn set_up(&self, up: bool, now: Micros) {
        if self.is_up() != up {
            self.turn(up, now);
        }
    }

    pub(crate) fn forget_traffic(&self) {
        self.bytes_in.store(0, Relaxed);
        self.bytes_out.store(0, Relaxed);
    }

    /// Counts on from what was counted before: requests, bytes sent, bytes received.
    pub fn count_on(&self, counted: [u64; 3]) {
        let counters = [&self.requests, &self.bytes_out, &self.bytes_in];
        for (counter, before) in counters.into_iter().zip(counted) {
            counter.fetch_add(before, Relaxed);
        }
    }
}
