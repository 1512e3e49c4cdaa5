//! Consistent hashing on a ring of points (Karger 1997).

use super::{Fits, identity};
use crate::hash::mix;
use crate::view::Candidate;

/// Points of a member of weight 1.
const POINTS: u64 = 160;
/// Points in all; where there would be more, every member has half, or a quarter, and so on.
const POINTS_MAX: u64 = 1 << 20;

/// The ring: points in order, each with its candidate.
#[derive(Debug)]
pub(crate) struct Ring {
    points: Box<[(u64, u32)]>,
}

impl Ring {
    pub(crate) fn build(candidates: &[Candidate]) -> Ring {
        let sum: u64 = candidates.iter().map(|candidate| u64::from(candidate.share)).sum();
        // By its own share alone, so that nobody else's points move when one comes or goes.
        let mut halvings = 0;
        while (sum * POINTS / 100) >> halvings > POINTS_MAX {
            halvings += 1;
        }
        let mut points = Vec::new();
        for (at, candidate) in (0_u32..).zip(candidates) {
            let own = identity(candidate);
            let count = ((u64::from(candidate.share) * POINTS / 100) >> halvings).max(1);
            points.extend((0..count).map(|n| (mix(own.wrapping_add(mix(n + 1))), at)));
        }
        points.sort_unstable();
        Ring { points: points.into() }
    }

    /// The candidate at the key, or the next on the ring that fits.
    pub(crate) fn pick(&self, key: u64, fits: Fits<'_>) -> Option<usize> {
        let start = self.points.partition_point(|(point, _)| *point < key);
        let in_turn = self.points[start..].iter().chain(&self.points[..start]);
        in_turn.map(|(_, at)| *at as usize).find(|at| fits(*at))
    }
}
