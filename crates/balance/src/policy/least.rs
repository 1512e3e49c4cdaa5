//! The least loaded member, by one measure or another. Up to [`SCAN_MAX`] members all are looked
//! at; beyond, five drawn by weight, which is nearly as good (Mitzenmacher 2001) and does not grow.

use std::sync::atomic::AtomicU64;

use super::{Alias, Fits, Sequence};
use crate::ask::{Micros, Rng};
use crate::view::Candidate;

/// Members up to which all are looked at.
const SCAN_MAX: usize = 64;
/// Members drawn beyond.
const DRAWN: usize = 5;
/// Draws that may hit members that do not fit.
const DRAWS_MAX: usize = 32;
/// A member that never answered is tried once at once; until it answers it counts as this slow,
/// in microseconds.
const UNKNOWN_LATENCY: u64 = 60_000_000;

/// A load; smaller is better.
pub(crate) type Measure = fn(&Candidate, Micros) -> u64;

/// Requests under way, for the share.
pub(crate) fn by_requests_under_way(candidate: &Candidate, _now: Micros) -> u64 {
    per_share(u64::from(candidate.member.active()), candidate.share)
}

/// Bytes moved lately, for the share.
pub(crate) fn by_bytes(candidate: &Candidate, _now: Micros) -> u64 {
    per_share(candidate.member.recent(), candidate.share)
}

/// The time that one more request is expected to take, for the share: peak-EWMA of the latency,
/// times what is under way.
pub(crate) fn by_time(candidate: &Candidate, now: Micros) -> u64 {
    let active = u64::from(candidate.member.active());
    match candidate.member.expected_latency(now) {
        Some(latency) => per_share(latency.saturating_mul(active + 1), candidate.share),
        None => per_share(active.saturating_mul(UNKNOWN_LATENCY), candidate.share),
    }
}

/// In thousandths, so that shares between whole numbers count.
fn per_share(load: u64, share: u32) -> u64 {
    load.saturating_mul(100_000) / u64::from(share.max(1))
}

/// Who is weighed against whom, and by what.
pub(crate) struct Contest<'a> {
    pub(crate) candidates: &'a [Candidate],
    pub(crate) measure: Measure,
    pub(crate) now: Micros,
    pub(crate) fits: Fits<'a>,
}

impl Contest<'_> {
    fn load(&self, at: usize) -> u64 {
        (self.measure)(&self.candidates[at], self.now)
    }
}

/// What the least loaded are found by: all of few, or some of many.
#[derive(Debug)]
pub(crate) enum Field {
    /// Up to [`SCAN_MAX`]: whose turn it is among equals.
    Few(Sequence),
    /// Beyond.
    Many(Alias),
}

impl Field {
    pub(crate) fn build(shares: &[u32]) -> Field {
        let shares_of = shares.iter().copied();
        match shares.len() {
            0..=SCAN_MAX => Field::Few(Sequence::build(shares_of)),
            _ => Field::Many(Alias::build(shares_of)),
        }
    }

    /// The candidate with the least load. Equals take turns by weight.
    pub(crate) fn least(
        &self,
        contest: &Contest<'_>,
        cursor: &AtomicU64,
        rng: &mut Rng,
    ) -> Option<usize> {
        let turns = match self {
            Field::Few(turns) => turns,
            Field::Many(alias) => return drawn(contest, alias, rng, DRAWN),
        };
        let length = contest.candidates.len();
        let start = turns.pick(cursor, contest.fits)?;
        let in_turn = (0..length).map(|step| (start + step) % length);
        in_turn.filter(|at| (contest.fits)(*at)).min_by_key(|at| contest.load(*at))
    }
}

/// The better of `count` different candidates drawn by weight.
pub(crate) fn drawn(
    contest: &Contest<'_>,
    alias: &Alias,
    rng: &mut Rng,
    count: usize,
) -> Option<usize> {
    let fits = contest.fits;
    let mut best: Option<usize> = None;
    let mut seen = 0;
    for _ in 0..DRAWS_MAX {
        let at = alias.draw(rng);
        if best == Some(at) || !fits(at) {
            continue;
        }
        seen += 1;
        if best.is_none_or(|other| contest.load(at) < contest.load(other)) {
            best = Some(at);
        }
        if seen == count {
            break;
        }
    }
    // When most do not fit, the draws may miss the few that do.
    best.or_else(|| (0..contest.candidates.len()).find(|at| fits(*at)))
}
