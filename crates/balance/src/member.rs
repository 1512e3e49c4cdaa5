use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_plan::{self as plan, Address, MemberState, Name, Passive, Weight};

use crate::ask::{Change, Health, Micros, Outcome, ProbeResult, Seen};
use crate::hash::hash_key;

mod ruled;

/// A member that came back from an ejection gets its share back over this time.
const RETURN_RAMP: Duration = Duration::from_secs(2);
/// A growing share begins at a tenth.
const RAMP_FLOOR_PERCENT: u64 = 10;
/// Without a sign of life for this long while new requests wait, a member is suspect,
const STALL_MIN: Duration = Duration::from_millis(50);
/// or for this many times its usual time to answer.
const STALL_FACTOR: u64 = 8;
/// New requests that wait before a silence means anything.
const STALL_UNANSWERED: u32 = 2;
/// In policies that go by latency, an old measurement is halved for each of these that passes
/// without a new one: a member that was slow once gets another chance.
const LATENCY_HALF_LIFE_MICROS: u64 = 1_000_000;

/// One server of a pool, with all that is counted, measured and ordered about it. It outlives
/// reloads by its identity, address and tag.
///
/// What every request touches are atomics on cache lines that no other member shares; what only
/// probes and failures touch is behind a lock.
#[derive(Debug)]
#[repr(align(128))]
pub struct Member {
    // Touched by every request.
    active: AtomicU32,
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Requests that began after its last sign of life and still wait for theirs. Requests that
    /// were under way before do not count: tunnels, downloads and long polls are silent by nature.
    unanswered: AtomicU32,
    /// When the first of those began.
    silent_since: AtomicU64,
    /// When an answer last began.
    answered_at: AtomicU64,
    /// Smoothed time to the first byte in microseconds; 0: none yet.
    latency: AtomicU64,
    /// Bytes moved lately; halved every second.
    recent: AtomicU64,
    /// Apache's lbstatus.
    pub(crate) credit: AtomicI64,
    // Read by every request, changed seldom.
    weight: AtomicU32,
    state: AtomicU8,
    up: AtomicBool,
    max_requests: AtomicU32,
    /// The end of the ejection; 0: not ejected. Where an Apache configuration rules, an error
    /// stays until somebody looks at the member after that time.
    ejected_until: AtomicU64,
    /// When it last failed, 0 since the last connection was made; and how often it was given
    /// another chance since. For Apache's page.
    failed_at: AtomicU64,
    retries: AtomicU32,
    /// Places taken of those that an Apache configuration gives it (`max`).
    places: AtomicU32,
    /// While its share grows: from when, and for how long, in microseconds.
    ramp_from: AtomicU64,
    ramp_time: AtomicU64,
    /// When health last changed.
    changed: AtomicU64,
    failures: AtomicU64,
    ejections: AtomicU64,
    ups: AtomicU64,
    downs: AtomicU64,
    pub(crate) heartbeat: Heartbeat,
    identity: (Address, Name),
    /// The identity as a number, for consistent hashing: the same on every machine.
    number: u64,
    cold: Mutex<Cold>,
}

/// What a member reported of itself for the policy `heartbeat`.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat {
    pub(crate) ready: AtomicU32,
    pub(crate) busy: AtomicU32,
    pub(crate) seen: AtomicU64,
}

#[derive(Debug)]
struct Cold {
    plan: plan::Member,
    passes: u32,
    fails: u32,
    ever_passed: bool,
    errors: VecDeque<Micros>,
    last_probe: Option<(ProbeResult, Micros)>,
}

impl Member {
    pub(crate) fn new(plan: &plan::Member, now: Micros) -> Member {
        let cold = Cold {
            plan: plan.clone(),
            passes: 0,
            fails: 0,
            ever_passed: false,
            errors: VecDeque::new(),
            last_probe: None,
        };
        Member {
            active: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            unanswered: AtomicU32::new(0),
            silent_since: AtomicU64::new(now.0),
            answered_at: AtomicU64::new(now.0),
            latency: AtomicU64::new(0),
            recent: AtomicU64::new(0),
            credit: AtomicI64::new(0),
            weight: AtomicU32::new(plan.weight.hundredths()),
            state: AtomicU8::new(plan.state as u8),
            up: AtomicBool::new(true),
            max_requests: AtomicU32::new(plan.max_requests.unwrap_or(u32::MAX)),
            ejected_until: AtomicU64::new(0),
            failed_at: AtomicU64::new(0),
            retries: AtomicU32::new(0),
            places: AtomicU32::new(0),
            ramp_from: AtomicU64::new(0),
            ramp_time: AtomicU64::new(0),
            changed: AtomicU64::new(now.0),
            failures: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            ups: AtomicU64::new(0),
            downs: AtomicU64::new(0),
            heartbeat: Heartbeat::default(),
            identity: (plan.address.clone(), plan.tag.clone()),
            number: hash_key(format!("{} {}", plan.address, plan.tag).as_bytes()),
            cold: Mutex::new(cold),
        }
    }

    /// What makes it the same member in another plan.
    pub(crate) fn identity(&self) -> (&Address, &Name) {
        (&self.identity.0, &self.identity.1)
    }

    /// Takes over what a new plan says. What an operator ordered at run time stays, unless the
    /// plan's own value changed.
    pub(crate) fn follow(&self, plan: &plan::Member) {
        let mut cold = self.cold();
        if cold.plan.weight != plan.weight {
            self.weight.store(plan.weight.hundredths(), Relaxed);
        }
        if cold.plan.state != plan.state {
            self.state.store(plan.state as u8, Relaxed);
        }
        self.max_requests.store(plan.max_requests.unwrap_or(u32::MAX), Relaxed);
        cold.plan = plan.clone();
    }

    fn cold(&self) -> MutexGuard<'_, Cold> {
        // Nothing in there is left half-changed by a panic.
        self.cold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What affinity names.
    pub fn tag(&self) -> &Name {
        &self.identity.1
    }

    /// Where it is reached.
    pub fn address(&self) -> &Address {
        &self.identity.0
    }

    /// Its share as ordered.
    pub fn weight(&self) -> Weight {
        Weight::from_hundredths(self.weight.load(Relaxed)).unwrap_or(Weight::ONE)
    }

    /// Its share at this moment, in hundredths, at least 1: smaller while it grows.
    pub fn share(&self, now: Micros) -> u32 {
        let weight = self.weight.load(Relaxed);
        let time = self.ramp_time.load(Relaxed);
        if time == 0 {
            return weight;
        }
        let gone = now.0.saturating_sub(self.ramp_from.load(Relaxed));
        let percent = (gone.saturating_mul(100) / time).clamp(RAMP_FLOOR_PERCENT, 100);
        u32::try_from(u64::from(weight) * percent / 100).unwrap_or(weight).max(1)
    }

    /// What an operator ordered.
    pub fn state(&self) -> MemberState {
        match self.state.load(Relaxed) {
            0 => MemberState::Ready,
            1 => MemberState::Drain,
            _ => MemberState::Disabled,
        }
    }

    /// What is measured.
    pub fn health(&self) -> Health {
        match (self.up.load(Relaxed), self.ramp_time.load(Relaxed)) {
            (false, _) => Health::Down,
            (true, 0) => Health::Up,
            (true, _) => Health::Starting,
        }
    }

    /// How long health has been so.
    pub fn since(&self, now: Micros) -> Duration {
        now.since(Micros(self.changed.load(Relaxed)))
    }

    /// Whether the breaker keeps it out.
    pub fn is_ejected(&self, now: Micros) -> bool {
        self.ejected_until.load(Relaxed) > now.0
    }

    /// Whether it may get new requests: up, ready, not ejected.
    pub fn is_usable(&self, now: Micros) -> bool {
        self.is_up() && self.state() == MemberState::Ready && !self.is_ejected(now)
    }

    /// Whether it may get requests that affinity binds to it.
    pub(crate) fn serves_bound(&self, now: Micros) -> bool {
        self.is_up() && self.state() != MemberState::Disabled && !self.is_ejected(now)
    }

    /// What Apache's methods have counted for it (`lbstatus`), in hundredths.
    pub fn credit(&self) -> i64 {
        self.credit.load(Relaxed)
    }

    /// Whether its probes find it well, as far as there are any.
    pub fn is_healthy(&self) -> bool {
        self.is_up()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }

    /// Whether it has been silent for long although new requests wait. Policies prefer others as
    /// long as there is one; nothing else changes.
    #[inline]
    pub fn is_suspect(&self, now: Micros) -> bool {
        if self.unanswered.load(Relaxed) < STALL_UNANSWERED {
            return false;
        }
        let silence = now.0.saturating_sub(self.silent_since.load(Relaxed));
        // STALL_MIN is far below 2^64 microseconds.
        silence > STALL_MIN.as_micros() as u64
            && silence > self.latency.load(Relaxed).saturating_mul(STALL_FACTOR)
    }

    /// Requests under way.
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Requests so far, retries included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Of those, how many failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// How often the breaker took it out.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// Bytes that it sent.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Bytes that were sent to it.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    /// Bytes moved lately, either way.
    pub(crate) fn recent(&self) -> u64 {
        self.recent.load(Relaxed)
    }

    /// Smoothed time to the first byte of its answer.
    pub fn latency(&self) -> Option<Duration> {
        Some(self.latency.load(Relaxed)).filter(|micros| *micros > 0).map(Duration::from_micros)
    }

    /// The same in microseconds as policies use it: less and less while nothing new is known.
    pub(crate) fn expected_latency(&self, now: Micros) -> Option<u64> {
        let known = Some(self.latency.load(Relaxed)).filter(|micros| *micros > 0)?;
        if self.unanswered.load(Relaxed) > 0 {
            return Some(known);
        }
        Some(self.faded(known, now))
    }

    fn faded(&self, latency: u64, now: Micros) -> u64 {
        let idle = now.0.saturating_sub(self.answered_at.load(Relaxed));
        (latency >> (idle / LATENCY_HALF_LIFE_MICROS).min(63)).max(1)
    }

    /// Its identity as a number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How often it went up and down.
    pub fn health_changes(&self) -> (u64, u64) {
        (self.ups.load(Relaxed), self.downs.load(Relaxed))
    }

    /// The last probe, and when it ended.
    pub fn last_probe(&self) -> Option<(ProbeResult, Micros)> {
        self.cold().last_probe.clone()
    }

    /// Whether one more request may go to it.
    pub(crate) fn has_room(&self) -> bool {
        self.active.load(Relaxed) < self.max_requests.load(Relaxed)
    }

    /// Counts a request, unless the last place was taken meanwhile.
    pub(crate) fn enter(&self, now: Micros) -> bool {
        let most = self.max_requests.load(Relaxed);
        if most == u32::MAX {
            self.active.fetch_add(1, Relaxed);
        } else {
            let room = |active: u32| (active < most).then_some(active + 1);
            if self.active.fetch_update(Relaxed, Relaxed, room).is_err() {
                return false;
            }
        }
        if self.unanswered.fetch_add(1, Relaxed) == 0 {
            self.silent_since.store(now.0, Relaxed);
        }
        self.requests.fetch_add(1, Relaxed);
        true
    }

    /// A request ended. True when somebody may wait for its place.
    pub(crate) fn leave(&self, answered: bool) -> bool {
        if !answered {
            // Nobody waits for this answer any more. A sign of life may have cleared the count.
            let fewer = |waiting: u32| waiting.checked_sub(1);
            let _ = self.unanswered.fetch_update(Relaxed, Relaxed, fewer);
        }
        self.active.fetch_sub(1, Relaxed);
        self.max_requests.load(Relaxed) != u32::MAX
    }

    /// The first byte of an answer came after `took`. Peaks count at once, calm comes slowly
    /// (peak-EWMA, as in Finagle).
    pub(crate) fn answered(&self, took: Duration, now: Micros) {
        let sample = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.faded(self.latency.load(Relaxed), now);
        self.lives();
        self.answered_at.store(now.0, Relaxed);
        let new = if sample >= old { sample } else { old - (old - sample).div_ceil(8) };
        self.latency.store(new, Relaxed);
    }

    pub(crate) fn moved(&self, received: u64, sent: u64) {
        if received > 0 {
            self.lives();
            self.bytes_in.fetch_add(received, Relaxed);
        }
        if sent > 0 {
            self.bytes_out.fetch_add(sent, Relaxed);
        }
        self.recent.fetch_add(received + sent, Relaxed);
    }

    /// A sign of life: whatever waits need not wait for a frozen member.
    pub(crate) fn lives(&self) {
        if self.unanswered.load(Relaxed) > 0 {
            self.unanswered.store(0, Relaxed);
        }
    }

    /// Places that are free.
    pub(crate) fn room(&self) -> usize {
        self.max_requests.load(Relaxed).saturating_sub(self.active.load(Relaxed)) as usize
    }

    pub(crate) fn set_state(&self, state: MemberState) {
        self.state.store(state as u8, Relaxed);
    }

    pub(crate) fn set_weight(&self, weight: Weight) {
        self.weight.store(weight.hundredths(), Relaxed);
    }

    /// A probe ended.
    pub(crate) fn probed(
        &self,
        result: ProbeResult,
        health: &plan::Health,
        now: Micros,
    ) -> Option<Change> {
        let mut cold = self.cold();
        let reason = result.reason.clone();
        let pass = result.pass;
        cold.last_probe = Some((result, now));
        if pass {
            cold.fails = 0;
            cold.passes = cold.passes.saturating_add(1);
            cold.ever_passed = true;
            if self.is_up() || cold.passes < health.rise {
                return None;
            }
            self.begin_ramp(cold.plan.slow_start, now);
            self.turn(true, now);
            return Some(Change::Up { reason });
        }
        cold.passes = 0;
        cold.fails = cold.fails.saturating_add(1);
        // One that never passed is not given the benefit of the doubt.
        if !self.is_up() || (cold.fails < health.fall && cold.ever_passed) {
            return None;
        }
        self.turn(false, now);
        Some(Change::Down { reason })
    }

    /// For a pool without probes.
    pub(crate) fn assume_up(&self, now: Micros) {
        if !self.is_up() {
            self.turn(true, now);
        }
    }

    fn turn(&self, up: bool, now: Micros) {
        self.up.store(up, Relaxed);
        self.changed.store(now.0, Relaxed);
        if up { &self.ups } else { &self.downs }.fetch_add(1, Relaxed);
    }

    fn begin_ramp(&self, time: Duration, now: Micros) {
        self.ramp_from.store(now.0, Relaxed);
        self.ramp_time.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// A request failed. True when that makes one error too many within the window.
    pub(crate) fn failed(&self, passive: Option<&Passive>, now: Micros) -> bool {
        self.failures.fetch_add(1, Relaxed);
        let Some(passive) = passive else { return false };
        if self.is_ejected(now) {
            return false;
        }
        let mut cold = self.cold();
        cold.errors.push_back(now);
        while cold.errors.front().is_some_and(|first| now.since(*first) > passive.window) {
            cold.errors.pop_front();
        }
        let enough = cold.errors.len() >= passive.errors.max(1) as usize;
        if enough {
            cold.errors.clear();
        }
        enough
    }

    pub(crate) fn eject(&self, time: Duration, now: Micros) {
        self.ejected_until.store(now.after(time).0, Relaxed);
        self.ejections.fetch_add(1, Relaxed);
    }

    /// Ends an ejection that is over. True when it did.
    pub(crate) fn end_ejection(&self, now: Micros, force: bool) -> bool {
        let until = self.ejected_until.load(Relaxed);
        if until == 0 || (until > now.0 && !force) {
            return false;
        }
        self.ejected_until.store(0, Relaxed);
        if !force {
            self.begin_ramp(RETURN_RAMP, now);
        }
        true
    }

    /// Ends a growth that is complete. True while the share grows.
    pub(crate) fn step_ramp(&self, now: Micros) -> bool {
        let time = self.ramp_time.load(Relaxed);
        if time == 0 {
            return false;
        }
        if now.0.saturating_sub(self.ramp_from.load(Relaxed)) >= time {
            self.ramp_time.store(0, Relaxed);
        }
        true
    }

    /// Takes over what another process saw of it.
    pub(crate) fn imitate(&self, seen: &Seen, now: Micros) {
        self.set_state(seen.state);
        self.set_weight(seen.weight);
        self.up.store(seen.up, Relaxed);
        self.active.store(seen.active, Relaxed);
        // Until when is not known, and does not matter: nobody looks later than now.
        let until = if seen.ejected { now.0.saturating_add(1) } else { 0 };
        self.ejected_until.store(until, Relaxed);
    }

    pub(crate) fn forget_half(&self) {
        let recent = self.recent.load(Relaxed);
        self.recent.fetch_sub(recent / 2, Relaxed);
    }
}

/// Whether an outcome is the member's failure.
pub(crate) fn is_failure(outcome: Outcome, passive: Option<&Passive>) -> bool {
    match outcome {
        Outcome::Answered { status } => passive
            .is_some_and(|passive| passive.statuses.iter().any(|range| range.contains(status))),
        Outcome::ConnectFailed => true,
        Outcome::Reset | Outcome::BadAnswer | Outcome::Timeout => {
            passive.is_none_or(|passive| !passive.only_connect)
        }
        Outcome::Aborted => false,
    }
}
