//! One file per way to pick. Each picks among the candidates of a view; `fits` says which of them
//! may be picked for this exchange.

mod alias;
pub(crate) mod apache;
mod least;
mod maglev;
mod ring;
mod sequence;

pub(crate) use alias::Alias;
pub(crate) use least::{by_bytes, by_requests_under_way, by_time, drawn, least};
pub(crate) use maglev::Maglev;
pub(crate) use ring::Ring;
pub(crate) use sequence::Sequence;

use crate::view::Candidate;

/// Whether a candidate, by its place in the view, may be picked.
pub(crate) type Fits<'a> = &'a dyn Fn(usize) -> bool;

/// Rendezvous hashing (Thaler and Ravishankar 1998): the candidate with the highest hash of key
/// and identity. Used for affinity by key beside policies that have no table for it; it looks at
/// every candidate.
pub(crate) fn rendezvous(candidates: &[Candidate], key: u64, fits: Fits<'_>) -> Option<usize> {
    let score = |at: &usize| crate::hash::mix(key ^ identity(&candidates[*at]));
    (0..candidates.len()).filter(|at| fits(*at)).max_by_key(score)
}

/// A member's number for consistent hashing: the same on every machine.
pub(crate) fn identity(candidate: &Candidate) -> u64 {
    let member = &candidate.member;
    crate::hash_key(format!("{} {}", member.address(), member.tag()).as_bytes())
}
