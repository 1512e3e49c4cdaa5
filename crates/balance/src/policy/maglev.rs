//! Consistent hashing by a table that members fill in turns (Maglev, Eisenbud et al. 2016,
//! section 3.4): one look-up, shares even within a fraction of a per cent, and few keys move when
//! a member comes or goes.

use super::{Fits, identity};
use crate::hash::mix;
use crate::view::Candidate;

/// Entries; a prime far above the number of members.
pub(crate) const ENTRIES: u64 = 65_537;
/// Further entries tried when the first candidate does not fit.
const STEPS: u64 = 64;

/// The table: a candidate per entry.
#[derive(Debug)]
pub(crate) struct Maglev {
    entries: Box<[u16]>,
}

impl Maglev {
    pub(crate) fn build(candidates: &[Candidate]) -> Maglev {
        const FREE: u16 = u16::MAX;
        let mut entries = vec![FREE; ENTRIES as usize];
        // The order in which members take turns must not depend on the order in the file.
        let mut order: Vec<usize> = (0..candidates.len().min(usize::from(FREE))).collect();
        order.sort_by_key(|at| identity(&candidates[*at]));
        let heaviest = candidates.iter().map(|candidate| candidate.share).max().unwrap_or(1);
        let mut walks: Vec<Walk> = order.iter().map(|at| Walk::new(&candidates[*at])).collect();
        let mut filled = 0;
        while filled < ENTRIES && !order.is_empty() {
            for (walk, at) in walks.iter_mut().zip(&order) {
                walk.credit += u64::from(candidates[*at].share);
                if walk.credit < u64::from(heaviest) {
                    continue;
                }
                walk.credit -= u64::from(heaviest);
                if filled == ENTRIES {
                    break;
                }
                let mut entry = walk.step();
                while entries[entry] != FREE {
                    entry = walk.step();
                }
                entries[entry] = *at as u16;
                filled += 1;
            }
        }
        Maglev { entries: entries.into() }
    }

    /// The candidate at the key; if it does not fit, those at keys derived from it.
    pub(crate) fn pick(&self, key: u64, candidates: usize, fits: Fits<'_>) -> Option<usize> {
        let at = |key: u64| usize::from(self.entries[(key % ENTRIES) as usize]);
        let first = at(key);
        if fits(first) {
            return Some(first);
        }
        let others = (1..=STEPS).map(|step| at(mix(key.wrapping_add(step))));
        let mut others = others.chain(0..candidates);
        others.find(|at| fits(*at))
    }
}

/// A member's own order of all entries.
struct Walk {
    at: u64,
    skip: u64,
    credit: u64,
}

impl Walk {
    fn new(candidate: &Candidate) -> Walk {
        let own = identity(candidate);
        Walk { at: mix(own) % ENTRIES, skip: mix(!own) % (ENTRIES - 1) + 1, credit: 0 }
    }

    fn step(&mut self) -> usize {
        let entry = self.at;
        self.at = (self.at + self.skip) % ENTRIES;
        entry as usize
    }
}
