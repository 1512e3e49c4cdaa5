//! The least loaded member, by one measure or another. Up to [`SCAN_MAX`] members all are looked
//! at; beyond, five drawn by weight, which is nearly as good (Mitzenmacher 2001) and does not grow.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Alias, Fits};
use crate::ask::Rng;
use crate::view::Candidate;

/// Members up to which all are looked at.
const SCAN_MAX: usize = 64;
/// Members drawn beyond.
const DRAWN: usize = 5;
/// Draws that may hit members that do not fit.
const DRAWS_MAX: usize = 32;
/// A member that never answered counts as this fast, in microseconds, so that it is tried soon.
const UNKNOWN_LATENCY: u64 = 1000;

/// A load; smaller is better.
pub(crate) type Measure = fn(&Candidate) -> u64;

/// Requests under way, for the share.
pub(crate) fn by_requests_under_way(candidate: &Candidate) -> u64 {
    // One more than there are: an idle heavy member goes before an idle light one.
    per_share(u64::from(candidate.member.active()) + 1, candidate.share)
}

/// Bytes moved lately, for the share.
pub(crate) fn by_bytes(candidate: &Candidate) -> u64 {
    per_share(candidate.member.recent(), candidate.share)
}

/// The time that one more request is expected to take, for the share: peak-EWMA of the latency,
/// times what is under way.
pub(crate) fn by_time(candidate: &Candidate) -> u64 {
    let known =
        candidate.member.latency().and_then(|latency| u64::try_from(latency.as_micros()).ok());
    let latency = known.unwrap_or(UNKNOWN_LATENCY);
    per_share(latency.saturating_mul(u64::from(candidate.member.active()) + 1), candidate.share)
}

/// In thousandths, so that shares between whole numbers count.
fn per_share(load: u64, share: u32) -> u64 {
    load.saturating_mul(100_000) / u64::from(share.max(1))
}

/// The candidate with the least load. Equals take turns.
pub(crate) fn least(
    candidates: &[Candidate],
    alias: &Alias,
    cursor: &AtomicU64,
    rng: &mut Rng,
    measure: Measure,
    fits: Fits<'_>,
) -> Option<usize> {
    if candidates.len() > SCAN_MAX {
        return drawn(candidates, alias, rng, measure, fits, DRAWN);
    }
    let start = cursor.fetch_add(1, Relaxed) as usize;
    let in_turn = (0..candidates.len()).map(|step| (start.wrapping_add(step)) % candidates.len());
    in_turn.filter(|at| fits(*at)).min_by_key(|at| measure(&candidates[*at]))
}

/// The better of `count` different candidates drawn by weight.
pub(crate) fn drawn(
    candidates: &[Candidate],
    alias: &Alias,
    rng: &mut Rng,
    measure: Measure,
    fits: Fits<'_>,
    count: usize,
) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut seen = 0;
    for _ in 0..DRAWS_MAX {
        let at = alias.draw(rng);
        if best == Some(at) || !fits(at) {
            continue;
        }
        seen += 1;
        if best.is_none_or(|other| measure(&candidates[at]) < measure(&candidates[other])) {
            best = Some(at);
        }
        if seen == count {
            break;
        }
    }
    // When most do not fit, the draws may miss the few that do.
    best.or_else(|| (0..candidates.len()).find(|at| fits(*at)))
}
