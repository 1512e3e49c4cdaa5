//! One file per way to pick. Each picks among the candidates of a view; `fits` says which of them
//! may be picked for this exchange.

mod alias;
pub(crate) mod apache;
mod least;
mod maglev;
mod ring;
mod sequence;

pub(crate) use alias::Alias;
pub(crate) use least::{Contest, Field, by_bytes, by_requests_under_way, by_time, drawn};
pub(crate) use maglev::Maglev;
pub(crate) use ring::Ring;
pub(crate) use sequence::Sequence;

use crate::view::Candidate;

/// Whether a candidate, by its place in the view, may be picked.
pub(crate) type Fits<'a> = &'a dyn Fn(usize) -> bool;

/// Rendezvous hashing by weight (Thaler and Ravishankar 1998; Schindelhauer and Schomaker 2005): the
/// candidate with the highest score of key, identity and share. Used for affinity by key beside
/// policies that have no table for it; it looks at every candidate.
pub(crate) fn rendezvous(candidates: &[Candidate], key: u64, fits: Fits<'_>) -> Option<usize> {
    let score = |at: &usize| {
        let candidate = &candidates[*at];
        // Evenly between 0 and 1, never either.
        let chance = (crate::hash::mix(key ^ identity(candidate)) >> 11) as f64 + 0.5;
        let chance = chance / (1_u64 << 53) as f64;
        -f64::from(candidate.share) / chance.ln()
    };
    let fitting = (0..candidates.len()).filter(|at| fits(*at)).map(|at| (at, score(&at)));
    fitting.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
}

/// A member's number for consistent hashing: the same on every machine.
pub(crate) fn identity(candidate: &Candidate) -> u64 {
    candidate.member.number()
}
