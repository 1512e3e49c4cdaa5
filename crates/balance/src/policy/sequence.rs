//! Smooth weighted round robin (as nginx does it), written out once: picking is one step on a
//! cursor that all cores share, whatever the number of members.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Fits;

/// Turns that are written out at most, unless there are more members than that. Weights whose sum
/// is larger are rounded to it.
const TURNS_MAX: u64 = 4096;
/// Members times turns up to which the exact order is computed; beyond, an order as even but not
/// the same, by sorting.
const EXACT_MAX: u64 = 4_000_000;

/// Turns that are passed on one by one before the rest is looked through at once.
const PASSED_MAX: u64 = 16;

/// The order of turns.
#[derive(Debug)]
pub(crate) struct Sequence {
    turns: Box<[u32]>,
}

impl Sequence {
    pub(crate) fn build(shares: impl Iterator<Item = u32>) -> Sequence {
        let weights = reduced(shares.map(u64::from).collect());
        let sum: u64 = weights.iter().sum();
        let equal = weights.iter().all(|weight| *weight == 1);
        let turns = match (equal, sum.saturating_mul(weights.len() as u64)) {
            (true, _) => (0..weights.len() as u32).collect(),
            (false, 0..=EXACT_MAX) => smooth(&weights, sum),
            _ => even(&weights),
        };
        Sequence { turns }
    }

    /// The next in turn that fits. Turns of those that do not fit go to whoever comes after.
    pub(crate) fn pick(&self, cursor: &AtomicU64, fits: Fits<'_>) -> Option<usize> {
        let length = self.turns.len() as u64;
        if length == 0 {
            return None;
        }
        let mut at = 0;
        // Who does not fit passes the turn on, and the next request does not begin with the same
        // neighbour again: the turns of one are shared by all others.
        for _ in 0..length.min(PASSED_MAX) {
            at = cursor.fetch_add(1, Relaxed);
            let place = self.turns[(at % length) as usize] as usize;
            if fits(place) {
                return Some(place);
            }
        }
        let rest = (1..length).map(|step| self.turns[((at + step) % length) as usize] as usize);
        rest.into_iter().find(|place| fits(*place))
    }

    /// The next in turn, without taking it.
    pub(crate) fn peek(&self, cursor: &AtomicU64, fits: Fits<'_>) -> Option<usize> {
        self.pick(&AtomicU64::new(cursor.load(Relaxed)), fits)
    }
}

/// Weights without common divisor, and with a sum that can be written out.
fn reduced(mut weights: Vec<u64>) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    weights.iter_mut().for_each(|weight| *weight /= divisor);
    let sum: u64 = weights.iter().sum();
    let most = TURNS_MAX.max(weights.len() as u64 * 4);
    if sum > most {
        weights.iter_mut().for_each(|weight| *weight = (*weight * most / sum).max(1));
    }
    weights
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Each turn every member gains its weight; the richest goes and pays the sum.
fn smooth(weights: &[u64], sum: u64) -> Box<[u32]> {
    let mut credit = vec![0_i64; weights.len()];
    let mut turns = Vec::with_capacity(sum as usize);
    for _ in 0..sum {
        let mut best = 0;
        for (index, weight) in weights.iter().enumerate() {
            credit[index] += *weight as i64;
            if credit[index] > credit[best] {
                best = index;
            }
        }
        credit[best] -= sum as i64;
        turns.push(best as u32);
    }
    turns.into()
}

/// Each member's turns stand at even distances.
fn even(weights: &[u64]) -> Box<[u32]> {
    let mut places: Vec<(f64, u32)> = Vec::new();
    for (index, weight) in (0_u32..).zip(weights) {
        places.extend((0..*weight).map(|turn| ((turn as f64 + 0.5) / *weight as f64, index)));
    }
    places.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    places.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(weights: &[u32], picks: usize) -> String {
        let sequence = Sequence::build(weights.iter().copied());
        let cursor = AtomicU64::new(0);
        (0..picks)
            .map(|_| (b'A' + sequence.pick(&cursor, &|_| true).unwrap() as u8) as char)
            .collect()
    }

    #[test]
    fn turns_are_smooth() {
        assert_eq!(letters(&[100, 100, 100], 6), "ABCABC");
        assert_eq!(letters(&[500, 100, 100], 14), "AABACAAAABACAA");
        assert_eq!(letters(&[100, 200, 300], 6), "CBACBC");
        assert_eq!(letters(&[150, 100], 5), "ABABA");
    }

    #[test]
    fn weights_are_kept_when_the_sum_is_large() {
        let sequence = Sequence::build([100_000, 33_333, 1].into_iter());
        let count = |index| sequence.turns.iter().filter(|turn| **turn == index).count() as f64;
        let all = sequence.turns.len() as f64;
        assert!((count(0) / all - 0.75).abs() < 0.01 && (count(1) / all - 0.25).abs() < 0.01);
        assert!(count(2) >= 1.0);
    }

    #[test]
    fn those_that_do_not_fit_are_passed_over() {
        let sequence = Sequence::build([100, 100, 100].into_iter());
        let cursor = AtomicU64::new(0);
        let picks: Vec<_> = (0..4).filter_map(|_| sequence.pick(&cursor, &|at| at != 1)).collect();
        assert_eq!(picks, [0, 2, 0, 2]);
        assert_eq!(sequence.pick(&cursor, &|_| false), None);
    }
}
